package tcp_test

import (
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A server answers without reading more than the first bytes of what the client
// sends, and the client reads only when it has sent everything.
func TestLingeringAnswerArrives(t *testing.T) {
	const answer = "413 Request Entity Too Large"
	l := newLoop(t)
	for range 20 {
		c, peer := pair(t, l)
		go func() {
			c.Read(make([]byte, 100))
			c.Write([]byte(answer))
			c.Linger()
			c.Close()
		}()
		if _, err := peer.Write(make([]byte, 4<<20)); err != nil {
			t.Fatalf("the client could not send all: %v", err)
		}
		got, err := io.ReadAll(peer)
		if string(got) != answer || err != nil {
			t.Fatalf("the client got %q, %v", got, err)
		}
		peer.Close()
	}
}

// The peer sees the end of the answer at once, while its input is still read.
// Connections that were reset before have not used up what may linger.
func TestLingeringEndsTheOutputFirst(t *testing.T) {
	l := newLoop(t)
	for range 150 {
		c, peer := pair(t, l)
		peer.SetLinger(0)
		peer.Close()
		eventually(t, "hung up", c.HungUp)
		c.Linger()
		c.Close()
	}
	eventually(t, "end of the output before the end of lingering", func() bool {
		c, peer := pair(t, l)
		c.Linger()
		c.Close()
		if err := readError(peer); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		defer peer.Close()
		for range 100 { // it may still be on its way to read
			if strings.Contains(stacks(), "internal/tcp.(*direction).wait(") {
				return true
			}
			runtime.Gosched()
		}
		return false
	})
}

// To its own side a lingering connection is closed.
func TestLingeringConnectionIsClosed(t *testing.T) {
	c, peer := pair(t, newLoop(t))
	failed := make(chan error, 1)
	go func() { failed <- readError(c) }()
	waiting(t, 1)
	c.Linger()
	c.Close()
	peer.Write([]byte("too late"))
	if err := within(t, "read", func() error { return <-failed }); !errors.Is(err, net.ErrClosed) {
		t.Errorf("waiting read: %v", err)
	}
	if err := readError(c); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read: %v", err)
	}
	if err := readError(peer); !errors.Is(err, io.EOF) {
		t.Errorf("the peer: %v, want the end of the stream", err)
	}
}

func TestLingeringEnds(t *testing.T) {
	l := newLoop(t)
	for name, size := range map[string]int{"a peer that sends much": 1 << 20, "a peer that sends for long": 1} {
		c, peer := pair(t, l)
		c.Linger()
		c.Close()
		eventually(t, name+" is cut off", func() bool {
			_, err := peer.Write(make([]byte, size))
			return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
		})
	}
}

func TestLoopCloseEndsLingering(t *testing.T) {
	l := newLoop(t)
	var peers []net.Conn
	for range 200 {
		c, peer := pair(t, l)
		c.Linger()
		c.Close()
		peers = append(peers, peer)
	}
	if n := strings.Count(stacks(), "drain.func1("); n == 0 || n > 128 {
		t.Errorf("%d connections linger, want some and at most 128", n)
	}
	within(t, "Loop.Close", l.Close)
	eventually(t, "no goroutine left", func() bool { return !strings.Contains(stacks(), "internal/tcp.") })
	for _, peer := range peers {
		peer.SetReadDeadline(time.Now().Add(patience))
		if err := readError(peer); !errors.Is(err, io.EOF) {
			t.Fatalf("the peer: %v, want the end of the stream", err)
		}
	}
}
