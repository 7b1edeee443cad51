package tcp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"pokt.ai/internal/tcp"
)

// patience bounds what a test waits for; only a fault takes this long.
const patience = 20 * time.Second

func newLoop(t testing.TB) *tcp.Loop {
	t.Helper()
	l, err := tcp.NewLoop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func listen(t testing.TB, l *tcp.Loop) *tcp.Listener {
	t.Helper()
	ln, err := l.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func dial(t testing.TB, l *tcp.Loop, address string) *tcp.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := l.Dial(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*tcp.Conn)
}

// pair returns the two ends of a connection, the second one of package net.
func pair(t testing.TB, l *tcp.Loop) (*tcp.Conn, *net.TCPConn) {
	t.Helper()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer nl.Close()
	c := dial(t, l, nl.Addr().String())
	peer, err := nl.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	peer.SetDeadline(time.Now().Add(patience))
	return c, peer.(*net.TCPConn)
}

// serve runs handle on a goroutine for each connection until the test ends.
func serve(t testing.TB, ln net.Listener, handle func(net.Conn)) {
	t.Helper()
	go func() {
		for {
			c, err := ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				t.Errorf("accept: %v", err)
				return
			}
			go handle(c)
		}
	}()
}

// echo sends back what it reads, until the end of the input.
func echo(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// eventually waits until condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// within fails the test if f does not return.
func within[T any](t *testing.T, what string, f func() T) T {
	t.Helper()
	done := make(chan T, 1)
	go func() { done <- f() }()
	select {
	case v := <-done:
		return v
	case <-time.After(patience):
		t.Fatalf("did not return: %s", what)
		panic("unreachable")
	}
}

func readError(c io.Reader) error {
	_, err := c.Read(make([]byte, 1))
	return err
}

// waiting returns when n goroutines wait for their sockets. Elsewhere than on
// Linux package net does the waiting, and there it is not looked at.
func waiting(t *testing.T, n int) {
	t.Helper()
	if runtime.GOOS == "linux" {
		eventually(t, "waiting", func() bool {
			return strings.Count(stacks(), "internal/tcp.(*direction).wait(") >= n
		})
	}
}

func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}
