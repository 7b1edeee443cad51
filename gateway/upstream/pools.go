package upstream

import (
	"context"
	"errors"
	"reflect"
)

// Pools makes the pools of all chains, again and again as the configuration
// changes. An endpoint whose configuration stays keeps its connections and what
// is known of it. It is used by one goroutine.
type Pools struct {
	ctx  context.Context
	deps Deps
	last map[place]made // of the build before
	next map[place]made // of the build under way
}

type place struct{ chain, name string }

type made struct {
	cfg      Config
	endpoint *Endpoint
}

// NewPools returns an empty Pools. deps.Chain is set for each chain.
func NewPools(ctx context.Context, deps Deps) *Pools {
	return &Pools{ctx: ctx, deps: deps, last: map[place]made{}, next: map[place]made{}}
}

// Build returns the pool of a chain.
func (p *Pools) Build(chain string, cfgs []Config) (*Pool, error) {
	endpoints := make([]*Endpoint, 0, len(cfgs))
	var errs []error
	for _, cfg := range cfgs {
		at := place{chain, cfg.Name}
		m, ok := p.last[at]
		if !ok || !reflect.DeepEqual(m.cfg, cfg) {
			deps := p.deps
			deps.Chain = chain
			e, err := New(p.ctx, cfg, deps)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			m = made{cfg, e}
		}
		p.next[at] = m
		endpoints = append(endpoints, m.endpoint)
	}
	return NewPool(endpoints), errors.Join(errs...)
}

// Commit makes what was built the state to go on from and closes the endpoints
// that are not in it. Call it when nothing asks the pools of before any more
// for new calls.
func (p *Pools) Commit() {
	closeMissing(p.last, p.next)
	p.last, p.next = p.next, map[place]made{}
}

// Discard forgets what was built since the last Commit.
func (p *Pools) Discard() {
	closeMissing(p.next, p.last)
	p.next = map[place]made{}
}

// Close closes all endpoints.
func (p *Pools) Close() {
	p.Discard()
	p.Commit()
}

func closeMissing(from, in map[place]made) {
	for at, m := range from {
		if in[at].endpoint != m.endpoint {
			m.endpoint.Close()
		}
	}
}
