package upstream

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{1, 2, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			born := time.Now()
			endpoints := make([]*Endpoint, n)
			for i := range endpoints {
				endpoints[i] = &Endpoint{born: born}
				endpoints[i].conns.max = 1
				answer(&endpoints[i].health, 0, int64(i+1)*ms)
			}
			p, now := NewPool(endpoints), time.Now()
			b.ReportAllocs()
			for b.Loop() {
				if p.Pick(now, nil) == nil {
					b.Fatal("none")
				}
			}
		})
	}
}

// BenchmarkConns takes an idle connection and gives it back.
func BenchmarkConns(b *testing.B) {
	now := time.Now()
	newConns := func() *conns {
		p := &conns{shards: newShards()}
		for range 64 {
			p.put(&conn{}, now)
		}
		return p
	}
	b.Run("one", func(b *testing.B) {
		p := newConns()
		b.ReportAllocs()
		for b.Loop() {
			p.put(p.pop(now), now)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		p := newConns()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				p.put(p.pop(now), now)
			}
		})
	})
}
