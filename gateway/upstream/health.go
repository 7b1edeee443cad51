package upstream

import (
	"sync/atomic"
	"time"
)

// health is how an endpoint is doing: how many calls it has, how long its answers
// take, and whether it rests because it failed. Times are nanoseconds since the
// endpoint was made, so that a step of the wall clock moves nothing. Losing one of
// two updates that come at once is as good as none, so there is no lock.
type health struct {
	inflight  atomic.Int64
	busySince atomic.Int64 // when the first of the calls in flight began
	latency   atomic.Int64 // moving average, nanoseconds
	lastEnd   atomic.Int64 // when latency was updated
	failures  atomic.Int32 // in a row
	restUntil atomic.Int64
}

const (
	// What an endpoint did so long ago counts half.
	halfLife = int64(5 * time.Second)
	// A failure counts as an answer that took at least so long: an endpoint that
	// fails at once must not look fast.
	failureCost = int64(time.Second)
	// Added to every latency: none is so short that it makes any queue look good.
	leastLatency = int64(10 * time.Microsecond)

	failuresToRest = 3
	minRest        = int64(time.Second)
	maxRest        = int64(30 * time.Second)
)

func (h *health) begin(at int64) {
	if h.inflight.Add(1) == 1 {
		h.busySince.Store(at)
	}
}

// load is the expected wait at the endpoint: its latency times the calls before
// one more. An endpoint that has long been idle looks better the longer it is, so
// that one that was slow is asked again some day. One with calls in flight looks
// as bad as the time that nothing has come back, so that one that hangs gathers
// few of them.
func (h *health) load(at int64) int64 {
	n, latency, last := h.inflight.Load(), h.latency.Load(), h.lastEnd.Load()
	if n == 0 {
		latency = halved(latency, at-last)
	} else {
		latency = max(latency, at-max(last, h.busySince.Load()))
	}
	return (n + 1) * (latency + leastLatency)
}

func halved(n, elapsed int64) int64 { return n >> uint64(min(max(elapsed, 0)/halfLife, 62)) }

// observe moves the average: by an eighth for each of many answers, by more the
// longer ago the last one was.
func (h *health) observe(took, at int64) {
	old, elapsed := h.latency.Load(), at-h.lastEnd.Load()
	switch {
	case old == 0:
		h.latency.Store(took)
	case elapsed < halfLife:
		h.latency.Store(old + (took-old)/8)
	default:
		h.latency.Store(took + halved(old-took, elapsed))
	}
	h.lastEnd.Store(at)
}

// succeeded reports whether an answer ended a row of failures that was long enough
// for a rest.
func (h *health) succeeded(start, end int64) (recovered bool) {
	h.observe(end-start, end)
	h.inflight.Add(-1)
	if h.failures.Load() == 0 {
		return false
	}
	h.restUntil.Store(0)
	return h.failures.Swap(0) >= failuresToRest
}

// failed takes note of a failure that is the endpoint's fault. It returns how long
// the endpoint rests from now on, 0 if nothing changes: after three failures in a
// row a second, twice as long after each rest that did not help. The calls that
// began before a rest ended count as one failure, however many they are: a node
// that restarts cuts off all that it had.
func (h *health) failed(start, end int64) (rest time.Duration) {
	h.observe(max(end-start, failureCost), end)
	h.inflight.Add(-1)
	until := h.restUntil.Load()
	if start < until {
		return 0
	}
	n := h.failures.Add(1)
	if n < failuresToRest {
		return 0
	}
	ns := min(minRest<<min(n-failuresToRest, 10), maxRest)
	if !h.restUntil.CompareAndSwap(until, end+ns) {
		return 0
	}
	return time.Duration(ns)
}

// neutral takes note of the end of a call that says nothing of the endpoint.
func (h *health) neutral() { h.inflight.Add(-1) }

func (h *health) resting(at int64) bool { return at < h.restUntil.Load() }
