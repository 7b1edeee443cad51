package meter

import (
	"slices"

	"github.com/VictoriaMetrics/metrics"

	"pokt.ai/meter/spool"
)

// A Recorder takes the events of a gateway. It is safe for concurrent use.
type Recorder struct {
	spool  *spool.Spool
	events [256]*metrics.Counter // by outcome
	known  []*metrics.Counter    // each of events once
	cu     *metrics.Counter
}

// NewRecorder returns a Recorder that keeps events in sp.
func NewRecorder(sp *spool.Spool, set *metrics.Set) *Recorder {
	r := &Recorder{spool: sp, cu: set.NewCounter("poktai_meter_cu_total")}
	for o := range r.events {
		// Numbers that are no outcome share the counter "unknown": the sum of
		// all is what was accepted.
		r.events[o] = set.GetOrCreateCounter(`poktai_meter_events_total{outcome="` + Outcome(o).String() + `"}`)
		if !slices.Contains(r.known, r.events[o]) {
			r.known = append(r.known, r.events[o])
		}
	}
	return r
}

// Accepted returns how many events were recorded, and their compute units. It
// counts on its own, apart from the spool, so that the two can be compared.
func (r *Recorder) Accepted() (events, cu int64) {
	for _, c := range r.known {
		events += int64(c.Get())
	}
	return events, int64(r.cu.Get())
}

// Intern returns the number of a chain, method, upstream or price version. Call
// it when a configuration is loaded, not for a request: see spool.Spool.Intern.
func (r *Recorder) Intern(name string) Name { return r.spool.Intern(name) }

// Ready returns the error that Record would return now. Ask it before doing the
// work that must not be given away.
func (r *Recorder) Ready() error { return r.spool.Ready() }

// Record keeps e, which the caller may reuse. When it returns nil the event
// outlives a kill of the process. It returns ErrFull when there is no room and
// the policy is to shed.
func (r *Recorder) Record(e *Event) error {
	if err := r.spool.Append(e); err != nil {
		return err // not wrapped: refusing must not allocate
	}
	r.events[e.Outcome].Inc()
	r.cu.AddInt64(int64(e.CU))
	return nil
}
