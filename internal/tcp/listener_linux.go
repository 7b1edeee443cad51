package tcp

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// A Listener accepts connections of a Loop. One goroutine at a time may accept.
type Listener struct {
	// Timeouts of the connections; set them before the first Accept.
	Timeouts Timeouts

	socket
	addr     net.Addr
	wildcard bool // connections have local addresses of their own
}

// Listen listens on address, "host:port".
func (l *Loop) Listen(ctx context.Context, address string) (*Listener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	nl, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer nl.Close()
	fd, err := duplicate(nl.(*net.TCPListener))
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	ln := &Listener{addr: nl.Addr(), wildcard: nl.Addr().(*net.TCPAddr).IP.IsUnspecified()}
	err = setOptions(fd)
	if err == nil {
		err = ln.open(l, fd, unix.EPOLL_CTL_ADD)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return ln, nil
}

// setOptions sets what package net sets on each connection by default. Set on
// the listening socket, the connections inherit it.
func setOptions(fd int) error {
	for _, o := range []struct{ level, option, value int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.option, o.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// Accept waits for the next connection. After Close its error is net.ErrClosed;
// any other is transient, as when the process has no descriptors left.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		l.read.wait()
		if !l.acquire() {
			return nil, l.opError("accept", net.ErrClosed)
		}
		l.read.look()
		fd, sa, err := unix.Accept4(l.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		l.release()
		if err == unix.EAGAIN { //nolint:errorlint // a system call does not wrap
			continue
		}
		l.read.set(ready)             // there may be more, and the loop will not say so again
		if err == unix.ECONNABORTED { //nolint:errorlint // a system call does not wrap
			continue
		}
		if err != nil {
			return nil, l.opError("accept", transient{os.NewSyscallError("accept4", err)})
		}
		c, err := l.loop.newConn(fd, l.local(fd), tcpAddr(sa))
		if err != nil {
			return nil, l.opError("accept", transient{err})
		}
		if c.timeouts = l.Timeouts; c.timeouts.Request > 0 {
			c.begin()
		}
		return c, nil
	}
}

// transient says in the words of both kinds of servers that accepting may work
// again later: fasthttp ends for good after an error that is no timeout, and
// net/http after one that is not temporary.
type transient struct{ error }

func (transient) Timeout() bool   { return true }
func (transient) Temporary() bool { return true }
func (t transient) Unwrap() error { return t.error }

// local returns the address of this end of a connection.
func (l *Listener) local(fd int) net.Addr {
	if l.wildcard {
		if sa, err := unix.Getsockname(fd); err == nil {
			return tcpAddr(sa)
		}
	}
	return l.addr
}

// Addr returns the address listened on.
func (l *Listener) Addr() net.Addr { return l.addr }

// Close stops listening; an Accept that waits fails with net.ErrClosed. The
// connections that were accepted stay open.
func (l *Listener) Close() error {
	if !l.close() {
		return l.opError("close", net.ErrClosed)
	}
	return nil
}

func (l *Listener) opError(op string, err error) error {
	if l.closed() {
		err = net.ErrClosed // whatever else happened, that was the reason
	}
	return &net.OpError{Op: op, Net: "tcp", Addr: l.addr, Err: err}
}

func tcpAddr(sa unix.Sockaddr) net.Addr {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
	case *unix.SockaddrInet6:
		addr := &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
		if a.ZoneId != 0 {
			addr.Zone = strconv.Itoa(int(a.ZoneId))
		}
		return addr
	}
	return &net.TCPAddr{}
}
