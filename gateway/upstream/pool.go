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

// Pick returns the endpoint to ask at now, other than not: the one with the least
// load, or any of those that are near it. One that rests or has no connection left
// is asked only if there is no other, because a client is better served by a try
// than by a refusal. Pick returns nil if there is no endpoint other than not.
func (p *Pool) Pick(now time.Time, not *Endpoint) *Endpoint {
	var (
		best     *Endpoint
		bestLoad int64
		bestFree bool
	)
	random := rand.Uint64()
	for _, e := range p.endpoints {
		if e == not {
			continue
		}
		at := e.at(now)
		free := e.free(at)
		if bestFree && !free {
			continue
		}
		// Up to half as much again at random, by a linear congruential step for
		// each: loads that are alike share the calls.
		random = random*6364136223846793005 + 1442695040888963407
		load := e.health.load(at)
		load += load >> 9 * int64(random>>56)
		if best == nil || load < bestLoad || (free && !bestFree) {
			best, bestLoad, bestFree = e, load, free
		}
	}
	return best
}

// First returns the first endpoint of the configuration that does not rest at now,
// or the first of all if they all do. It is for calls whose state lives on one
// node. It returns nil if the pool is empty.
func (p *Pool) First(now time.Time) *Endpoint {
	for _, e := range p.endpoints {
		if !e.health.resting(e.at(now)) {
			return e
		}
	}
	if len(p.endpoints) == 0 {
		return nil
	}
	return p.endpoints[0]
}
