package spool_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pokt.ai/meter/spool"
)

// small leaves room for the fewest segments that max_bytes may be set to.
func small(c *spool.Config) {
	c.SealRows = 256
	c.MaxBytes = 4 * 300_000
}

// fill appends until the spool is full and returns how many records it took.
func fill(t *testing.T, s *spool.Spool) uint64 {
	t.Helper()
	for n := uint64(0); ; n++ {
		r := record(n + 1)
		switch err := s.Append(&r); {
		case errors.Is(err, spool.ErrFull):
			return n
		case err != nil:
			t.Fatal(err)
		case n > 1e6:
			t.Fatal("it never becomes full")
		}
	}
}

// untilRoom appends r until it is taken.
func untilRoom(t *testing.T, s *spool.Spool, r spool.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		err := s.Append(&r)
		if err == nil {
			return
		}
		if !errors.Is(err, spool.ErrFull) {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
			t.Fatal("there is room, and it is still full")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestFullSpoolSheds(t *testing.T) {
	s, set, cfg := openMeasured(t, small)
	n := fill(t, s)
	if n < uint64(2*cfg.SealRows) {
		t.Errorf("it was full after %d records", n)
	}
	if err := s.Ready(); !errors.Is(err, spool.ErrFull) {
		t.Errorf("ready: %v", err)
	}
	if shed := value(t, set, "poktai_spool_rows_shed_total"); shed != 1 {
		t.Errorf("%v records counted as shed, want 1", shed)
	}
	if full := value(t, set, "poktai_spool_full"); full != 1 {
		t.Errorf("full is %v", full)
	}
	if bytes := value(t, set, "poktai_spool_bytes"); bytes > float64(cfg.MaxBytes) {
		t.Errorf("%v bytes, max_bytes is %d", bytes, cfg.MaxBytes)
	}

	// What was taken is all there, and taking it away makes room.
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := counts(t, take(t, s))
	for id := uint64(1); id <= n; id++ {
		if seen[id] != 1 {
			t.Fatalf("record %d is there %d times", id, seen[id])
		}
	}
	untilRoom(t, s, record(1))
	if full := value(t, set, "poktai_spool_full"); full != 0 {
		t.Errorf("full is %v after there was room", full)
	}
}

func TestFullSpoolCountsAndDrops(t *testing.T) {
	s, set, _ := openMeasured(t, func(c *spool.Config) { small(c); c.OnFull = spool.CountAndDrop })
	const appended = 5000
	for i := range uint64(appended) {
		appendRecord(t, s, i+1)
	}
	if err := s.Ready(); err != nil {
		t.Errorf("ready: %v", err)
	}
	flush(t, s)
	kept := len(counts(t, take(t, s)))
	dropped := value(t, set, "poktai_spool_rows_dropped_total")
	if dropped == 0 || kept+int(dropped) != appended {
		t.Errorf("%d kept and %v counted as dropped of %d", kept, dropped, appended)
	}
}

func TestAppendDoesNotAllocateWhenFull(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s, _ := open(t, small)
	fill(t, s)
	r := record(1)
	if n := testing.AllocsPerRun(1000, func() { _ = s.Append(&r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestFullDisk runs on a filesystem of 2 MiB that something else fills.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=2m"); err != nil {
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
		defer file.Close() //nolint:errcheck // filler
		for err == nil {
			_, err = file.Write(make([]byte, 4096))
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
	cfg := smallConfig(filepath.Join(disk, "spool"))
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
