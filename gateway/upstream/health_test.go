package upstream

import (
	"testing"
	"time"
)

const (
	ms = int64(time.Millisecond)
	s  = int64(time.Second)
)

// answer has h answer a call that began at start.
func answer(h *health, start, took int64) {
	h.begin(start)
	h.succeeded(start, start+took)
}

func fail(h *health, start, took int64) time.Duration {
	h.begin(start)
	return h.failed(start, start+took)
}

func TestRestDoubles(t *testing.T) {
	var h health
	at := int64(0)
	for i, want := range []int64{0, 0, 1, 2, 4, 8, 16, 30, 30, 30} {
		if got := fail(&h, at, ms); got != time.Duration(want*s) {
			t.Errorf("failure %d: rests for %s, want %ds", i+1, got, want)
		}
		at += ms
		if want > 0 && (!h.resting(at+want*s-1) || h.resting(at+want*s)) {
			t.Errorf("failure %d: does not rest for %ds", i+1, want)
		}
		at += want * s
	}
	// One answer ends the row, and the rest with it.
	fail(&h, at, ms)
	h.begin(at)
	if !h.succeeded(at, at+ms) || h.resting(at+ms) {
		t.Error("rests after an answer")
	}
	for i := range 2 {
		if rest := fail(&h, at+2*ms, ms); rest != 0 {
			t.Errorf("failure %d of a new row: rests for %s", i+1, rest)
		}
	}
}

// A node that restarts cuts off all calls that it has.
func TestManyFailuresAtOnceAreOne(t *testing.T) {
	var h health
	for range 100 {
		h.begin(0)
	}
	var rests []time.Duration
	for i := range int64(100) {
		if rest := h.failed(0, 100*ms+i); rest != 0 {
			rests = append(rests, rest)
		}
	}
	if len(rests) != 1 || rests[0] != time.Second || h.resting(1200*ms) {
		t.Errorf("rests %v, want once for a second", rests)
	}
	if rest := fail(&h, 1200*ms, ms); rest != 2*time.Second {
		t.Errorf("the failure after the rest: rests for %s, want 2s", rest)
	}
}

func TestLoad(t *testing.T) {
	type moment struct {
		at   int64
		load int64 // without leastLatency
	}
	for name, tc := range map[string]struct {
		before  func(h *health)
		moments []moment
	}{
		"never asked":               {func(*health) {}, []moment{{0, 0}, {100 * s, 0}}},
		"one answer":                {func(h *health) { answer(h, 0, 80*ms) }, []moment{{80 * ms, 80 * ms}, {4 * s, 80 * ms}}},
		"idle looks better":         {func(h *health) { answer(h, 0, 80*ms) }, []moment{{6 * s, 40 * ms}, {11 * s, 20 * ms}, {1000 * s, 0}}},
		"before the answer, by now": {func(h *health) { answer(h, 20*s, 80*ms) }, []moment{{0, 80 * ms}}},
		"in flight":                 {func(h *health) { answer(h, 0, 80*ms); h.begin(s); h.begin(s) }, []moment{{s, 3 * 80 * ms}, {s + 80*ms, 3 * 80 * ms}}},
		"hangs":                     {func(h *health) { answer(h, 0, ms); h.begin(s) }, []moment{{s, 2 * ms}, {3 * s, 2 * 2 * s}, {31 * s, 2 * 30 * s}}},
		"hangs from the start":      {func(h *health) { h.begin(0) }, []moment{{0, 0}, {50 * ms, 2 * 50 * ms}, {9 * s, 2 * 9 * s}}},
		"answers others meanwhile": {
			func(h *health) { answer(h, 0, 8*ms); h.begin(0); answer(h, 3*s, 8*ms) },
			[]moment{{3*s + 10*ms, 2 * 8 * ms}},
		},
		"fails at once": {func(h *health) { answer(h, 0, 8*ms); fail(h, 8*ms, 0) }, []moment{{8 * ms, 8*ms + 992*ms/8}}},
		"average":       {func(h *health) { answer(h, 0, 80*ms); answer(h, s, 160*ms) }, []moment{{2 * s, 90 * ms}}},
		"news after long": {
			func(h *health) { answer(h, 0, 800*ms); answer(h, 26*s, 8*ms) },
			[]moment{{27 * s, 8*ms + 792*ms/32}},
		},
		"clock steps back between calls": {
			func(h *health) { answer(h, 20*s, 80*ms); answer(h, 10*s, 160*ms) },
			[]moment{{11 * s, 90 * ms}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var h health
			tc.before(&h)
			for _, m := range tc.moments {
				got := h.load(m.at) - (h.inflight.Load()+1)*leastLatency
				if got != m.load {
					t.Errorf("load at %s is %s, want %s", time.Duration(m.at), time.Duration(got), time.Duration(m.load))
				}
			}
		})
	}
}
