package limit_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/gateway/limit"
)

var perKey = limit.Rates{Calls: limit.NewRate(10, 10), CU: limit.NewRate(100, 100)}

func TestAdmitTakesBothOrNeither(t *testing.T) {
	t.Parallel()
	var r limit.Registry
	s := r.Key(1)
	if a := s.Admit(0, perKey, 4, 90); !a.OK() || a.Calls.Remaining != 6 || a.CU.Remaining != 10 {
		t.Fatalf("first: %+v", a)
	}
	want := limit.Admission{
		Calls: limit.Decision{OK: true, Remaining: 5, Reset: 500 * time.Millisecond},
		CU:    limit.Decision{Remaining: 10, Reset: 900 * time.Millisecond, RetryAfter: 100 * time.Millisecond},
	}
	refused := s.Admit(0, perKey, 1, 20)
	if diff := cmp.Diff(want, refused); diff != "" || refused.OK() {
		t.Errorf("too many compute units (-want +got):\n%s", diff)
	}
	if a := s.Admit(0, perKey, 6, 10); !a.OK() {
		t.Errorf("the calls of a refused request were kept: %+v", a)
	}
	want = limit.Admission{
		Calls: limit.Decision{Reset: time.Second, RetryAfter: 100 * time.Millisecond},
		CU:    limit.Decision{OK: true, Reset: time.Second},
	}
	refused = s.Admit(0, perKey, 1, 0)
	if diff := cmp.Diff(want, refused); diff != "" || refused.OK() {
		t.Errorf("too many calls (-want +got):\n%s", diff)
	}
}

func TestKeyHasOneState(t *testing.T) {
	t.Parallel()
	var r limit.Registry
	r.Key(1).Admit(0, perKey, 10, 0)
	if a := r.Key(1).Admit(0, perKey, 1, 0); a.OK() {
		t.Error("asking for the state again has reset the limit")
	}
	if a := r.Key(65).Admit(0, perKey, 1, 0); !a.OK() {
		t.Error("two keys share a limit")
	}
}

func TestSweepForgetsOnlyWhatIsFull(t *testing.T) {
	t.Parallel()
	var r limit.Registry
	idle, busy := r.Key(1), r.Key(2)
	busy.Admit(0, perKey, 10, 0)
	r.Sweep(int64(time.Second) - 1)
	if r.Key(1) == idle {
		t.Error("a full state was kept")
	}
	if r.Key(2) != busy {
		t.Error("a state in use was forgotten")
	}
	r.Sweep(int64(time.Second))
	if r.Key(2) == busy {
		t.Error("a state that is full again was kept")
	}
}

func TestSweptStateStillCounts(t *testing.T) {
	t.Parallel()
	t.Run("brought back by the one who holds it", func(t *testing.T) {
		t.Parallel()
		var r limit.Registry
		held := r.Key(1)
		r.Sweep(0)
		held.Admit(0, perKey, 10, 0)
		if a := r.Key(1).Admit(0, perKey, 1, 0); a.OK() {
			t.Error("the limit was reset")
		}
	})
	t.Run("replaced meanwhile", func(t *testing.T) {
		t.Parallel()
		var r limit.Registry
		held := r.Key(1)
		r.Sweep(0)
		r.Key(1).Admit(0, perKey, 10, 0)
		if a := held.Admit(0, perKey, 1, 0); a.OK() {
			t.Error("a limit for each holder")
		}
	})
}

// In each round the key is full, and is swept, asked for and used at once: no
// more than its burst may come out of it.
func TestSweepGivesNothingAway(t *testing.T) {
	t.Parallel()
	var r limit.Registry
	held := r.Key(1)
	for round := range int64(3000) {
		now := round * int64(time.Second)
		var (
			got atomic.Int64
			wg  sync.WaitGroup
		)
		for i := range 4 {
			wg.Go(func() {
				for range 8 {
					s := held
					if i%2 == 0 {
						s = r.Key(1)
					}
					if s.Admit(now, perKey, 1, 1).OK() {
						got.Add(1)
					}
				}
			})
		}
		wg.Go(func() { r.Sweep(now) })
		wg.Wait()
		if got.Load() > 10 {
			t.Fatalf("round %d: %d calls of a burst of 10 were admitted", round, got.Load())
		}
		held = r.Key(1)
	}
}

func TestAdmitAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	var r limit.Registry
	s, now := r.Key(1), int64(0)
	if n := testing.AllocsPerRun(1000, func() {
		now += int64(time.Millisecond)
		s.Admit(now, perKey, 1, 20)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAdmit(b *testing.B) {
	for _, bench := range []struct {
		name string
		cu   int64
	}{{"admitted", 20}, {"refused", 101}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			var r limit.Registry
			s, now := r.Key(1), int64(0)
			for b.Loop() {
				now += int64(time.Second)
				s.Admit(now, perKey, 1, bench.cu)
			}
		})
	}
}

func BenchmarkSweep(b *testing.B) {
	var r limit.Registry
	for id := range uint64(1_000_000) {
		r.Key(id).Admit(0, perKey, 1, 1)
	}
	for b.Loop() {
		r.Sweep(0)
	}
}
