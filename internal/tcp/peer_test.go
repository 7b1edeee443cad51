package tcp_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
)

func TestHalfClosedPeerGetsItsEcho(t *testing.T) {
	c, peer := pair(t, newLoop(t))
	sent := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{1}).Read(sent)
	go func() {
		peer.Write(sent)
		peer.CloseWrite()
	}()
	go func() {
		all, _ := io.ReadAll(c) // to the end of the input
		c.Write(all)
		c.Close()
	}()
	got, err := io.ReadAll(peer)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d bytes (%v), sent %d", len(got), err, len(sent))
	}
}

func TestReset(t *testing.T) {
	l := newLoop(t)
	c, peer := pair(t, l)
	failed := make(chan error, 1)
	go func() { failed <- readError(c) }()
	waiting(t, 1)
	peer.SetLinger(0)
	peer.Close()
	if err := within(t, "read", func() error { return <-failed }); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v, want a reset", err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("write: %v", err)
	}

	// A write that waits learns of it as well.
	c, peer = pair(t, l)
	go func() {
		_, err := c.Write(make([]byte, 64<<20))
		failed <- err
	}()
	waiting(t, 1)
	peer.SetLinger(0)
	peer.Close()
	err := within(t, "write", func() error { return <-failed })
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("write: %v", err)
	}
}

// The peer reads nothing until the writer waits.
func TestSlowPeerGetsAllOfALargeWrite(t *testing.T) {
	c, peer := pair(t, newLoop(t))
	sent := make([]byte, 24<<20+1)
	rand.NewChaCha8([32]byte{2}).Read(sent)
	type result struct {
		n   int
		err error
	}
	written := make(chan result, 1)
	go func() {
		n, err := c.Write(sent)
		written <- result{n, err}
	}()
	waiting(t, 1)
	var got bytes.Buffer
	for got.Len() < len(sent) {
		if _, err := io.CopyN(&got, peer, min(1<<20, int64(len(sent)-got.Len()))); err != nil {
			t.Fatal(err)
		}
	}
	if r := <-written; r.n != len(sent) || r.err != nil {
		t.Errorf("wrote %d of %d bytes: %v", r.n, len(sent), r.err)
	}
	if !bytes.Equal(got.Bytes(), sent) {
		t.Error("the bytes were changed")
	}
}

func TestEmptyReadAndWrite(t *testing.T) {
	c, _ := pair(t, newLoop(t))
	for _, b := range [][]byte{nil, {}} {
		if n, err := c.Write(b); n != 0 || err != nil {
			t.Errorf("write: %d, %v", n, err)
		}
		n, err := c.Read(b) // though nothing has arrived
		if n != 0 || err != nil {
			t.Errorf("read: %d, %v", n, err)
		}
	}
}
