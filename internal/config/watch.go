package config

import (
	"context"
	"os"
	"time"
)

// Watch looks at the file at path every so often and calls changed when another
// file stands there than before: by time, size or identity, through symbolic
// links, so that an editor's rename and the swap of a mounted volume are both
// seen. It blocks until ctx is done.
//
// A change is told once the file was found the same twice in a row: half of a
// YAML file is often a valid one. A missing file is no change. Start it before
// Load, so that no change falls between the two.
func Watch(ctx context.Context, path string, every time.Duration, changed func()) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	told := stat(path)
	seen := told
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := stat(path)
		if now != nil && same(now, seen) && !same(now, told) {
			told = now
			changed()
		}
		seen = now
	}
}

// stat returns nil if there is no such file.
func stat(path string) os.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}
