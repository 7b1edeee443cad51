package tcp

import (
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a non-blocking descriptor watched by a Loop.
type socket struct {
	loop *Loop
	fd   int
	gen  uint32

	refs  atomic.Int32 // system calls under way, plus closedBit
	read  direction
	write direction
}

const closedBit = 1 << 30

// open takes over fd, unless it fails.
func (s *socket) open(l *Loop, fd int) error {
	s.loop, s.fd = l, fd
	s.read.wake = make(chan struct{}, 1)
	s.write.wake = make(chan struct{}, 1)
	return l.add(s)
}

// Close closes the descriptor; a goroutine that waits for it gets net.ErrClosed.
func (s *socket) Close() error {
	for {
		refs := s.refs.Load()
		if refs&closedBit != 0 {
			return net.ErrClosed
		}
		if s.refs.CompareAndSwap(refs, refs+1|closedBit) {
			break
		}
	}
	s.loop.remove(s)
	s.read.set(hungUp)
	s.write.set(hungUp)
	s.release()
	return nil
}

// acquire keeps the descriptor open, and so its number from being given to
// another socket, until release.
func (s *socket) acquire() bool {
	if s.refs.Add(1)&closedBit == 0 {
		return true
	}
	s.release()
	return false
}

func (s *socket) release() {
	if s.refs.Add(-1) == closedBit {
		unix.Close(s.fd)
	}
}

// notify is called by the loop alone.
func (s *socket) notify(events uint32) {
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.read.set(hungUp)
	} else if events&unix.EPOLLIN != 0 {
		s.read.set(ready)
	}
	if events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.write.set(hungUp)
	} else if events&unix.EPOLLOUT != 0 {
		s.write.set(ready)
	}
}

// direction is what is known of one half of a socket.
type direction struct {
	state    atomic.Uint32 // idle, ready, waiting or hungUp
	deadline atomic.Int64  // Unix nanoseconds; 0: none
	wake     chan struct{} // one token for the goroutine that waits
}

const (
	idle    = iota // nothing to do until the loop says otherwise
	ready          // the loop has said so since the last look
	waiting        // a goroutine waits on wake
	hungUp         // the peer is gone or the socket closed: never wait again
)

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
	}
}

// look takes note that the next system call will see all that was announced:
// what comes after it is announced again.
func (d *direction) look() { d.state.CompareAndSwap(ready, idle) }

func (d *direction) setDeadline(t time.Time) {
	if t.IsZero() {
		d.deadline.Store(0)
		return
	}
	d.deadline.Store(t.UnixNano())
}

func (d *direction) expired() bool {
	t := d.deadline.Load()
	return t != 0 && time.Now().UnixNano() >= t
}

// expire wakes the goroutine that waits past its deadline.
func (d *direction) expire(now int64) {
	if t := d.deadline.Load(); t != 0 && now >= t && d.state.CompareAndSwap(waiting, ready) {
		d.wake <- struct{}{}
	}
}
