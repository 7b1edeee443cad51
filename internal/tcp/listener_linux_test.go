package tcp_test

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
)

// net/http accepts again after a temporary error, fasthttp after a timeout. Both
// end after any other, and then a burst of connections would end the gateway.
func TestAcceptWithoutDescriptorsIsTransient(t *testing.T) {
	l := newLoop(t)
	ln := listen(t, l)
	c := dial(t, l, ln.Addr().String()) // the kernel connects it without Accept

	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	free, err := os.Open(os.DevNull) // the lowest free descriptor
	if err != nil {
		t.Fatal(err)
	}
	lowest := uint64(free.Fd())
	free.Close()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: lowest, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	_, acceptErr := ln.Accept()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}

	var ne net.Error
	if !errors.Is(acceptErr, syscall.EMFILE) || !errors.As(acceptErr, &ne) || !ne.Timeout() || !ne.Temporary() { //nolint:staticcheck // net/http asks Temporary
		t.Errorf("accept: %v, want a transient EMFILE", acceptErr)
	}
	serve(t, ln, echo)
	if err := roundTrip(c, make([]byte, 10)); err != nil {
		t.Errorf("accepted later: %v", err)
	}
}
