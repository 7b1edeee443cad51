package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"golang.org/x/sync/singleflight"

	"pokt.ai/internal/account"
)

// maxReads is how often a read is repeated because of changes while it ran.
const maxReads = 4

var (
	errClosed   = errors.New("the cache is closed")
	errChanging = errors.New("the key changed each time it was read")
)

// counters count reads by what came of them. Look-ups that need none are not
// counted: a counter is a cache line that all cores would share.
type counters struct {
	found, unknown, failed, refused, stale *metrics.Counter
}

func newCounters(set *metrics.Set) counters {
	loads := func(outcome string) *metrics.Counter {
		return set.NewCounter(`poktai_keys_loads_total{outcome="` + outcome + `"}`)
	}
	return counters{
		found: loads("found"), unknown: loads("unknown"), failed: loads("failed"), refused: loads("refused"),
		stale: set.NewCounter("poktai_keys_stale_served_total"),
	}
}

// reread reads a known key again before it is used. If the store is down, it
// falls back on fallback unless that is nil.
func (c *Cache[V]) reread(ctx context.Context, known, fallback *entry[V], now time.Time) (V, error) {
	if fallback != nil && c.down.Load() {
		// Not every request may wait until the store does not answer.
		c.refresh(known, now)
		c.reads.stale.Inc()
		return fallback.use(now)
	}
	return c.fetch(ctx, known.digests(), known, fallback, now)
}

func (e *entry[V]) digests() digests {
	return digests{hash: [maxPeppers]account.Hash{e.hash}, n: 1}
}

// refresh reads a known key again in the background, one read at a time and one
// attempt a second.
func (c *Cache[V]) refresh(known *entry[V], now time.Time) {
	at, retry := int64(now.Sub(c.start)), known.retry.Load()
	if at >= retry && known.retry.CompareAndSwap(retry, at+int64(trusted)) {
		d := known.digests()
		c.flight(d, c.generations.stamp(&d), known, now)
	}
}

// fetch is the slow path of Lookup: it waits for a read of d.
func (c *Cache[V]) fetch(ctx context.Context, d digests, known, fallback *entry[V], now time.Time) (V, error) {
	var none V
	s := c.generations.stamp(&d)
	if c.unknown.has(&d.hash[0], s, now.Sub(c.start)) {
		return none, ErrUnknown
	}
	var (
		e   *entry[V]
		err error
	)
	select {
	case result := <-c.flight(d, s, known, now):
		e, err = result.Val.(*entry[V]), result.Err
	case <-ctx.Done():
		err = ctx.Err()
	}
	switch {
	case err == nil:
		return e.use(now)
	case errors.Is(err, ErrUnknown):
		return none, ErrUnknown
	case fallback != nil:
		c.reads.stale.Inc()
		return fallback.use(now)
	default:
		return none, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}

// flight starts a read of d, or joins one under the same stamp.
func (c *Cache[V]) flight(d digests, s stamp, known *entry[V], now time.Time) <-chan singleflight.Result {
	return c.flights.DoChan(d.flight(s), func() (any, error) { return c.load(d, known, now) })
}

// load reads d at the store when it is its turn, and keeps what it has read. The
// error is ErrUnknown if there is no key that may be used.
func (c *Cache[V]) load(d digests, known *entry[V], now time.Time) (*entry[V], error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, errClosed
	}
	c.running.Add(1)
	c.mu.Unlock()
	defer c.running.Done()

	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.LoadTimeout)
	defer cancel()
	turn := c.first
	if known != nil {
		turn = c.again
	}
	if err := turn.enter(ctx); err != nil {
		c.reads.refused.Inc()
		return nil, err
	}
	defer turn.leave()

	for range maxReads {
		s := c.generations.stamp(&d)
		e, err := c.read(ctx, &d, s, now)
		if err != nil && !errors.Is(err, ErrUnknown) {
			c.reads.failed.Inc()
			return nil, err
		}
		if c.generations.stamp(&d) != s {
			continue
		}
		if err == nil {
			c.reads.found.Inc()
			c.entries.Set(indexOf(&e.hash), e, 1)
			c.entries.Wait() // or who comes after this flight might not find it yet
			return e, nil
		}
		if known != nil {
			// That is a change which the feed has not told of, and known is void.
			if !c.generations.slot(&known.hash).CompareAndSwap(s.slot[0], s.slot[0]+1) {
				continue
			}
			s.slot[0]++
		}
		c.reads.unknown.Inc()
		c.unknown.add(&d.hash[0], s, now.Sub(c.start)+c.cfg.UnknownTTL)
		return nil, err
	}
	c.reads.failed.Inc()
	return nil, errChanging
}

// read asks the store once for each of d, and makes an entry of the key it finds.
func (c *Cache[V]) read(ctx context.Context, d *digests, s stamp, now time.Time) (*entry[V], error) {
	for i, hash := range d.all() {
		grant, err := c.src.GrantByHash(ctx, hash)
		missing := errors.Is(err, account.ErrNotFound)
		c.down.Store(err != nil && !missing)
		switch {
		case missing:
			continue
		case err != nil:
			return nil, err
		case !grant.Key.UsableAt(now):
			return nil, ErrUnknown
		}
		e := &entry[V]{hash: hash, slot: s.slot[i], every: s.every, read: now.Sub(c.start), end: endOf(&grant.Key)}
		e.retry.Store(int64(e.read))
		if e.value, err = c.build(ctx, grant); err != nil {
			return nil, fmt.Errorf("make an entry of key %v: %w", grant.Key.ID, err)
		}
		return e, nil
	}
	return nil, ErrUnknown
}
