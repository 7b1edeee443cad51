package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

const (
	clickhouseEnv = "POKTAI_TEST_CLICKHOUSE"
	// enginePath is relative to the root of the repository, with the engine's
	// library beside it.
	enginePath = "bin/clickhouse-engine"
)

// clickhouseCommand is no server: its value is the program that a test starts
// for an engine of its own (see internal/testclickhouse).
type clickhouseCommand struct{}

func (clickhouseCommand) start(context.Context, string) (string, error) {
	path, err := filepath.Abs(enginePath)
	if err != nil {
		return "", err
	}
	for _, file := range []string{path, filepath.Join(filepath.Dir(path), "libchdb.so")} {
		if _, err := os.Stat(file); err != nil {
			return "", fmt.Errorf("no test engine (run `make test-deps`): %w", err)
		}
	}
	return path, nil
}

func (clickhouseCommand) stop() error { return nil }

// clickhouse is a ClickHouse without data: the test engine, or the server that
// the environment names already.
type clickhouse struct{ process }

func (c *clickhouse) start(ctx context.Context, dir string) (string, error) {
	if address := os.Getenv(clickhouseEnv); address != "" {
		return address, nil
	}
	path, err := clickhouseCommand{}.start(ctx, dir)
	if err != nil {
		return "", err
	}
	native, err := freePort(ctx)
	if err != nil {
		return "", err
	}
	web, err := freePort(ctx)
	if err != nil {
		return "", err
	}
	engine := exec.Command(path, "-data", filepath.Join(dir, "data"), "-native", native, "-http", web)
	err = c.run(ctx, engine, dir, func(ctx context.Context) error { return ping(ctx, "http://127.0.0.1:"+web) })
	return "clickhouse://127.0.0.1:" + native + "?http=127.0.0.1:" + web, err
}

func (c *clickhouse) stop() error {
	if c.cmd == nil {
		return nil // it was there before
	}
	return c.end(syscall.SIGTERM)
}

// ping asks whether a ClickHouse answers HTTP, which the engine opens last.
func ping(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/ping", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ping: %s", resp.Status)
	}
	return nil
}
