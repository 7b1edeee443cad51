package tcp

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// socket is a non-blocking descriptor watched by a Loop.
type socket struct {
	loop   *Loop
	fd     int
	gen    uint32
	linger atomic.Bool

	refs  atomic.Int32 // system calls under way, plus closedBit
	read  direction
	write direction
}

const closedBit = 1 << 30

// open takes over fd, unless it fails.
func (s *socket) open(l *Loop, fd, op int) error {
	s.loop, s.fd = l, fd
	s.read.wake = make(chan struct{}, 1)
	s.write.wake = make(chan struct{}, 1)
	return l.watch(s, op)
}

// close wakes the goroutines that wait and closes the descriptor when the last
// system call on it has returned. It reports false if it was called before.
func (s *socket) close() bool {
	for {
		refs := s.refs.Load()
		if refs&closedBit != 0 {
			return false
		}
		if s.refs.CompareAndSwap(refs, (refs+1)|closedBit) {
			break
		}
	}
	s.loop.forget(s)
	s.read.set(hungUp)
	s.write.set(hungUp)
	s.release()
	return true
}

func (s *socket) closed() bool { return s.refs.Load()&closedBit != 0 }

// acquire keeps the descriptor open, and so its number from being given to
// another socket, until release. It fails after close, and then leaves refs
// alone: only the last of those who had it before may come to zero.
func (s *socket) acquire() bool {
	for {
		refs := s.refs.Load()
		if refs&closedBit != 0 {
			return false
		}
		if s.refs.CompareAndSwap(refs, refs+1) {
			return true
		}
	}
}

func (s *socket) release() {
	if s.refs.Add(-1) != closedBit {
		return
	}
	if s.linger.Load() && s.loop.drain(s.fd) {
		return
	}
	unix.Close(s.fd)
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
