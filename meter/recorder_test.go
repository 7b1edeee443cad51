package meter_test

import (
	"fmt"
	"testing"

	"pokt.ai/meter"
)

func TestRecorderCountsWhatItAccepts(t *testing.T) {
	var to sink
	h := newHouse(t, &to)
	for i, outcome := range []meter.Outcome{meter.Answered, meter.Answered, meter.RateLimited, 200} {
		e := meter.Event{RequestID: uint64(i + 1), CU: 10, Outcome: outcome}
		if err := h.recorder.Record(&e); err != nil {
			t.Fatal(err)
		}
	}
	for outcome, want := range map[string]float64{"answered": 2, "rate_limited": 1, "unknown": 1, "rpc_error": 0} {
		if got := value(t, h.set, fmt.Sprintf("poktai_meter_events_total{outcome=%q}", outcome)); got != want {
			t.Errorf("%v %s events, want %v", got, outcome, want)
		}
	}
	if cu := value(t, h.set, "poktai_meter_cu_total"); cu != 40 {
		t.Errorf("%v CU, want 40", cu)
	}
}

func TestOutcomeTextsAreStable(t *testing.T) {
	// They stand in usage rows of years: neither numbers nor texts may move.
	want := map[meter.Outcome]string{
		1: "answered", 2: "rpc_error", 3: "invalid_request", 4: "forbidden", 5: "method_not_allowed",
		6: "rate_limited", 7: "quota_exceeded", 8: "no_upstream", 9: "upstream_timeout", 10: "bad_upstream",
		11: "cancelled", 12: "unavailable", 13: "unauthorized", 0: "unknown", 255: "unknown",
	}
	for outcome, text := range want {
		if got := outcome.String(); got != text {
			t.Errorf("outcome %d is %q, want %q", outcome, got, text)
		}
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	h := newHouse(t, &sink{})
	e := meter.Event{CU: 20, Outcome: meter.Answered}
	if n := testing.AllocsPerRun(90, func() { // within one segment
		if err := h.recorder.Record(&e); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkRecord measures one event as the gateway records it. Sealing is left
// out here; spool.BenchmarkAppend has it.
func BenchmarkRecord(b *testing.B) {
	h := newHouse(b, &sink{})
	_ = h.spool.Close()
	h.cfg.Spool.SealRows = 1 << 20
	h.open(b, &sink{})
	b.ReportAllocs()
	e := meter.Event{CU: 20, Outcome: meter.Answered}
	b.ResetTimer()
	for i := range b.N {
		if i%h.cfg.Spool.SealRows == h.cfg.Spool.SealRows-1 {
			b.StopTimer()
			if err := h.spool.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		if err := h.recorder.Record(&e); err != nil {
			b.Fatal(err)
		}
	}
}
