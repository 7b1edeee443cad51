package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// Each testdata/faults/NAME.yaml is refused with the lines of NAME.faults. Lines
// "# env NAME=value" at its head are the environment.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			yaml, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var env []string
			for line := range strings.Lines(string(yaml)) {
				if e, ok := strings.CutPrefix(line, "# env "); ok {
					env = append(env, strings.TrimSuffix(e, "\n"))
				}
			}
			_, faults := decode(string(yaml), env...)
			if faults == nil {
				t.Fatal("not refused")
			}
			got := faults.Error() + "\n"
			golden := strings.TrimSuffix(file, ".yaml") + ".faults"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
			for _, secret := range []string{"hunter22", "s3cr3t-of-node"} {
				if strings.Contains(got, secret) {
					t.Errorf("a fault shows %q", secret)
				}
			}
		})
	}
}
