package limit

import (
	"math"
	"sync/atomic"
	"time"
)

// maxSkew is how far the clock readings of two concurrent requests may lie
// apart: a request reads the clock once, and may have waited for its key or its
// body since. Only what is further off than that is taken for a clock that was
// set back.
const maxSkew = int64(time.Minute)

// A Bucket meters one dimension by the generic cell rate algorithm (ITU-T I.371):
// its whole state is the time at which it will be full again, in one atomic
// word. It is kept in nanoseconds, whatever the rate, so that a rate may change
// between two calls. The zero Bucket is full. It is safe for concurrent use.
//
// Over any span of time no more is admitted than the burst and what the rate
// yields in that span, and a client that keeps to the rate is never refused, both
// to the resolution of a tick. Times are nanoseconds of one clock, not below zero.
type Bucket struct {
	full atomic.Int64
}

// A Decision tells what came of a Take.
type Decision struct {
	OK         bool
	Never      bool          // refused, and more than the burst: no waiting will help
	Remaining  int64         // whole units left
	Reset      time.Duration // until the bucket is full
	RetryAfter time.Duration // if refused and not Never: until n units would be admitted
}

// Take takes n units at now, all or none. Nothing is taken for an n of zero or
// less, which tells how things stand and is never refused.
func (b *Bucket) Take(now int64, r Rate, n int64) Decision {
	if r.unit == 0 {
		return Decision{OK: true, Remaining: math.MaxInt64}
	}
	tick := r.ticks(now)
	for {
		full := b.full.Load()
		at := max(r.ticks(full), tick)
		spent := at - tick
		if spent > r.depth+maxSkew {
			// The clock was set back, or the burst was cut. To leave it would lock
			// the key out until the clock has caught up, to fill it would give a
			// burst away: the bucket is empty as of now.
			b.full.CompareAndSwap(full, r.nanos(tick+r.depth))
			continue
		}
		if n <= 0 || n > r.burst || spent+n*r.unit > r.depth {
			return refuse(now, r, n, at, max(r.depth-spent, 0))
		}
		next := at + n*r.unit
		when := r.nanos(next)
		if b.full.CompareAndSwap(full, when) {
			return Decision{
				OK:        true,
				Remaining: (r.depth - (next - tick)) / r.unit,
				Reset:     time.Duration(when - now),
			}
		}
	}
}

// refuse makes the Decision of a Take that takes nothing from a bucket that is
// full at tick at and has left ticks in it.
func refuse(now int64, r Rate, n, at, left int64) Decision {
	d := Decision{
		OK:        n <= 0,
		Never:     n > r.burst,
		Remaining: left / r.unit,
		Reset:     max(time.Duration(r.nanos(at)-now), 0),
	}
	if !d.OK && !d.Never {
		d.RetryAfter = time.Duration(r.nanos(at+n*r.unit-r.depth) - now)
	}
	return d
}

// Put gives back n units that a Take of the same rate took. A bucket that has
// filled up meanwhile stays full.
func (b *Bucket) Put(now int64, r Rate, n int64) {
	if r.unit == 0 || n <= 0 {
		return
	}
	n = min(n, r.burst)
	for {
		full := b.full.Load()
		if full <= now {
			return
		}
		if b.full.CompareAndSwap(full, r.nanos(max(r.ticks(full)-n*r.unit, 0))) {
			return
		}
	}
}

// fullAt reports whether the bucket is full, and so no different from a new one.
func (b *Bucket) fullAt(now int64) bool { return b.full.Load() <= now }
