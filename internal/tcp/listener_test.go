package tcp_test

import (
	"errors"
	"net"
	"testing"
)

func TestListenerCloseWakesAccept(t *testing.T) {
	l := newLoop(t)
	ln := listen(t, l)
	failed := make(chan error, 1)
	go func() {
		_, err := ln.Accept()
		failed <- err
	}()
	waiting(t, 1)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := within(t, "accept", func() error { return <-failed }); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}
	if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
	again, err := l.Listen(t.Context(), ln.Addr().String()) // the port is free
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestConnectionsSurviveTheirListener(t *testing.T) {
	l := newLoop(t)
	ln := listen(t, l)
	ready := make(chan struct{})
	serve(t, ln, func(c net.Conn) { close(ready); echo(c) })
	c := dial(t, l, ln.Addr().String())
	<-ready
	ln.Close()
	if err := roundTrip(c, make([]byte, 10)); err != nil {
		t.Error(err)
	}
}

func TestAddresses(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "[::1]", "0.0.0.0", ""} {
		t.Run(host, func(t *testing.T) {
			l := newLoop(t)
			ln, err := l.Listen(t.Context(), host+":0")
			if err != nil {
				if host == "[::1]" {
					t.Skip("no IPv6 here:", err)
				}
				t.Fatal(err)
			}
			defer ln.Close()
			c, err := l.Dial(t.Context(), ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			s, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if s.LocalAddr().String() != c.RemoteAddr().String() || s.RemoteAddr().String() != c.LocalAddr().String() {
				t.Errorf("accepted %v from %v, dialled %v from %v", s.LocalAddr(), s.RemoteAddr(), c.RemoteAddr(), c.LocalAddr())
			}
		})
	}
}
