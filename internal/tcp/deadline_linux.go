package tcp

import "time"

// sweep bounds what deadlines cost however many sockets there are: this many are
// looked at every Tick.
const sweep = 4096

// expire moves the clock and wakes the goroutines whose deadline has passed. One
// look at all sockets this often costs less than a runtime timer moved twice for
// every request.
func (l *Loop) expire() {
	ticker := time.NewTicker(Tick)
	defer ticker.Stop()
	next := 0
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
		}
		now := int64(time.Since(l.start))
		l.clock.Store(now)
		t := *l.table.Load()
		for looked, slots := 0, len(t); looked < sweep && slots > 0; slots-- {
			if next++; next >= len(t) {
				next = 0
			}
			if s := t[next].Load(); s != nil {
				s.read.expire(now)
				s.write.expire(now)
				looked++
			}
		}
	}
}

// instant returns t on the clock of the loop, 0 for the zero time. The clock is
// monotonic, so a step of the wall clock moves no deadline made from time.Now.
func (l *Loop) instant(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	if d := int64(t.Sub(l.start)); d != 0 {
		return d
	}
	return -1
}

// in returns the instant in which d will have passed, 0 for no d: at most a Tick
// late, because the clock moves only then.
func (l *Loop) in(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return l.clock.Load() + int64(d+Tick)
}
