package spool_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"

	"pokt.ai/meter/spool"
)

// BenchmarkAppend measures appends from one goroutine and from one a core.
// Segments are sealed, read, verified and deleted behind it, as they are in a
// gateway.
func BenchmarkAppend(b *testing.B) {
	run := func(name string, body func(b *testing.B, s *spool.Spool)) {
		b.Run(name, func(b *testing.B) {
			cfg := spool.DefaultConfig()
			cfg.Dir = filepath.Join(b.TempDir(), "spool")
			s, err := spool.Open(cfg, zerolog.Nop(), metrics.NewSet())
			if err != nil {
				b.Fatal(err)
			}
			done := make(chan struct{})
			ctx, stop := context.WithCancel(b.Context())
			go func() {
				defer close(done)
				for s.Wait(ctx) == nil {
					if segment, err := s.Oldest(); err == nil && segment != nil {
						_ = s.Delete(segment)
					}
				}
			}()
			b.SetBytes(64)
			b.ReportAllocs()
			body(b, s)
			b.StopTimer()
			stop()
			<-done
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
	run("single", func(b *testing.B, s *spool.Spool) {
		r := record(1)
		for b.Loop() {
			if err := s.Append(&r); err != nil {
				b.Fatal(err)
			}
		}
	})
	run("parallel", func(b *testing.B, s *spool.Spool) {
		b.RunParallel(func(pb *testing.PB) {
			r := record(1)
			for pb.Next() {
				if err := s.Append(&r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

// BenchmarkSegment measures reading and verifying a full segment.
func BenchmarkSegment(b *testing.B) {
	s, cfg := open(b, func(c *spool.Config) { c.SealRows = 65536; c.SealAfter = time.Hour; c.MaxBytes = 8 << 30 })
	for i := range uint64(cfg.SealRows) {
		appendRecord(b, s, i+1)
	}
	flush(b, s)
	path := sealedFiles(b, cfg.Dir)[0]
	b.SetBytes(int64(cfg.SealRows) * 64)
	for b.Loop() {
		if _, err := spool.ReadSegment(path); err != nil {
			b.Fatal(err)
		}
	}
}
