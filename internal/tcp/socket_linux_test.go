package tcp

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Both ends have what package net sets by default.
func TestOptions(t *testing.T) {
	l, err := NewLoop()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ln, err := l.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dialled, err := l.Dial(t.Context(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for end, c := range map[string]*socket{
		"listener": &ln.socket,
		"dialled":  &dialled.(*Conn).socket,
		"accepted": &accepted.(*Conn).socket,
	} {
		for _, o := range []struct {
			name                string
			level, option, want int
		}{
			{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
			{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
			{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
			{"SO_PROTOCOL", unix.SOL_SOCKET, unix.SO_PROTOCOL, unix.IPPROTO_TCP},
		} {
			if got, err := unix.GetsockoptInt(c.fd, o.level, o.option); err != nil || got != o.want {
				t.Errorf("%s: %s is %d (%v), want %d", end, o.name, got, err, o.want)
			}
		}
		flags, err := unix.FcntlInt(uintptr(c.fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: inherited by child processes (%v)", end, err)
		}
	}
}

// An event that was read before its socket was closed, and comes to be handled
// after the descriptor was given to another, is dropped.
func TestLateEventOfAnEarlierSocket(t *testing.T) {
	l, err := NewLoop()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ln, err := l.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dial := func() *Conn {
		c, err := l.Dial(t.Context(), ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c.(*Conn)
	}
	first := dial()
	late := unix.EpollEvent{Events: unix.EPOLLHUP, Fd: int32(first.fd), Pad: int32(first.gen)}
	first.Close()
	second := dial()
	if second.fd != first.fd {
		t.Fatalf("descriptor %d, want %d again", second.fd, first.fd)
	}
	l.dispatch([]unix.EpollEvent{late})
	if second.HungUp() {
		t.Error("the event reached the other connection")
	}
	late.Pad = int32(second.gen)
	l.dispatch([]unix.EpollEvent{late})
	if !second.HungUp() {
		t.Error("an event of its own did not reach the connection")
	}
}
