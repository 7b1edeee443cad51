package spool_test

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"

	"pokt.ai/meter/spool"
)

// smallConfig seals often, so that a short test crosses many segments.
func smallConfig(dir string) spool.Config {
	cfg := spool.DefaultConfig()
	cfg.Dir = dir
	cfg.Gateway = "gw-1"
	cfg.SealRows = 256
	cfg.SealAfter = 20 * time.Millisecond
	cfg.SyncInterval = 5 * time.Millisecond
	cfg.MaxBytes = 1 << 30
	return cfg
}

// open opens a spool in a new folder that is closed with the test.
func open(t testing.TB, change func(*spool.Config)) (*spool.Spool, spool.Config) {
	t.Helper()
	s, _, cfg := openMeasured(t, change)
	return s, cfg
}

// openMeasured returns the metrics too.
func openMeasured(t testing.TB, change func(*spool.Config)) (*spool.Spool, *metrics.Set, spool.Config) {
	t.Helper()
	cfg := smallConfig(filepath.Join(t.TempDir(), "spool"))
	if change != nil {
		change(&cfg)
	}
	s, set := reopen(t, cfg)
	return s, set, cfg
}

func reopen(t testing.TB, cfg spool.Config) (*spool.Spool, *metrics.Set) {
	t.Helper()
	cfg.Validate(func(key, message string) { t.Fatalf("config: %s: %s", key, message) })
	set := metrics.NewSet()
	s, err := spool.Open(cfg, zerolog.New(zerolog.NewTestWriter(t)), set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, set
}

// record is distinct in every field for every id.
func record(id uint64) spool.Record {
	return spool.Record{
		TimeMicros:    1_763_900_000_000_000 + int64(id),
		Org:           id * 3,
		Key:           id * 5,
		RequestID:     id,
		CU:            uint32(id % 97),
		LatencyMicros: uint32(id % 1013),
		RequestBytes:  uint32(id % 811),
		ResponseBytes: uint32(id % 4093),
		Outcome:       spool.Answered,
		Flags:         spool.InBatch | spool.Retried,
		RPCCode:       -int16(id % 32768),
	}
}

func appendRecord(t testing.TB, s *spool.Spool, id uint64) {
	t.Helper()
	r := record(id)
	if err := s.Append(&r); err != nil {
		t.Fatalf("append %d: %v", id, err)
	}
}

func flush(t testing.TB, s *spool.Spool) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// take returns all sealed segments, oldest first, and deletes them.
func take(t testing.TB, s *spool.Spool) []*spool.Segment {
	t.Helper()
	var all []*spool.Segment
	for {
		segment, err := s.Oldest()
		if err != nil {
			t.Fatal(err)
		}
		if segment == nil {
			return all
		}
		all = append(all, segment)
		if err := s.Delete(segment); err != nil {
			t.Fatal(err)
		}
	}
}

// counts returns how often each request id is in the segments.
func counts(t testing.TB, segments []*spool.Segment) map[uint64]int {
	t.Helper()
	seen := make(map[uint64]int)
	for _, segment := range segments {
		for r := range segment.Records() {
			seen[r.RequestID]++
		}
	}
	return seen
}

func sealedFiles(t testing.TB, dir string) []string { return files(t, dir, "*.seg") }

func files(t testing.TB, dir, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// value returns a metric as it is exposed.
func value(t testing.TB, set *metrics.Set, name string) float64 {
	t.Helper()
	var b bytes.Buffer
	set.WritePrometheus(&b)
	for line := range strings.Lines(b.String()) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no metric %q", name)
	return 0
}
