package spool_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"pokt.ai/meter/spool"
)

func TestRecordsComeBackWithTheirNames(t *testing.T) {
	s, _ := open(t, nil)
	names := []string{"eth", "eth_call", "node-1", "prices-7"}
	want := record(7)
	want.Chain, want.Method = s.Intern(names[0]), s.Intern(names[1])
	want.Upstream, want.Prices = s.Intern(names[2]), s.Intern(names[3])
	s.Intern("not used by any record")
	if err := s.Append(&want); err != nil {
		t.Fatal(err)
	}
	flush(t, s)

	segments := take(t, s)
	if len(segments) != 1 {
		t.Fatalf("%d segments, want 1", len(segments))
	}
	segment := segments[0]
	for got := range segment.Records() {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("record (-want +got):\n%s", diff)
		}
		texts := []string{segment.Text(got.Chain), segment.Text(got.Method), segment.Text(got.Upstream), segment.Text(got.Prices)}
		if diff := cmp.Diff(names, texts); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
	}
}

func TestSegmentSaysWhatItHolds(t *testing.T) {
	s, _ := open(t, func(c *spool.Config) { c.SealAfter = time.Hour })
	base := time.UnixMicro(1_763_900_000_000_000).UTC()
	for i, at := range []time.Duration{5, 9, 2, 7} { // a clock that steps back
		r := record(uint64(i + 1))
		r.TimeMicros = base.Add(at * time.Second).UnixMicro()
		r.CU = 10
		if err := s.Append(&r); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	got := take(t, s)[0]
	if got.Rows != 4 || got.CU != 40 {
		t.Errorf("%d rows and %d CU, want 4 and 40", got.Rows, got.CU)
	}
	if first, last := base.Add(2*time.Second), base.Add(9*time.Second); !got.First.Equal(first) || !got.Last.Equal(last) {
		t.Errorf("from %s to %s, want from %s to %s", got.First, got.Last, first, last)
	}
	if got.Gateway != "gw-1" || got.Seq != 1 || !strings.HasPrefix(got.Name, "gw-1-") || !strings.HasSuffix(got.Name, "-00000001") {
		t.Errorf("name %q of gateway %q, number %d", got.Name, got.Gateway, got.Seq)
	}
}

func TestSealing(t *testing.T) {
	t.Run("of a full segment, in order and without a gap", func(t *testing.T) {
		s, cfg := open(t, func(c *spool.Config) { c.SealAfter = time.Hour })
		const segments = 5
		for i := range uint64(segments * cfg.SealRows) {
			appendRecord(t, s, i+1)
		}
		flush(t, s)
		next := uint64(1)
		got := take(t, s)
		for i, segment := range got {
			if segment.Seq != uint64(i+1) {
				t.Errorf("segment %d has the number %d", i+1, segment.Seq)
			}
			for r := range segment.Records() {
				if r.RequestID != next {
					t.Fatalf("record %d where %d was expected", r.RequestID, next)
				}
				next++
			}
		}
		if len(got) != segments {
			t.Errorf("%d segments, want %d", len(got), segments)
		}
	})
	t.Run("of one record with no traffic behind it", func(t *testing.T) {
		s, _ := open(t, nil)
		appendRecord(t, s, 1)
		if err := s.Wait(t.Context()); err != nil { // a lost one ends the test by its timeout
			t.Fatal(err)
		}
	})
	t.Run("never of an empty segment", func(t *testing.T) {
		s, cfg := open(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 3*cfg.SealAfter)
		defer cancel()
		if err := s.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("wait: %v", err)
		}
		flush(t, s)
		if got := take(t, s); len(got) != 0 {
			t.Errorf("%d segments", len(got))
		}
	})
	t.Run("by Close, which leaves only sealed segments", func(t *testing.T) {
		s, cfg := open(t, func(c *spool.Config) { c.SealAfter = time.Hour })
		s.Intern("eth")
		appendRecord(t, s, 1)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, path := range files(t, cfg.Dir, "*") {
			got = append(got, filepath.Ext(path))
		}
		if diff := cmp.Diff([]string{"", ".seg"}, got); diff != "" { // "" is the epoch
			t.Errorf("extensions of the files left (-want +got):\n%s", diff)
		}
	})
}

func TestOldestIsTheSameUntilDeleted(t *testing.T) {
	s, cfg := open(t, nil)
	for i := range uint64(2) {
		appendRecord(t, s, i+1)
		flush(t, s)
	}
	first, err := s.Oldest()
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Oldest()
	if err != nil {
		t.Fatal(err)
	}
	if first.Name != again.Name || first.SHA256 != again.SHA256 {
		t.Errorf("%s, then %s", first.Name, again.Name)
	}
	for range 2 { // a repeated Delete is no error and deletes nothing else
		if err := s.Delete(first); err != nil {
			t.Fatal(err)
		}
	}
	second, err := s.Oldest()
	if err != nil {
		t.Fatal(err)
	}
	if second.Seq != 2 {
		t.Errorf("number %d after the first was deleted", second.Seq)
	}
	if n := len(sealedFiles(t, cfg.Dir)); n != 1 {
		t.Errorf("%d files left, want 1", n)
	}
}

func TestSealedSegmentsOutliveARestart(t *testing.T) {
	s, cfg := open(t, nil)
	next := uint64(1)
	for _, gateway := range []string{"gw-1", "another-id", "gw-2"} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		cfg.Gateway = gateway // the age counts, whatever the name
		s, _ = reopen(t, cfg)
		for range 2 {
			appendRecord(t, s, next)
			flush(t, s)
			next++
		}
	}
	var order []uint64
	for _, segment := range take(t, s) {
		for r := range segment.Records() {
			order = append(order, r.RequestID)
		}
	}
	if diff := cmp.Diff([]uint64{1, 2, 3, 4, 5, 6}, order); diff != "" {
		t.Errorf("records by age (-want +got):\n%s", diff)
	}
}

