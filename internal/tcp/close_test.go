package tcp_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// A closed connection must leave alone the connection that was given its
// descriptor.
func TestClosedConnectionTouchesNoOther(t *testing.T) {
	l := newLoop(t)
	ln := listen(t, l)
	serve(t, ln, echo)
	first := dial(t, l, ln.Addr().String())
	first.SetDeadline(past) // which is not what ends its calls
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := dial(t, l, ln.Addr().String()) // the lowest free descriptor, so the same
	for range 3 {
		if _, err := first.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after close: %v", err)
		}
		if err := readError(first); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after close: %v", err)
		}
		if err := first.SetDeadline(time.Unix(1, 0)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("deadline after close: %v", err)
		}
		if err := first.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second close: %v", err)
		}
	}
	if err := exchange(second, rand.New(rand.NewPCG(1, 1)), 1000); err != nil {
		t.Errorf("the other connection: %v", err)
	}
}

func TestCloseWakesReadAndWrite(t *testing.T) {
	l := newLoop(t)
	c, _ := pair(t, l) // whose peer neither sends nor reads
	failed := make(chan error, 2)
	go func() { failed <- readError(c) }()
	go func() {
		_, err := c.Write(make([]byte, 64<<20))
		failed <- err
	}()
	waiting(t, 2)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := within(t, "read or write", func() error { return <-failed }); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want net.ErrClosed", err)
		}
	}
}

// Readers, writers, deadlines and several closers at once, on descriptors that
// are used again at once. The bystander would notice a call on a wrong one.
func TestCloseStorm(t *testing.T) {
	l := newLoop(t)
	ln := listen(t, l)
	serve(t, ln, echo)
	bystander := dial(t, l, ln.Addr().String())
	stop := make(chan struct{})
	steady := make(chan error, 1)
	go func() {
		r := rand.New(rand.NewPCG(1, 1))
		for {
			select {
			case <-stop:
				steady <- nil
				return
			default:
			}
			if err := exchange(bystander, r, 1+r.IntN(1000)); err != nil {
				steady <- err
				return
			}
		}
	}()
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for range 60 {
				c, err := l.Dial(t.Context(), ln.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				var uses sync.WaitGroup
				uses.Go(func() { io.Copy(io.Discard, c) })
				uses.Go(func() {
					for b := make([]byte, 100); ; {
						if _, err := c.Write(b); err != nil {
							return
						}
					}
				})
				for range 3 {
					uses.Go(func() {
						c.SetDeadline(time.Now().Add(time.Hour))
						c.Close()
						c.SetDeadline(time.Unix(1, 0))
					})
				}
				uses.Wait()
			}
		})
	}
	workers.Wait()
	close(stop)
	if err := <-steady; err != nil {
		t.Errorf("bystander: %v", err)
	}
}
