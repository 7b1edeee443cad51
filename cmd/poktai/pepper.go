package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"pokt.ai/internal/account"
)

// readPeppers returns the hashers of the peppers in file, the newest first. The
// version of a pepper is its line.
func readPeppers(file string) ([]*account.Hasher, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read peppers: %w", err)
	}
	var hashers []*account.Hasher
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		h, err := account.NewHasher(i+1, []byte(strings.TrimSpace(line)))
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", file, i+1, err)
		}
		hashers = append([]*account.Hasher{h}, hashers...)
	}
	return hashers, nil
}

// makePepper makes file with a first pepper, unless it is there.
func makePepper(file string) error {
	if err := makeFolder(file); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make pepper: %w", err)
	}
	var pepper [32]byte
	rand.Read(pepper[:])
	_, err = fmt.Fprintln(f, base64.RawURLEncoding.EncodeToString(pepper[:]))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("make pepper: %w", err)
	}
	return nil
}
