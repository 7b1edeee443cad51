package forward_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/chain"
	"pokt.ai/gateway/forward"
	"pokt.ai/gateway/upstream"
)

var (
	balanceID = []byte("1")
	balance   = []byte(`{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x407d73d8a49eeb85d32cf465507dd71d507100c1","latest"]}`)
)

// newFixed returns a pool of one node that answers every request of one message
// with the same 60 bytes, and allocates nothing to do so.
func newFixed(t testing.TB, dialer upstream.Dialer) *upstream.Pool {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	const answer = `{"jsonrpc":"2.0","id":1,"result":"0x0000000000000000000000"}`
	response := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nServer: node\r\nContent-Type: application/json\r\nDate: Mon, 02 Nov 2026 10:00:00 GMT\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf, n := make([]byte, 4096), 0
				for {
					m, err := c.Read(buf[n:])
					if err != nil {
						return
					}
					if n += m; !bytes.HasSuffix(buf[:n], balance) {
						continue
					}
					if _, err := c.Write(response); err != nil {
						return
					}
					n = 0
				}
			}()
		}
	}()
	return upstream.NewPool([]*upstream.Endpoint{newEndpoint(t, dialer, "a", "http://"+ln.Addr().String(), 0)})
}

func TestCallDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	pool, f := newFixed(t, newLoop(t)), forward.New(metrics.NewSet())
	var resp fasthttp.Response
	deadline := time.Now().Add(time.Hour)
	allocs := testing.AllocsPerRun(500, func() {
		if r := f.Call(time.Now(), deadline, pool, chain.Safe, balanceID, balance, &resp); r.Outcome != forward.Answered {
			t.Fatal(describe(&r))
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a call, want 0", allocs)
	}
}

// BenchmarkCall is a call over loopback, the node's part included.
func BenchmarkCall(b *testing.B) {
	one := func(b *testing.B, dialer upstream.Dialer) {
		pool, f := newFixed(b, dialer), forward.New(metrics.NewSet())
		var resp fasthttp.Response
		b.ReportAllocs()
		for b.Loop() {
			now := time.Now()
			if r := f.Call(now, now.Add(time.Minute), pool, chain.Safe, balanceID, balance, &resp); r.Outcome != forward.Answered {
				b.Fatal(describe(&r))
			}
		}
	}
	b.Run("one", func(b *testing.B) { one(b, newLoop(b)) })
	b.Run("one, package net", func(b *testing.B) { one(b, netDialer{}) })
	b.Run("64", func(b *testing.B) {
		pool, f := newFixed(b, newLoop(b)), forward.New(metrics.NewSet())
		b.ReportAllocs()
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			var resp fasthttp.Response
			for pb.Next() {
				now := time.Now()
				if r := f.Call(now, now.Add(time.Minute), pool, chain.Safe, balanceID, balance, &resp); r.Outcome != forward.Answered {
					b.Error(describe(&r))
					return
				}
			}
		})
	})
}

// BenchmarkBatch sends 100 calls as one batch, the node's part included.
func BenchmarkBatch(b *testing.B) {
	pool, _ := one(b, 0, healthy("a"))
	list, f := items(b, strings.Repeat("m ", 100)), forward.New(metrics.NewSet())
	b.ReportAllocs()
	for b.Loop() {
		now := time.Now()
		for _, r := range f.Batch(now, now.Add(time.Minute), pool, list) {
			fasthttp.ReleaseResponse(r)
		}
	}
	if list[99].Result.Outcome != forward.Answered {
		b.Fatal(describe(&list[99].Result))
	}
}
