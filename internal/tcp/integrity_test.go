package tcp_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"pokt.ai/internal/tcp"
)

// Every byte comes back in order on every one of many connections, while they
// are opened side by side and the table of the loop grows under traffic.
func TestManyConnectionsKeepTheirBytes(t *testing.T) {
	const clients, rounds = 1100, 2
	l := newLoop(t)
	ln := listen(t, l)
	serve(t, ln, func(c net.Conn) { randomEcho(c, rand.New(rand.NewPCG(1, 2))) })

	opened := make(chan struct{}) // none closes before all are open
	var open, done sync.WaitGroup
	open.Add(clients)
	for i := range clients {
		done.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 3))
			c, err := l.Dial(t.Context(), ln.Addr().String())
			open.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for range rounds {
				if err := exchange(c, r, 1+r.IntN(24<<10)); err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
			}
			<-opened
			if err := exchange(c, r, 100); err != nil {
				t.Errorf("connection %d, all open: %v", i, err)
			}
		})
	}
	open.Wait()
	close(opened)
	done.Wait()
}

// Connections come and go while others use the same descriptors again.
func TestShortConnectionsKeepTheirBytes(t *testing.T) {
	l := newLoop(t)
	ln := listen(t, l)
	serve(t, ln, echo)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 4))
			for range 100 {
				if err := dialAndExchange(t.Context(), l, ln.Addr().String(), r); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func dialAndExchange(ctx context.Context, l *tcp.Loop, address string, r *rand.Rand) error {
	c, err := l.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	return exchange(c, r, 1+r.IntN(2000))
}

// exchange writes size random bytes in random chunks and reads their echo into
// buffers of random sizes at the same time.
func exchange(c net.Conn, r *rand.Rand, size int) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	sent := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(r.Uint32()), byte(r.Uint32())}).Read(sent)
	written := make(chan error, 1)
	chunks := rand.New(rand.NewPCG(r.Uint64(), 5))
	go func() { written <- writeChunks(c, chunks, sent) }()
	got := make([]byte, 0, size)
	for len(got) < size {
		n, err := c.Read(got[len(got):min(size, len(got)+1+r.IntN(8<<10))])
		if err != nil {
			return fmt.Errorf("read after %d of %d bytes: %w", len(got), size, err)
		}
		got = got[:len(got)+n]
	}
	if err := <-written; err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if !bytes.Equal(got, sent) {
		return fmt.Errorf("%d bytes came back changed", size)
	}
	return nil
}

func writeChunks(w io.Writer, r *rand.Rand, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), 1+r.IntN(8<<10))
		if m, err := w.Write(b[:n]); err != nil || m != n {
			return fmt.Errorf("%d of %d bytes: %w", m, n, err)
		}
		b = b[n:]
	}
	return nil
}

func randomEcho(c net.Conn, r *rand.Rand) {
	defer c.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := c.Read(buf[:1+r.IntN(len(buf))])
		if err != nil || writeChunks(c, r, buf[:n]) != nil {
			return
		}
	}
}
