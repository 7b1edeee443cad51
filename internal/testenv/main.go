// Command testenv starts the real services that tests need on free loopback
// ports, runs a command with their addresses in its environment, stops exactly
// what it started and exits as the command did:
//
//	go run ./internal/testenv go test ./...
//
// It does not install the services (make does), and it keeps nothing: their data
// is in a temporary directory that goes with them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// dependencies is what is started, in this order. To add one, write its file
// after the model of anvil.go and list it here.
func dependencies() []dependency {
	return []dependency{
		{"POKTAI_TEST_POSTGRES", new(postgres)},
		{"POKTAI_TEST_ANVIL", new(anvil)},
		{"POKTAI_TEST_CLIENTS", clients{}},
		{"POKTAI_TEST_CLICKHOUSE_COMMAND", clickhouseCommand{}},
		{clickhouseEnv, new(clickhouse)},
	}
}

func main() {
	// Services ask the kernel to end with the thread that started them
	// (process_linux.go): that thread must live as long as the program.
	runtime.LockOSThread()

	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: testenv COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	code, err := run(context.Background(), dependencies(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "testenv:", err)
	}
	os.Exit(code)
}

// run starts the dependencies, runs the command and stops them. It returns the
// command's exit code, or 1 and what went wrong around it.
func run(ctx context.Context, deps []dependency, command []string) (code int, err error) {
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()

	dir, err := os.MkdirTemp("", "poktai-testenv-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// A service may run as another user, who must reach its folder in here.
	if err := os.Chmod(dir, 0o711); err != nil {
		return 1, err
	}

	env, err := start(ctx, dir, deps)
	defer func() {
		if stopErr := env.stop(); stopErr != nil {
			code, err = max(code, 1), errors.Join(err, stopErr)
		}
	}()
	if err != nil {
		return 1, err
	}
	return runCommand(ctx, command, env.variables)
}

// runCommand runs the command with the variables added to its environment.
func runCommand(ctx context.Context, command, variables []string) (code int, err error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = slices.Concat(os.Environ(), variables)
	// Whichever signal came: `go test` ends its test programs on an interrupt,
	// and leaves them behind on the others.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second

	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal()), nil // as a shell has it
		}
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, fmt.Errorf("run %q: %w", command[0], err)
	}
	return 0, nil
}
