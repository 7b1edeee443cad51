package tcp_test

import (
	"io"
	"net"
	"testing"
	"time"
)

// roundTrip sends a request the size of a JSON-RPC call and reads its echo.
func roundTrip(c net.Conn, buf []byte) error {
	if _, err := c.Write(buf); err != nil {
		return err
	}
	_, err := io.ReadFull(c, buf)
	return err
}

func TestRoundTripDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	l := newLoop(t)
	ln := listen(t, l)
	serve(t, ln, echo)
	c := dial(t, l, ln.Addr().String())
	buf := make([]byte, 150)
	deadline := time.Now().Add(time.Hour)
	allocs := testing.AllocsPerRun(500, func() {
		if err := c.SetDeadline(deadline); err != nil {
			t.Fatal(err)
		}
		if err := roundTrip(c, buf); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a round trip, want 0", allocs)
	}
}

// BenchmarkEcho has 64 connections, each waiting for its answer, both ends in
// this process.
func BenchmarkEcho(b *testing.B) {
	b.Run("loop", func(b *testing.B) {
		l := newLoop(b)
		ln := listen(b, l)
		benchmarkEcho(b, ln, func() (net.Conn, error) { return l.Dial(b.Context(), ln.Addr().String()) })
	})
	b.Run("net", func(b *testing.B) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer ln.Close()
		benchmarkEcho(b, ln, func() (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) })
	})
}

func benchmarkEcho(b *testing.B, ln net.Listener, dial func() (net.Conn, error)) {
	serve(b, ln, echo)
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		c, err := dial()
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		buf := make([]byte, 150)
		for pb.Next() {
			if err := roundTrip(c, buf); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkHungUp is what a pool pays to ask.
func BenchmarkHungUp(b *testing.B) {
	l := newLoop(b)
	ln := listen(b, l)
	serve(b, ln, echo)
	c := dial(b, l, ln.Addr().String())
	for b.Loop() {
		if c.HungUp() {
			b.Fatal("hung up")
		}
	}
}
