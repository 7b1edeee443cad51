package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fake is a service that is ready when its shell script has made a file "ready".
type fake struct {
	process
	script string
	stops  int
}

func (f *fake) start(ctx context.Context, dir string) (string, error) {
	return "here", f.run(ctx, exec.Command("sh", "-c", f.script), dir, func(context.Context) error {
		_, err := os.Stat(filepath.Join(dir, "ready"))
		return err
	})
}

func (f *fake) stop() error {
	f.stops++
	return f.end(syscall.SIGTERM)
}

const serves = "touch ready; exec sleep 600"

// checkNothingLeft fails if a process of f, or a file, outlived run.
func checkNothingLeft(t *testing.T, services ...*fake) {
	t.Helper()
	for _, f := range services {
		if err := syscall.Kill(f.cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process of %q still runs: %v", f.script, err)
		}
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range left {
		t.Errorf("%s was left behind", file.Name())
	}
}

func TestExitsAsTheCommandDoes(t *testing.T) {
	for _, tc := range []struct {
		name    string
		command []string
		code    int
		err     string
	}{
		{"success, with the variables", []string{"sh", "-c", `test "$POKTAI_TEST_FAKE" = here`}, 0, ""},
		{"failure", []string{"sh", "-c", "exit 7"}, 7, ""},
		{"killed", []string{"sh", "-c", "kill -9 $$"}, 128 + 9, ""},
		{"no such command", []string{"poktai-no-such-command"}, 1, "not found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			f := &fake{script: serves}
			code, err := run(t.Context(), []dependency{{"POKTAI_TEST_FAKE", f}}, tc.command)
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			checkError(t, err, tc.err)
			checkNothingLeft(t, f)
		})
	}
}

func TestServiceThatDoesNotStart(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	first, second := &fake{script: serves}, &fake{script: "echo no memory; exit 1"}
	marker := filepath.Join(t.TempDir(), "ran")
	code, err := run(t.Context(), []dependency{{"FIRST", first}, {"SECOND", second}}, []string{"touch", marker})
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	checkError(t, err, "start for SECOND", "no memory")
	if _, err := os.Stat(marker); err == nil {
		t.Error("the command ran without its services")
	}
	if first.stops != 1 || second.stops != 0 {
		t.Errorf("stops: first %d, second %d; want 1 and 0", first.stops, second.stops)
	}
	checkNothingLeft(t, first, second)
}

func TestServiceThatEndsEarlyFailsTheRun(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	// The service ends when the command writes to the one pipe; the command ends
	// when the service's end has closed the other.
	end, ended := newPipe(t), newPipe(t)
	f := &fake{script: "touch ready; exec 3>" + ended + "; read line <" + end + "; echo out of disk; exit 1"}
	code, err := run(t.Context(), []dependency{{"FAKE", f}},
		[]string{"sh", "-c", "exec 3<" + ended + "; echo >" + end + "; cat <&3"})
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	checkError(t, err, "stop for FAKE", "out of disk")
	checkNothingLeft(t, f)
}

func TestInterruptReachesTheCommand(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	pipe := newPipe(t)
	go func() {
		_, _ = os.ReadFile(pipe) // until the command has set its trap
		cancel()
	}()
	f := &fake{script: serves}
	code, _ := run(ctx, []dependency{{"FAKE", f}},
		[]string{"sh", "-c", "trap 'exit 3' INT; echo >" + pipe + "; while :; do :; done"})
	if code != 3 {
		t.Errorf("exit code %d, want the command's own, 3", code)
	}
	checkNothingLeft(t, f)
}

func newPipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func checkError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if len(parts) == 1 && parts[0] == "" {
		if err != nil {
			t.Errorf("error: %v", err)
		}
		return
	}
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want one with %q", err, part)
		}
	}
}
