package tcp

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Loop watches the sockets of its connections with an epoll instance of its
// own and wakes their goroutines in the order in which the kernel reported them.
// It is safe for concurrent use.
//
// The runtime's poller would do the same job with less code. It wakes every
// batch in reverse order, so that the newest request overtakes the oldest, which
// doubles the 99th percentile under load; and a goroutine learns that a socket
// has nothing to read only by asking the kernel, one wasted system call in five.
// docs/performance.md has the figures.
type Loop struct {
	file      *os.File // the epoll instance, itself watched by the runtime's poller
	epoll     int      // its descriptor
	start     time.Time
	clock     atomic.Int64 // nanoseconds since start, moved on every Tick
	lingering chan struct{}

	stop     chan struct{}
	running  sync.WaitGroup
	shutdown sync.Once

	table atomic.Pointer[table]

	mu     sync.Mutex // for changes of table
	gen    uint32
	closed bool
}

const (
	eventsPerPoll = 256
	watched       = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET
)

// NewLoop starts a loop. Close ends it.
func NewLoop() (*Loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll instance: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("create epoll instance: %w", err)
	}
	l := &Loop{
		file:      os.NewFile(uintptr(fd), "epoll"),
		epoll:     fd,
		start:     time.Now(),
		lingering: make(chan struct{}, lingerMax),
		stop:      make(chan struct{}),
	}
	l.table.Store(new(make(table, 1024)))
	raw, err := l.file.SyscallConn()
	if err == nil {
		// Fails if the runtime's poller does not take the instance.
		err = l.file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		_ = l.file.Close()
		return nil, fmt.Errorf("watch epoll instance: %w", err)
	}
	l.running.Go(func() { l.run(raw) })
	l.running.Go(l.expire)
	return l, nil
}

// Close closes the listeners and connections of the loop that are still open,
// ends its goroutines and waits for them. It may be called more than once.
func (l *Loop) Close() error {
	var err error
	l.shutdown.Do(func() {
		for _, s := range l.closeTable() {
			s.close()
		}
		for range cap(l.lingering) {
			l.lingering <- struct{}{}
		}
		close(l.stop)
		err = l.file.Close()
		l.running.Wait()
	})
	return err
}

func (l *Loop) run(raw syscall.RawConn) {
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
		l.dispatch(events[:n])
		// What was woken runs before the next look: that keeps the order.
		runtime.Gosched()
	}
}

func (l *Loop) dispatch(events []unix.EpollEvent) {
	// Loaded after the events, it has every socket that they are about.
	t := *l.table.Load()
	for i := range events {
		e := &events[i]
		if s := t[e.Fd].Load(); s != nil && s.gen == uint32(e.Pad) {
			s.notify(e.Events)
		}
	}
}

// Dial connects to address, "host:port".
func (l *Loop) Dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	d.SetMultipathTCP(false)
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	fd, err := duplicate(nc.(*net.TCPConn))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	c, err := l.newConn(fd, nc.LocalAddr(), nc.RemoteAddr())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return c, nil
}

// duplicate returns a second descriptor of the socket of c, so that c can be
// closed. It is unknown to the runtime's poller, which would otherwise be woken
// for the socket as well.
func duplicate(c syscall.Conn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	controlErr := raw.Control(func(original uintptr) {
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	})
	if controlErr != nil {
		return -1, controlErr
	}
	return fd, os.NewSyscallError("fcntl", err)
}
