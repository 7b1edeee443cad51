package tcp

import "time"

// Tick is the precision of deadlines: one look at all connections this often
// costs less than a runtime timer moved twice for every request.
const Tick = 20 * time.Millisecond

// expire wakes the goroutines whose deadline has passed.
func (l *Loop) expire() {
	t := time.NewTicker(Tick)
	defer t.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-t.C:
		}
		now := time.Now().UnixNano()
		table := *l.conns.Load()
		for i := range table {
			if c := table[i].Load(); c != nil {
				c.read.expire(now)
				c.write.expire(now)
			}
		}
	}
}
