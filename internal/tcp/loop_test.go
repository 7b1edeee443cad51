package tcp_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestLoopCloseEndsEverything(t *testing.T) {
	l := newLoop(t)
	failed := make(chan error, 21)
	for range 20 {
		c, _ := pair(t, l)
		go func() { failed <- readError(c) }()
	}
	ln := listen(t, l)
	go func() {
		_, err := ln.Accept()
		failed <- err
	}()

	waiting(t, 21)
	var closers sync.WaitGroup
	for range 3 {
		closers.Go(func() { l.Close() })
	}
	within(t, "Loop.Close", func() bool { closers.Wait(); return true })
	for range 21 {
		if err := within(t, "read or accept", func() error { return <-failed }); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want net.ErrClosed", err)
		}
	}
	eventually(t, "no goroutine left", func() bool { return !strings.Contains(stacks(), "internal/tcp.") })
}

func TestLoopOpensNothingAfterClose(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer nl.Close()
	l := newLoop(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Dial(t.Context(), nl.Addr().String()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial: %v", err)
	}
	if _, err := l.Listen(t.Context(), "127.0.0.1:0"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("listen: %v", err)
	}
}

func TestLoopCloseWhileConnecting(t *testing.T) {
	for range 20 {
		l := newLoop(t)
		ln := listen(t, l)
		serve(t, ln, echo)
		var dialled sync.WaitGroup
		started := make(chan struct{}, 8)
		for range 8 {
			dialled.Go(func() {
				for {
					c, err := l.Dial(t.Context(), ln.Addr().String())
					if err != nil {
						return
					}
					started <- struct{}{}
					c.Write([]byte("x"))
					readError(c)
					c.Close()
				}
			})
		}
		<-started
		go func() {
			for range started {
			}
		}()
		l.Close()
		within(t, "dialling", func() bool { dialled.Wait(); return true })
		close(started)
	}
}

func TestDialFails(t *testing.T) {
	l := newLoop(t)
	ln := listen(t, l)
	address := ln.Addr().String()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Dial(canceled, address); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("canceled: %v", err)
	}
	ln.Close()
	if _, err := l.Dial(t.Context(), address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
}
