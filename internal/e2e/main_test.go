// Package e2e_test runs the binary as its users do: `poktai up` as a process on
// loopback ports with data of its own, asked over HTTP and by the other commands.
// It imports nothing of the product. What one package promises is tested there;
// here it is what they promise together.
package e2e_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := built(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// binary returns the path of poktai.
func binary(t testing.TB) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "poktai")
}

// built builds poktai once, in a folder of its own. Under the race detector it
// is built with that too: a race is then in its log, where every test looks.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "poktai-e2e-")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", dir, "./cmd/poktai")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if raceEnabled {
		build.Args = append(build.Args[:2:2], append([]string{"-race"}, build.Args[2:]...)...)
		build.Env = append(os.Environ(), "CGO_ENABLED=1")
	}
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build poktai: %w\n%s", err, out)
	}
	return dir, touchSources(build.Dir)
})

// touchSources looks at all that the binary is made of. These tests import none
// of it, so without this `go test` would take their last result for still true
// after the product changed.
func touchSources(root string) error {
	for _, part := range []string{"cmd", "configs", "gateway", "internal", "meter", "go.mod"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.Name() == "node_modules" {
				return fs.SkipDir
			}
			_, err = os.Stat(path)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// service returns where a service is that `make test` starts.
func service(t *testing.T, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not set: nothing was tested with it", variable)
		}
		t.Skipf("NOT TESTED: %s is not set; `make e2e` sets it", variable)
	}
	return value
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
