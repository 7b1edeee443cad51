package spool

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// allocate makes file size bytes long, with every block of it on the disk.
func allocate(file *os.File, size int64) error {
	for {
		switch err := unix.Fallocate(int(file.Fd()), 0, 0, size); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return writeZeros(file, size)
		default:
			return err
		}
	}
}

// populate maps pages for writing now, so that no append waits for a page fault
// (some microseconds for each 64 records). Kernels before 5.14 do not know it.
func populate(mapping []byte) error {
	for ; len(mapping) > 0; runtime.Gosched() {
		piece := mapping[:min(len(mapping), pieceBytes)]
		if err := unix.Madvise(piece, unix.MADV_POPULATE_WRITE); err != nil {
			if errors.Is(err, unix.EINVAL) {
				return nil
			}
			return err
		}
		mapping = mapping[len(piece):]
	}
	return nil
}
