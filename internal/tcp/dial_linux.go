package tcp

import (
	"context"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// A Listener accepts connections of a Loop.
type Listener struct {
	socket
	addr net.Addr
}

// Listen listens on address, "host:port".
func (l *Loop) Listen(ctx context.Context, address string) (*Listener, error) {
	var lc net.ListenConfig
	nl, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer nl.Close()
	fd, err := takeOver(nl.(*net.TCPListener))
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	ln := &Listener{addr: nl.Addr()}
	if err := ln.open(l, fd); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return ln, nil
}

// Addr returns the address listened on.
func (l *Listener) Addr() net.Addr { return l.addr }

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		l.read.wait()
		if !l.acquire() {
			return nil, net.ErrClosed
		}
		l.read.look()
		fd, sa, err := unix.Accept4(l.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		l.release()
		switch err {
		case nil:
		case unix.EAGAIN, unix.EINTR:
			continue
		case unix.ECONNABORTED:
			l.read.set(ready)
			continue
		default:
			l.read.set(ready)
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: os.NewSyscallError("accept4", err)}
		}
		l.read.set(ready) // there may be more, and the loop will not say so again
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			unix.Close(fd)
			continue // the peer is gone already
		}
		c, err := newConn(l.loop, fd, l.addr, tcpAddr(sa))
		if err != nil {
			unix.Close(fd)
			return nil, err
		}
		return c, nil
	}
}

// takeOver duplicates the descriptor of nc, so that nc can be closed. The copy
// is unknown to the runtime's poller, which would otherwise wake for it as well.
func takeOver(nc interface{ File() (*os.File, error) }) (int, error) {
	file, err := nc.File()
	if err != nil {
		return -1, err
	}
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("fcntl", err)
	}
	return fd, nil
}

// Dial connects to address, "host:port".
func (l *Loop) Dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	fd, err := takeOver(nc.(*net.TCPConn))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	c, err := newConn(l, fd, nc.LocalAddr(), nc.RemoteAddr())
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return c, nil
}

func tcpAddr(sa unix.Sockaddr) net.Addr {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
	}
	return &net.TCPAddr{}
}
