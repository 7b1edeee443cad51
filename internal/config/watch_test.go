package config_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pokt.ai/internal/config"
)

func TestWatchTellsEachChangeOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "up.yaml")
	written := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, written, written); err != nil {
			t.Fatal(err)
		}
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write(path, "a: 1")

	synctest.Test(t, func(t *testing.T) {
		const every = time.Second
		ctx, stop := context.WithCancel(t.Context())
		var told atomic.Int32
		done := make(chan struct{})
		go func() {
			defer close(done)
			config.Watch(ctx, path, every, func() { told.Add(1) })
		}()
		synctest.Wait() // it has seen the first file
		polls := func(n int) {
			time.Sleep(time.Duration(n) * every) // the bubble's clock
			synctest.Wait()
		}
		expect := func(what string, want int32) {
			t.Helper()
			if got := told.Load(); got != want {
				t.Fatalf("%s: told %d times, want %d", what, got, want)
			}
		}

		polls(10)
		expect("nothing happened", 0)

		write(path, "a: 12")
		polls(1)
		expect("found changed once, it may still be written", 0)
		polls(1)
		expect("another size", 1)
		polls(10)
		expect("and no more", 1)

		check(os.Chtimes(path, written.Add(time.Second), written.Add(time.Second)))
		polls(2)
		expect("another time", 2)

		check(os.Remove(path))
		polls(10)
		expect("missing", 2)
		write(path, "a: 123")
		polls(2)
		expect("back", 3)

		// As a mounted volume does it: the same size and time behind a link.
		check(os.Rename(path, filepath.Join(dir, "one")))
		write(filepath.Join(dir, "two"), "a: 321")
		check(os.Symlink("one", path))
		polls(10)
		expect("the same file through a link", 3)
		check(os.Symlink("two", path+".new"))
		check(os.Rename(path+".new", path))
		polls(2)
		expect("link swapped", 4)

		write(path, "a: 1234")
		polls(1)
		write(path, "a: 12345")
		polls(1)
		expect("still being written", 4)
		polls(1)
		expect("written", 5)

		stop()
		<-done
	})
}
