package upstream

import (
	"math/rand/v2"
	"time"
)

// A Pool is the endpoints of one chain. It is immutable; the endpoints are not.
type Pool struct {
	endpoints []*Endpoint
}

// NewPool returns a pool of endpoints, in the order of the configuration.
func NewPool(endpoints []*Endpoint) *Pool { return &Pool{endpoints} }

// Endpoints returns the endpoints, in the order of the configuration.
func (p *Pool) Endpoints() []*Endpoint { return p.endpoints }

// Pick returns the endpoint to ask at now, other than not, or nil if there is
// none that works: the better of two chosen at random, so that the best one is
// not overrun by all callers at once.
func (p *Pool) Pick(now time.Time, not *Endpoint) *Endpoint {
	t := now.UnixNano()
	var a, b *Endpoint // a uniform sample of two of those that work
	seen := uint32(0)
	for _, e := range p.endpoints {
		if e == not || !e.upAt(t) {
			continue
		}
		seen++
		switch {
		case a == nil:
			a = e
		case b == nil:
			b = e
		default:
			if r := rand.Uint32N(seen); r == 0 {
				a = e
			} else if r == 1 {
				b = e
			}
		}
	}
	if b == nil || (a != nil && a.load() <= b.load()) {
		return a
	}
	return b
}

// First returns the first endpoint of the configuration that works at now, for
// calls whose state lives on one node.
func (p *Pool) First(now time.Time) *Endpoint {
	for _, e := range p.endpoints {
		if e.upAt(now.UnixNano()) {
			return e
		}
	}
	return nil
}

// load is the expected wait at e: its latency times the calls before one more.
func (e *Endpoint) load() int64 {
	return (e.inflight.Load() + 1) * (e.latency.Load() + int64(10*time.Microsecond))
}

func (e *Endpoint) upAt(t int64) bool { return e.downUntil.Load() <= t }

// Succeeded takes note of an answer that took so long.
func (e *Endpoint) Succeeded(took time.Duration) {
	e.seconds.Update(took.Seconds())
	if e.failures.Load() != 0 {
		e.failures.Store(0)
	}
	// A lost update of two at once is as good as none.
	old := e.latency.Load()
	if old == 0 {
		e.latency.Store(int64(took))
		return
	}
	e.latency.Store(old + (int64(took)-old)/8)
}

const (
	failuresToRest = 3
	minRest        = time.Second
	maxRest        = 30 * time.Second
)

// Failed takes note of a call that this endpoint failed at now. After three in a
// row it rests for a second, and twice as long for every one after that.
func (e *Endpoint) Failed(now time.Time) {
	e.failed.Inc()
	n := e.failures.Add(1)
	if n < failuresToRest {
		return
	}
	rest := maxRest
	if shift := n - failuresToRest; shift < 5 {
		rest = min(minRest<<shift, maxRest)
	}
	e.downUntil.Store(now.Add(rest).UnixNano())
}
