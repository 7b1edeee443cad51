package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pokt.ai/internal/config"
)

// Whatever the file and a variable are, they are read or refused with faults at
// places that exist; nothing panics, and no fault shows the secret.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/faults/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		yaml, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(yaml, "POKTAI_STORE_DSN=${X}")
	}
	f.Add([]byte("store: {dsn: '${SECRET}'}\nchains: {a: {upstreams: [{url: 'http://${SECRET}'}]}}"), "POKTAI_CHAINS_A_ALIASES=a,b")
	f.Add([]byte("? a\n: [b, {c: d}]\n--- |\n x\n"), "POKTAI_GATEWAY_MAX_DEPTH=0x100")

	const secretText = "hunter22-hunter22"
	f.Fuzz(func(t *testing.T, yaml []byte, variable string) {
		c := defaults()
		// A file name of the input could be any device of the machine.
		if strings.Contains(string(yaml), "file:") || strings.Contains(variable, "_FILE=") {
			t.Skip()
		}
		err := config.Decode("up.yaml", yaml, []string{"SECRET=" + secretText, variable}, &c)
		if err == nil {
			if len(c.Gateway.Listen) == 0 {
				t.Fatal("a broken rule was not reported")
			}
			return
		}
		if strings.Contains(err.Error(), secretText) {
			t.Fatalf("a fault shows the secret: %v", err)
		}
		var faults config.Faults
		if !errors.As(err, &faults) || len(faults) == 0 {
			t.Fatalf("%T is no list of faults", err)
		}
		lines := strings.Count(string(yaml), "\n") + strings.Count(string(yaml), "\r") + 1
		for _, fault := range faults {
			if fault.Message == "" || fault.Line > lines || (fault.Line > 0) != (fault.Column > 0) {
				t.Fatalf("%#v, in %d lines", fault, lines)
			}
		}
	})
}
