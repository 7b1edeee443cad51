package spool_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"pokt.ai/meter/spool"
)

// TestFullDisk runs on a filesystem of 4 MiB that something else fills. A store
// into a page that the disk has no room for would end this process.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("SKIPPED: a full disk needs the right to mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	other := filepath.Join(disk, "other")
	fillDisk := func() {
		t.Helper()
		file, err := os.Create(other)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for err == nil {
			_, err = file.Write(make([]byte, 4096))
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
	cfg := smallConfig(filepath.Join(disk, "spool"))
	cfg.SealRows = 8192 // more than are mapped in advance
	s, _ := reopen(t, cfg)
	fillDisk()

	n := fill(t, s)
	if n == 0 {
		t.Error("nothing was taken, though two segments were prepared")
	}
	if got := s.Intern("interned on a full disk"); got == spool.Other {
		t.Error("a full disk refused a name")
	}
	// All of it is sealed without any more room, and comes through.
	flush(t, s)
	if seen := counts(t, take(t, s)); len(seen) != int(n) {
		t.Errorf("%d records sealed, want %d", len(seen), n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// A gateway that starts on a full disk sheds until there is room.
	fillDisk()
	s, set := reopen(t, cfg)
	if err := s.Ready(); !errors.Is(err, spool.ErrFull) {
		t.Errorf("ready on a full disk: %v", err)
	}
	if full := value(t, set, "poktai_spool_full"); full != 1 {
		t.Errorf("full is %v", full)
	}
	chain := s.Intern("eth")
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	r := record(1)
	r.Chain = chain
	untilRoom(t, s, r)
	flush(t, s)
	for _, segment := range take(t, s) {
		for got := range segment.Records() {
			if name := segment.Text(got.Chain); name != "eth" {
				t.Errorf("chain %q", name)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
