package limit

import "math/bits"

const (
	second = 1_000_000_000 // nanoseconds

	// maxFill is the longest time that filling a bucket may take, 31 years: the
	// sum of it and of any time in Unix nanoseconds is far from overflow.
	maxFill = 1_000_000_000 * second
)

// A Rate is so many units a second, with a burst. The zero Rate is no limit.
//
// A rate is kept in ticks of one to two nanoseconds, their length chosen so that
// one unit is a whole number of them. Whole nanoseconds would not do: 7,000,000
// a second is one every 142.857 ns, and rounding that down admits 0.6 % too
// much, while rounding it up refuses a client that keeps exactly to its rate.
type Rate struct {
	unit  int64  // ticks of one unit
	burst int64  // units
	depth int64  // ticks of a whole burst
	scale uint64 // ticks per nanosecond in units of 2^-64; 0 is one tick a nanosecond
}

// NewRate returns a rate of perSecond units, of which a burst may be spent at
// once. A perSecond of zero or less is no limit; a burst of zero or less is one
// second's worth. Rates above 1e9 a second are kept as 1e9, and bursts are cut to
// what 31 years would fill.
func NewRate(perSecond, burst int64) Rate {
	if perSecond <= 0 {
		return Rate{}
	}
	perSecond = min(perSecond, second)
	if burst <= 0 {
		burst = perSecond
	}
	r := Rate{unit: second / perSecond}
	r.burst = min(burst, maxFill/r.unit)
	r.depth = r.burst * r.unit
	if ticks := uint64(perSecond * r.unit); ticks < second {
		r.scale, _ = bits.Div64(ticks, 0, second)
	}
	return r
}

// Unlimited reports whether r is no limit.
func (r Rate) Unlimited() bool { return r.unit == 0 }

// ticks returns how many ticks have passed at ns.
func (r Rate) ticks(ns int64) int64 {
	if r.scale == 0 {
		return ns
	}
	t, _ := bits.Mul64(uint64(ns), r.scale)
	return int64(t)
}

// nanos returns the first nanosecond at which that many ticks have passed. As a
// tick is no shorter than a nanosecond, ticks(nanos(t)) is t.
func (r Rate) nanos(ticks int64) int64 {
	if r.scale == 0 {
		return ticks
	}
	// scale is at least 2^63, hence above ticks, and the quotient fits.
	ns, rest := bits.Div64(uint64(ticks), 0, r.scale)
	if rest != 0 {
		ns++
	}
	return int64(ns)
}
