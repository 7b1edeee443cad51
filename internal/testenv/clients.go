package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	// clientsDir is relative to the root of the repository, where testenv runs.
	clientsDir     = "internal/e2e/clients"
	installClients = "run `npm ci` in " + clientsDir
)

// clients is no server: its value is the folder of the JavaScript clients, with
// what they need installed in it.
type clients struct{}

func (clients) start(context.Context, string) (string, error) {
	if _, err := exec.LookPath("node"); err != nil {
		return "", errors.New("no Node.js is installed (Debian: apt-get install nodejs npm)")
	}
	if _, err := os.Stat(filepath.Join(clientsDir, "node_modules")); err != nil {
		return "", errors.New("the clients' packages are not installed: " + installClients)
	}
	return filepath.Abs(clientsDir)
}

func (clients) stop() error { return nil }
