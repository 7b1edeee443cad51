//go:build race

package tcp

import "syscall"

// Package syscall tells the race detector which memory the kernel reads and
// writes, and that what was written before a Write happened before its Read.

func readSocket(fd int, b []byte) (int, syscall.Errno) { return result(syscall.Read(fd, b)) }

func writeSocket(fd int, b []byte) (int, syscall.Errno) { return result(syscall.Write(fd, b)) }

func result(n int, err error) (int, syscall.Errno) {
	errno, _ := err.(syscall.Errno) //nolint:errorlint // a system call does not wrap
	return n, errno
}
