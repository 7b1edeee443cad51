package keys

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/dgraph-io/ristretto/v2"
	"golang.org/x/sync/singleflight"

	"pokt.ai/internal/account"
)

// What may be wrong with a token.
var (
	// ErrMalformed: it has not the form or the checksum of one.
	ErrMalformed = errors.New("key is malformed")
	// ErrUnknown: there is no such key, or it is revoked or expired; which of
	// them is not said.
	ErrUnknown = errors.New("key is unknown")
	// ErrUnavailable: the store could not be asked, and what is in memory does
	// not tell.
	ErrUnavailable = errors.New("key cannot be checked")
)

// A Source is where keys are stored.
type Source interface {
	// GrantByHash returns an error that is account.ErrNotFound if there is no
	// such key. Any other error means that the store could not tell.
	GrantByHash(ctx context.Context, hash account.Hash) (account.Grant, error)
}

// trusted is how long an entry is used unseen while the change feed is
// interrupted, and the pause after an attempt to re-read it in the background.
const trusted = time.Second

// A Cache tells which key a token is, as a V that is made once a read. It is safe
// for concurrent use.
type Cache[V any] struct {
	cfg     Config
	src     Source
	hashers []*account.Hasher
	build   func(context.Context, account.Grant) (V, error)
	start   time.Time // entries keep their times as distance from it
	reads   counters

	recent      recent[V]
	entries     *ristretto.Cache[uint64, *entry[V]]
	unknown     unknownKeys
	generations generations
	connected   atomic.Bool // to the change feed
	down        atomic.Bool // the last read at the store failed

	flights      singleflight.Group
	first, again *lane // reads of keys that are not in memory, and of those that are
	ctx          context.Context
	cancel       context.CancelFunc
	closeOnce    sync.Once

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup // loads; none is added once closed is set
}

// An entry is immutable but for retry.
type entry[V any] struct {
	hash  account.Hash
	slot  uint64        // generation under which it was read
	every uint64        // the same, of all keys
	read  time.Duration // when that began, since Cache.start
	retry atomic.Int64  // no attempt to re-read in the background before that
	end   time.Time     // from which the key may not be used; zero: never
	value V
}

// use returns what was made of the key, if it may be used now.
func (e *entry[V]) use(now time.Time) (V, error) {
	if !e.end.IsZero() && !now.Before(e.end) {
		var none V
		return none, ErrUnknown
	}
	return e.value, nil
}

// endOf is when account.Key.UsableAt begins to say no. An entry keeps that instead
// of the key, which is five times as large as all of the rest.
func endOf(k *account.Key) time.Time {
	if k.ExpiresAt.IsZero() || (!k.RevokedAt.IsZero() && k.RevokedAt.Before(k.ExpiresAt)) {
		return k.RevokedAt
	}
	return k.ExpiresAt
}

