package tcp

import "sync/atomic"

// direction is what is known of one half of a socket. The loop and the sweep of
// deadlines move it towards ready; the one goroutine that uses this half moves
// it back.
type direction struct {
	state    atomic.Uint32 // idle, ready, waiting or hungUp
	deadline atomic.Int64  // on the clock of the loop; 0: none
	wake     chan struct{} // one token for the goroutine that waits
}

const (
	idle    = iota // nothing to do until the loop says otherwise
	ready          // the loop has said so since the last look
	waiting        // a goroutine waits on wake
	hungUp         // the peer is gone or the socket closed: never wait again
)

// set moves to ready or hungUp. Whoever ends waiting leaves exactly one token,
// and the goroutine takes it before it waits again, so wake never blocks here.
func (d *direction) set(to uint32) {
	for {
		was := d.state.Load()
		if was == hungUp || was == to {
			return
		}
		if d.state.CompareAndSwap(was, to) {
			if was == waiting {
				d.wake <- struct{}{}
			}
			return
		}
	}
}

// wait returns when the direction is no longer idle.
func (d *direction) wait() {
	if d.state.CompareAndSwap(idle, waiting) {
		<-d.wake
		return
	}
	if d.state.Load() == waiting {
		panic("BUG: two goroutines use the same half of a socket")
	}
}

// look takes note that the next system call will see all that was announced:
// what comes after it is announced again.
func (d *direction) look() { d.state.CompareAndSwap(ready, idle) }

// late reports whether the deadline has passed.
func (d *direction) late(clock *atomic.Int64) bool {
	t := d.deadline.Load()
	return t != 0 && t <= clock.Load()
}

// expire wakes the goroutine that waits past its deadline.
func (d *direction) expire(now int64) {
	if t := d.deadline.Load(); t != 0 && t <= now && d.state.CompareAndSwap(waiting, ready) {
		d.wake <- struct{}{}
	}
}
