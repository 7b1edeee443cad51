package tcp_test

import (
	"errors"
	"io"
	"testing"
)

func TestHungUp(t *testing.T) {
	l := newLoop(t)
	c, peer := pair(t, l)
	if c.HungUp() {
		t.Error("hung up at the start")
	}
	peer.Write([]byte("last words"))
	peer.Close()
	eventually(t, "hung up", c.HungUp)
	got, err := io.ReadAll(c) // nothing is lost by it
	if string(got) != "last words" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if err := readError(c); !errors.Is(err, io.EOF) {
		t.Errorf("read after the end: %v", err)
	}

	c, peer = pair(t, l)
	peer.CloseWrite()
	eventually(t, "half closed", c.HungUp)

	c, peer = pair(t, l)
	peer.SetLinger(0)
	peer.Close()
	eventually(t, "reset", c.HungUp)

	c, _ = pair(t, l)
	c.Close()
	if !c.HungUp() {
		t.Error("not hung up after Close")
	}
}