// New returns a Cache that hashes tokens with hashers, the current pepper's
// first, and makes a V of every key it reads with build, whose error counts as
// one of the store. The change feed counts as interrupted until SetConnected
// says otherwise. Reads outlive the request they are made for: they get the
// values of ctx, and end with Close, not with ctx.
func New[V any](ctx context.Context, cfg Config, src Source, hashers []*account.Hasher,
	build func(context.Context, account.Grant) (V, error), set *metrics.Set,
) (*Cache[V], error) {
	if len(hashers) == 0 || len(hashers) > maxPeppers {
		return nil, fmt.Errorf("%d peppers are given, 1 to %d are needed", len(hashers), maxPeppers)
	}
	var faults []error
	cfg.Validate(func(key, message string) { faults = append(faults, fmt.Errorf("%s %s", key, message)) })
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	entries, err := ristretto.NewCache(&ristretto.Config[uint64, *entry[V]]{
		NumCounters:        10 * cfg.MaxEntries,
		MaxCost:            cfg.MaxEntries,
		BufferItems:        bufferItems,
		IgnoreInternalCost: true,
		KeyToHash:          func(key uint64) (uint64, uint64) { return key, 0 },
	})
	if err != nil {
		return nil, fmt.Errorf("make cache of %d keys: %w", cfg.MaxEntries, err)
	}
	c := &Cache[V]{
		cfg:     cfg,
		src:     src,
		hashers: hashers,
		build:   build,
		start:   time.Now(),
		recent:  recent[V]{seed: maphash.MakeSeed()},
		reads:   newCounters(set),
		entries: entries,
		first:   newLane(cfg.MaxLoads),
		again:   newLane(cfg.MaxLoads),
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	set.NewGauge("poktai_keys_entries", func() float64 {
		return float64(entries.MaxCost() - entries.RemainingCost())
	})
	return c, nil
}

// bufferItems is how many uses ristretto gathers before it hands them to the
// goroutine that counts them, for which it allocates and wakes that goroutine: at
// its usual 64, more often than every hundredth look-up.
const bufferItems = 256

// Lookup returns what was made of the key that token is, at now. Its errors are
// ErrMalformed, ErrUnknown and, with the cause, ErrUnavailable. It keeps neither
// token nor ctx; ctx ends its wait for the store, but not the read.
func (c *Cache[V]) Lookup(ctx context.Context, token []byte, now time.Time) (V, error) {
	if e := c.recent.find(token); e != nil && c.standingOf(e, now.Sub(c.start)) == fresh {
		return e.use(now)
	}
	if !account.WellFormed(token) {
		var none V
		return none, ErrMalformed
	}
	var d digests
	for i, hasher := range c.hashers {
		d.hash[i] = hasher.Sum(token)
		e := c.find(&d.hash[i])
		if e == nil {
			continue
		}
		switch c.standingOf(e, now.Sub(c.start)) {
		case fresh:
			c.recent.put(token, e)
		case due:
			c.refresh(e, now)
		case doubtful:
			return c.reread(ctx, e, e, now)
		case outdated:
			return c.reread(ctx, e, nil, now)
		}
		return e.use(now)
	}
	d.n = len(c.hashers)
	return c.fetch(ctx, d, nil, nil, now)
}

// find returns the entry of a hash, or nil.
func (c *Cache[V]) find(hash *account.Hash) *entry[V] {
	e, ok := c.entries.Get(indexOf(hash))
	if !ok || e.hash != *hash {
		return nil
	}
	return e
}

func indexOf(hash *account.Hash) uint64 { return binary.LittleEndian.Uint64(hash[:]) }

// standing is how far an entry may be trusted.
type standing int

const (
	fresh    standing = iota // use it
	due                      // use it, and read it again
	doubtful                 // read it again first; use it if the store is down
	outdated                 // read it again first
)

func (c *Cache[V]) standingOf(e *entry[V], at time.Duration) standing {
	age := at - e.read
	switch {
	case e.slot != c.generations.slot(&e.hash).Load(), age > max(c.cfg.RefreshAfter, c.cfg.ServeStaleFor):
		return outdated
	case e.every != c.generations.every.Load(), age > trusted && !c.connected.Load():
		return doubtful
	case age > c.cfg.RefreshAfter:
		return due
	}
	return fresh
}

// Changed says that the key stored as hash has been made or changed: what was
// read of it before is not used again, even if the store goes down now.
func (c *Cache[V]) Changed(hash account.Hash) { c.generations.slot(&hash).Add(1) }

// ChangedAll says that any key may have changed. All are read again before they
// are used, unless the store is down.
func (c *Cache[V]) ChangedAll() { c.generations.every.Add(1) }

// SetConnected says whether the change feed is connected. While it is not, keys
// are read again if they were read more than a second ago; when it is again, all
// are, for the changes that were missed.
func (c *Cache[V]) SetConnected(connected bool) {
	if connected {
		c.ChangedAll()
	}
	c.connected.Store(connected)
}

// Close ends the reads that are running and returns when they have ended. It may
// be called more than once, but not before the last Lookup in flight has returned;
// a later one finds nothing.
func (c *Cache[V]) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.running.Wait()
	c.closeOnce.Do(c.entries.Close)
}
