package tcp_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"pokt.ai/internal/tcp"
)

var past = time.Unix(1, 0)

// wantTimeout checks err in the ways in which callers recognise a timeout.
func wantTimeout(t *testing.T, err error) {
	t.Helper()
	var op *net.OpError
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || !op.Timeout() {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestDeadlineThatHasPassed(t *testing.T) {
	c, peer := pair(t, newLoop(t))
	if _, err := peer.Write([]byte("ab")); err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(past)
	wantTimeout(t, readError(c)) // though there is input
	n, err := c.Write([]byte("x"))
	wantTimeout(t, err)
	if n != 0 {
		t.Errorf("wrote %d bytes after the deadline", n)
	}
	c.SetDeadline(time.Time{})
	if err := readError(c); err != nil {
		t.Errorf("read after the deadline was cleared: %v", err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Errorf("write after the deadline was cleared: %v", err)
	}
	c.SetReadDeadline(past)
	if _, err := c.Write([]byte("x")); err != nil {
		t.Errorf("write with only a read deadline: %v", err)
	}
	c.SetReadDeadline(time.Now().Add(time.Hour))
	if err := readError(c); err != nil {
		t.Errorf("read before its deadline: %v", err)
	}
}

func TestDeadlineEndsWaiting(t *testing.T) {
	tests := map[string]func(t *testing.T, c *tcp.Conn) error{
		"read": func(t *testing.T, c *tcp.Conn) error {
			c.SetReadDeadline(time.Now().Add(tcp.Tick))
			return readError(c)
		},
		"write": func(t *testing.T, c *tcp.Conn) error {
			c.SetWriteDeadline(time.Now().Add(tcp.Tick))
			for {
				if _, err := c.Write(make([]byte, 4<<20)); err != nil {
					return err
				}
			}
		},
		"read, set meanwhile": func(t *testing.T, c *tcp.Conn) error {
			failed := make(chan error, 1)
			go func() { failed <- readError(c) }()
			waiting(t, 1)
			c.SetReadDeadline(past)
			return <-failed
		},
		"write, set meanwhile": func(t *testing.T, c *tcp.Conn) error {
			failed := make(chan error, 1)
			go func() {
				_, err := c.Write(make([]byte, 256<<20))
				failed <- err
			}()
			waiting(t, 1)
			c.SetWriteDeadline(past)
			return <-failed
		},
		"read, moved to earlier": func(t *testing.T, c *tcp.Conn) error {
			c.SetReadDeadline(time.Now().Add(time.Hour))
			failed := make(chan error, 1)
			go func() { failed <- readError(c) }()
			waiting(t, 1)
			c.SetReadDeadline(time.Now().Add(tcp.Tick))
			return <-failed
		},
	}
	l := newLoop(t)
	for name, wait := range tests {
		t.Run(name, func(t *testing.T) {
			c, peer := pair(t, l)
			wantTimeout(t, within(t, name, func() error { return wait(t, c) }))
			// The connection is as good as before.
			c.SetDeadline(time.Time{})
			if _, err := peer.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if err := within(t, "read", func() error { return readError(c) }); err != nil {
				t.Errorf("read after the timeout: %v", err)
			}
		})
	}
}

// A deadline moved to later, or cleared, while a goroutine waits must not end
// its wait: the read gets what arrives later.
func TestDeadlineMovedToLater(t *testing.T) {
	l := newLoop(t)
	early, _ := pair(t, l)
	for name, to := range map[string]time.Time{"later": time.Now().Add(time.Hour), "cleared": {}} {
		c, peer := pair(t, l)
		c.SetReadDeadline(time.Now().Add(time.Minute))
		got := make(chan error, 1)
		go func() { got <- readError(c) }()
		waiting(t, 1)
		c.SetReadDeadline(to)
		// A timeout of another connection shows that deadlines were looked at.
		early.SetReadDeadline(time.Now().Add(2 * tcp.Tick))
		wantTimeout(t, readError(early))
		if _, err := peer.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := within(t, "read", func() error { return <-got }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What was written before the deadline passed is counted.
func TestWriteReportsWhatItWrote(t *testing.T) {
	c, peer := pair(t, newLoop(t))
	c.SetWriteDeadline(time.Now().Add(2 * tcp.Tick))
	n, err := c.Write(make([]byte, 256<<20))
	wantTimeout(t, err)
	c.Close()
	got, err := io.Copy(io.Discard, peer)
	if err != nil || got != int64(n) {
		t.Errorf("peer got %d bytes (%v), Write said %d", got, err, n)
	}
}