func TestConcurrentAppendsAcrossRotations(t *testing.T) {
	s, _ := open(t, nil)
	const writers, each = 8, 4000
	var wg sync.WaitGroup
	for w := range uint64(writers) {
		wg.Go(func() {
			for i := range uint64(each) {
				r := record(w*each + i + 1)
				if err := s.Append(&r); err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	flush(t, s)
	segments := take(t, s)
	seen := counts(t, segments)
	for id := uint64(1); id <= writers*each; id++ {
		if seen[id] != 1 {
			t.Fatalf("record %d is there %d times", id, seen[id])
		}
	}
	for _, segment := range segments {
		for got := range segment.Records() {
			if want := record(got.RequestID); got != want {
				t.Fatalf("record differs:\n%+v\n%+v", got, want)
			}
		}
	}
}

func TestAppendWhileClosing(t *testing.T) {
	s, cfg := open(t, nil)
	const writers = 4
	kept := make([]uint64, writers)
	var wg sync.WaitGroup
	started := make(chan struct{}, writers)
	for w := range uint64(writers) {
		wg.Go(func() {
			for i := uint64(1); ; i++ {
				r := record(w<<32 | i)
				if err := s.Append(&r); err != nil {
					if !errors.Is(err, spool.ErrClosed) {
						t.Errorf("append: %v", err)
					}
					return
				}
				kept[w] = i
				if i == 1 {
					started <- struct{}{}
				}
			}
		})
	}
	for range writers {
		<-started
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	again, _ := reopen(t, cfg)
	seen := counts(t, take(t, again))
	total := 0
	for w, n := range kept {
		total += int(n)
		for i := uint64(1); i <= n; i++ {
			if id := uint64(w)<<32 | i; seen[id] != 1 {
				t.Fatalf("record %d of writer %d is there %d times", i, w, seen[id])
			}
		}
	}
	if len(seen) != total {
		t.Errorf("%d records stored, %d appended", len(seen), total)
	}
}

func TestClosedSpoolRefuses(t *testing.T) {
	s, _ := open(t, nil)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r := record(1)
	_, oldest := s.Oldest()
	for name, err := range map[string]error{
		"append": s.Append(&r), "ready": s.Ready(), "oldest": oldest, "wait": s.Wait(t.Context()),
	} {
		if !errors.Is(err, spool.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecondOpenOfAFolderIsRefused(t *testing.T) {
	s, cfg := open(t, nil)
	if _, err := spool.Open(cfg, zerolog.Nop(), metrics.NewSet()); err == nil || !strings.Contains(err.Error(), "another process is using it") {
		t.Fatalf("second open: %v", err)
	}
	appendRecord(t, s, 1) // the first is unharmed
	flush(t, s)
	if n := len(take(t, s)); n != 1 {
		t.Errorf("%d segments, want 1", n)
	}
}

func TestSegmentNamesNeverRepeat(t *testing.T) {
	s, cfg := open(t, nil)
	seen := make(map[string]bool)
	for round := range 4 {
		appendRecord(t, s, 1)
		flush(t, s)
		for _, segment := range take(t, s) {
			if seen[segment.Name] {
				t.Fatalf("round %d: %s again", round, segment.Name)
			}
			seen[segment.Name] = true
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if round == 2 { // a torn epoch
			if err := os.Truncate(filepath.Join(cfg.Dir, "epoch"), 0); err != nil {
				t.Fatal(err)
			}
		}
		s, _ = reopen(t, cfg)
	}
}

func TestInternIsBounded(t *testing.T) {
	s, _ := open(t, func(c *spool.Config) { c.SealAfter = time.Hour })
	if n := s.Intern(""); n != spool.NoName {
		t.Errorf("the empty name is %d", n)
	}
	if n := s.Intern(strings.Repeat("x", 129)); n != spool.Other {
		t.Errorf("an overlong name is %d", n)
	}
	long := func(i int) string { return strings.Repeat("n", 100) + time.Duration(i).String() }
	var last int
	for i := 0; s.Intern(long(i)) != spool.Other; i++ {
		last = i
	}
	if last < 1000 {
		t.Errorf("only %d names", last)
	}
	if s.Intern(long(last)) == spool.Other || s.Intern(long(0)) == spool.Other {
		t.Error("a full dictionary forgot a name")
	}
	// A segment that uses all of them still seals.
	var want []string
	for i := 0; i <= last; i++ {
		r := record(uint64(i + 1))
		r.Method = s.Intern(long(i))
		want = append(want, long(i))
		if err := s.Append(&r); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	var got []string
	for _, segment := range take(t, s) {
		for r := range segment.Records() {
			got = append(got, segment.Text(r.Method))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s, _ := open(t, func(c *spool.Config) { c.SealRows = 65536; c.SealAfter = time.Hour })
	r := record(1)
	if n := testing.AllocsPerRun(1000, func() {
		if err := s.Append(&r); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestConfigFaults(t *testing.T) {
	report := func(c spool.Config) (keys []string) {
		c.Validate(func(key, _ string) { keys = append(keys, key) })
		return keys
	}
	if keys := report(spool.DefaultConfig()); len(keys) != 0 {
		t.Errorf("the defaults have faults in %v", keys)
	}
	bad := spool.Config{Gateway: "-a/b", SealRows: 10, SealAfter: 1, SyncInterval: 2, MaxBytes: 10, OnFull: "wait"}
	if diff := cmp.Diff([]string{"dir", "gateway", "seal_after", "max_bytes", "on_full"}, report(bad)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}
