package tcp

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Loop watches the sockets of its connections with an epoll instance of its
// own and wakes their goroutines in the order in which the kernel reported them.
//
// The runtime's poller would do the same job with less code. It wakes every
// batch in reverse order, so that the newest request overtakes the oldest, which
// doubles the 99th percentile under load; and a goroutine learns that a socket
// has nothing to read only by asking the kernel, one wasted system call in five.
// docs/performance.md has the figures.
type Loop struct {
	file *os.File // the epoll instance, itself watched by the runtime's poller
	fd   int
	done chan struct{}
	stop chan struct{}

	mu    sync.Mutex
	conns atomic.Pointer[[]atomic.Pointer[socket]] // by descriptor; replaced when it grows
	gen   uint32
}

const (
	eventsPerPoll = 256
	watched       = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET
)

// NewLoop starts a loop. Close ends it.
func NewLoop() (*Loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, fmt.Errorf("create epoll instance: %w", err)
	}
	l := &Loop{file: os.NewFile(uintptr(fd), "epoll"), fd: fd, done: make(chan struct{}), stop: make(chan struct{})}
	raw, err := l.file.SyscallConn()
	if err != nil {
		l.file.Close()
		return nil, fmt.Errorf("create epoll instance: %w", err)
	}
	table := make([]atomic.Pointer[socket], 1024)
	l.conns.Store(&table)
	go l.run(raw)
	go l.expire()
	return l, nil
}

// Close ends the loop. Its connections no longer wake: close them first.
func (l *Loop) Close() error {
	close(l.stop)
	err := l.file.Close()
	<-l.done
	return err
}

func (l *Loop) run(raw syscall.RawConn) {
	defer close(l.done)
	var (
		events [eventsPerPoll]unix.EpollEvent
		n      int
	)
	poll := func(fd uintptr) bool {
		r, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&events[0])), eventsPerPoll, 0, 0, 0)
		if n = int(r); errno != 0 {
			n = 0
		}
		return n > 0
	}
	for raw.Read(poll) == nil {
		table := *l.conns.Load()
		for i := range events[:n] {
			e := &events[i]
			if s := table[e.Fd].Load(); s != nil && s.gen == uint32(e.Pad) {
				s.notify(e.Events)
			}
		}
		// What was woken runs before the next look: that keeps the order.
		runtime.Gosched()
	}
}

func (l *Loop) add(s *socket) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	table := *l.conns.Load()
	if s.fd >= len(table) {
		grown := make([]atomic.Pointer[socket], max(2*len(table), s.fd+1))
		for i := range table {
			grown[i].Store(table[i].Load())
		}
		table = grown
		l.conns.Store(&grown)
	}
	l.gen++
	s.gen = l.gen
	table[s.fd].Store(s)
	ev := unix.EpollEvent{Events: watched, Fd: int32(s.fd), Pad: int32(s.gen)}
	if err := unix.EpollCtl(l.fd, unix.EPOLL_CTL_ADD, s.fd, &ev); err != nil {
		table[s.fd].Store(nil)
		return fmt.Errorf("watch socket: %w", err)
	}
	return nil
}

func (l *Loop) remove(s *socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	(*l.conns.Load())[s.fd].Store(nil)
	// Fails only if the loop is closed, which removes everything.
	_ = unix.EpollCtl(l.fd, unix.EPOLL_CTL_DEL, s.fd, nil)
}
