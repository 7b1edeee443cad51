package limit

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	usedBits = 51 // of compute units: at 100 million a second for a month, a ninth of it
	maxUsed  = 1<<usedBits - 1
)

// A Quota counts what an organisation uses in a calendar month (UTC), exactly:
// month and use are one atomic word. It is safe for concurrent use. Its month
// never goes back: what comes late, or under a clock that was set back, counts
// towards the month that has begun.
type Quota struct {
	word atomic.Int64 // months since 1970 above usedBits, units used below
}

// monthOf returns the number of months from January 1970 to t.
func monthOf(t time.Time) int64 {
	year, month, _ := t.UTC().Date()
	return int64(year-1970)*12 + int64(month-time.January)
}

// startOf returns the first instant of a month.
func startOf(month int64) time.Time {
	return time.Date(1970, time.January+time.Month(month), 1, 0, 0, 0, 0, time.UTC)
}

// Take counts n units towards the month of now if no more than limit are used
// with them, and returns what remains. A limit of zero is none, and MaxInt64
// remains of it: the units are counted all the same, for a plan that sets one
// later in the month.
func (q *Quota) Take(now time.Time, limit, n int64) (ok bool, remaining int64) {
	n = max(n, 0)
	month := monthOf(now)
	for {
		old := q.word.Load()
		in, used := old>>usedBits, old&maxUsed
		if in < month {
			in, used = month, 0
		}
		if n > limit-used && n > 0 && limit > 0 {
			return false, max(limit-used, 0)
		}
		used = min(used+min(n, maxUsed), maxUsed)
		if !q.word.CompareAndSwap(old, in<<usedBits|used) {
			continue
		}
		if limit <= 0 {
			return true, math.MaxInt64
		}
		return true, max(limit-used, 0)
	}
}

// Give gives back n units of a call that turned out to cost nothing. The time is
// that of its Take: what was counted in a month that has ended is not taken off
// the next.
func (q *Quota) Give(took time.Time, n int64) {
	month := monthOf(took)
	for {
		old := q.word.Load()
		in, used := old>>usedBits, old&maxUsed
		if in > month || n <= 0 {
			return
		}
		if q.word.CompareAndSwap(old, in<<usedBits|max(used-n, 0)) {
			return
		}
	}
}
