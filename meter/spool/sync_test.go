package spool

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestSync(t *testing.T) {
	disk := newSyncer()
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			f, err := os.Create(filepath.Join(dir, string(rune('a'+i))))
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for range 10 {
				if _, err := f.WriteString("x"); err != nil {
					t.Error(err)
				}
				if err := disk.sync(f); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := syncDir(disk, dir); err != nil {
		t.Error(err)
	}

	f, err := os.Create(filepath.Join(dir, "closed"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := disk.sync(f); err == nil {
		t.Error("a closed file was synced")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := disk.sync(w); err == nil {
		t.Error("a pipe was synced")
	}

	disk.close()
	again, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := disk.sync(again); err != nil {
		t.Errorf("after close: %v", err) // Close of a spool syncs last
	}
}
