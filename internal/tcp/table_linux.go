package tcp

import (
	"net"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A table has the sockets of a loop by descriptor. It is replaced when it grows,
// and so indexed without a lock.
type table []atomic.Pointer[socket]

// watch makes the loop report the events of s, from now on and as they stand.
// op is unix.EPOLL_CTL_ADD, or MOD if the loop knew the descriptor before.
func (l *Loop) watch(s *socket, op int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	t := *l.table.Load()
	if s.fd >= len(t) {
		grown := make(table, max(2*len(t), s.fd+1))
		for i := range t {
			grown[i].Store(t[i].Load())
		}
		t = grown
		l.table.Store(&grown)
	}
	// An event that was read for an earlier socket of the same descriptor and
	// is not yet handled has another generation.
	l.gen++
	s.gen = l.gen
	t[s.fd].Store(s)
	ev := unix.EpollEvent{Events: watched, Fd: int32(s.fd), Pad: int32(s.gen)}
	if err := unix.EpollCtl(l.epoll, op, s.fd, &ev); err != nil {
		t[s.fd].Store(nil)
		return os.NewSyscallError("epoll_ctl", err)
	}
	return nil
}

// forget ends the reports for s. The kernel forgets a descriptor when it is
// closed, which spares the system call.
func (l *Loop) forget(s *socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	(*l.table.Load())[s.fd].Store(nil)
}

// closeTable makes watch fail and returns the sockets that are still open.
func (l *Loop) closeTable() []*socket {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var open []*socket
	t := *l.table.Load()
	for i := range t {
		if s := t[i].Load(); s != nil {
			open = append(open, s)
		}
	}
	return open
}
