package main

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// anvil is an Ethereum node with a block a second and well-known funded
// accounts. Its value is a URL, for HTTP and WebSocket alike.
type anvil struct{ process }

func (a *anvil) start(ctx context.Context, dir string) (string, error) {
	path, err := anvilPath()
	if err != nil {
		return "", err
	}
	port, err := freePort(ctx)
	if err != nil {
		return "", err
	}
	url := "http://127.0.0.1:" + port
	node := exec.Command(path, "--host", "127.0.0.1", "--port", port, "--chain-id", "1337", "--block-time", "1", "--silent")
	err = a.run(ctx, node, dir, func(ctx context.Context) error { return askChainID(ctx, url) })
	return url, err
}

func (a *anvil) stop() error { return a.end(syscall.SIGTERM) }

// anvilPath returns the binary that the clients' lock file names.
func anvilPath() (string, error) {
	path, err := filepath.Abs(filepath.Join(clientsDir, "node_modules", ".bin", "anvil"))
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath(path); err != nil {
		return "", fmt.Errorf("no anvil (%s): %w", installClients, err)
	}
	return path, nil
}

func askChainID(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url,
		strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("eth_chainId: %s", resp.Status)
	}
	return nil
}
