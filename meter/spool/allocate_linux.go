package spool

import (
	"errors"
	"os"

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
	err := unix.Madvise(mapping, unix.MADV_POPULATE_WRITE)
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}
