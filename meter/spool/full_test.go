package spool_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pokt.ai/meter/spool"
)

// small leaves room for the fewest segments that max_bytes may be set to.
func small(c *spool.Config) {
	c.SealRows = 256
	c.MaxBytes = 4 * 300_000
}

// fill appends until the spool is full and returns how many records it took.
func fill(t *testing.T, s *spool.Spool) uint64 {
	t.Helper()
	for n := uint64(0); ; n++ {
		r := record(n + 1)
		switch err := s.Append(&r); {
		case errors.Is(err, spool.ErrFull):
			return n
		case err != nil:
			t.Fatal(err)
		case n > 1e6:
			t.Fatal("it never becomes full")
		}
	}
}

// untilRoom appends r until it is taken.
func untilRoom(t *testing.T, s *spool.Spool, r spool.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		err := s.Append(&r)
		if err == nil {
			return
		}
		if !errors.Is(err, spool.ErrFull) {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
			t.Fatal("there is room, and it is still full")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestFullSpoolSheds(t *testing.T) {
	s, set, cfg := openMeasured(t, small)
	n := fill(t, s)
	if n < uint64(2*cfg.SealRows) {
		t.Errorf("it was full after %d records", n)
	}
	if err := s.Ready(); !errors.Is(err, spool.ErrFull) {
		t.Errorf("ready: %v", err)
	}
	if shed := value(t, set, "poktai_spool_rows_shed_total"); shed != 1 {
		t.Errorf("%v records counted as shed, want 1", shed)
	}
	if full := value(t, set, "poktai_spool_full"); full != 1 {
		t.Errorf("full is %v", full)
	}
	if bytes := value(t, set, "poktai_spool_bytes"); bytes > float64(cfg.MaxBytes) {
		t.Errorf("%v bytes, max_bytes is %d", bytes, cfg.MaxBytes)
	}

	// What was taken is all there, and taking it away makes room.
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := counts(t, take(t, s))
	for id := uint64(1); id <= n; id++ {
		if seen[id] != 1 {
			t.Fatalf("record %d is there %d times", id, seen[id])
		}
	}
	untilRoom(t, s, record(1))
	if full := value(t, set, "poktai_spool_full"); full != 0 {
		t.Errorf("full is %v after there was room", full)
	}
}

// TestSpoolThatIsFullNowAndThen has writers run against its bound while segments
// are taken away: what was not refused is there once.
func TestSpoolThatIsFullNowAndThen(t *testing.T) {
	s, set, _ := openMeasured(t, small)
	const writers, each = 4, 20_000
	var refused atomic.Int64
	taken := make([][]uint64, writers)
	var wg sync.WaitGroup
	for w := range uint64(writers) {
		wg.Go(func() {
			for i := range uint64(each) {
				r := record(w*each + i + 1)
				switch err := s.Append(&r); {
				case err == nil:
					taken[w] = append(taken[w], r.RequestID)
				case errors.Is(err, spool.ErrFull):
					refused.Add(1)
					runtime.Gosched()
				default:
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	appended := make(chan struct{})
	go func() { wg.Wait(); close(appended) }()
	var segments []*spool.Segment
	for done := false; !done; {
		select {
		case <-appended:
			done = true
		default:
			if refused.Load() == 0 {
				runtime.Gosched()
				continue
			}
		}
		segments = append(segments, take(t, s)...)
	}
	flush(t, s)
	seen := counts(t, append(segments, take(t, s)...))
	total := 0
	for _, ids := range taken {
		total += len(ids)
		for _, id := range ids {
			if seen[id] != 1 {
				t.Fatalf("record %d was taken and is there %d times", id, seen[id])
			}
		}
	}
	if len(seen) != total || total+int(refused.Load()) != writers*each {
		t.Errorf("%d stored, %d taken and %d refused of %d", len(seen), total, refused.Load(), writers*each)
	}
	if shed := value(t, set, "poktai_spool_rows_shed_total"); shed != float64(refused.Load()) {
		t.Errorf("%v counted as shed, %d were", shed, refused.Load())
	}
	if refused.Load() == 0 {
		t.Error("it was never full")
	}
}

func TestFullSpoolCountsAndDrops(t *testing.T) {
	s, set, _ := openMeasured(t, func(c *spool.Config) { small(c); c.OnFull = spool.CountAndDrop })
	const appended = 5000
	for i := range uint64(appended) {
		appendRecord(t, s, i+1)
	}
	if err := s.Ready(); err != nil {
		t.Errorf("ready: %v", err)
	}
	flush(t, s)
	kept := len(counts(t, take(t, s)))
	dropped := value(t, set, "poktai_spool_rows_dropped_total")
	if dropped == 0 || kept+int(dropped) != appended {
		t.Errorf("%d kept and %v counted as dropped of %d", kept, dropped, appended)
	}
}

func TestAppendDoesNotAllocateWhenFull(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s, _ := open(t, small)
	fill(t, s)
	r := record(1)
	if n := testing.AllocsPerRun(1000, func() { _ = s.Append(&r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
