//go:build !race

package tcp

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These calls do not tell the scheduler, which pays for calls that may block: on
// a non-blocking socket they only copy, at most maxCall bytes. The conversion in
// the argument list keeps b alive and in place until the call returns.

func readSocket(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

func writeSocket(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}
