package spool

import (
	"hash"
	"io"
	"os"
	"runtime"
)

// Work on whole segments takes milliseconds. It lets the requests that wait run
// after every piece of about 50 us: on one processor they would otherwise all
// wait for the end, which shows in the 99th percentile.
const (
	pieceBytes = 64 << 10
	pieceSlots = 1024
)

func yieldAfter(slots int) {
	if slots%pieceSlots == 0 {
		runtime.Gosched()
	}
}

// hashAll writes b to h.
func hashAll(h hash.Hash, b []byte) {
	for len(b) > pieceBytes {
		h.Write(b[:pieceBytes])
		b = b[pieceBytes:]
		runtime.Gosched()
	}
	h.Write(b)
}

// readFile returns the contents of a file.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, info.Size())
	for done := 0; done < len(b); runtime.Gosched() {
		n, err := io.ReadFull(f, b[done:min(len(b), done+pieceBytes)])
		if done += n; err != nil {
			return nil, err
		}
	}
	return b, nil
}
