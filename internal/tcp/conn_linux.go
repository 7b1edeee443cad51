package tcp

import (
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A Conn is a TCP connection of a Loop. As with any net.Conn, any goroutine may
// close it or set deadlines at any time; but one goroutine at a time may read,
// and one may write. It has to be closed, at the latest by Loop.Close.
type Conn struct {
	socket
	local  net.Addr
	remote net.Addr

	timeouts  Timeouts // of a Listener; they belong to the goroutine that reads and writes
	inRequest bool     // the first byte of a request has come, and no answer yet
}

// maxCall bounds one system call: the scheduler cannot take the processor from
// a goroutine while it copies.
const maxCall = 1 << 20

// newConn takes over fd and closes it if it fails.
func (l *Loop) newConn(fd int, local, remote net.Addr) (*Conn, error) {
	c := &Conn{local: local, remote: remote}
	if err := c.open(l, fd, unix.EPOLL_CTL_ADD); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return c, nil
}

// Read reads what has arrived into b, and waits if nothing has.
func (c *Conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	b = b[:min(len(b), maxCall)]
	for {
		if c.read.late(&c.loop.clock) {
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		}
		c.read.wait()
		if !c.acquire() {
			return 0, c.opError("read", net.ErrClosed)
		}
		c.read.look()
		n, errno := readSocket(c.fd, b)
		c.release()
		switch {
		case errno == unix.EAGAIN:
			continue
		case errno != 0:
			return 0, c.opError("read", os.NewSyscallError("read", errno))
		case n == 0:
			return 0, io.EOF
		case n == len(b):
			c.read.set(ready) // there may be more, and the loop will not say so again
		}
		if c.timeouts.Request > 0 && !c.inRequest {
			c.begin()
		}
		return n, nil
	}
}

// Write writes all of b, and waits while the peer takes no more.
func (c *Conn) Write(b []byte) (int, error) {
	done := 0
	for {
		if c.write.late(&c.loop.clock) {
			return done, c.opError("write", os.ErrDeadlineExceeded)
		}
		if !c.acquire() {
			return done, c.opError("write", net.ErrClosed)
		}
		c.write.look()
		n, errno := writeSocket(c.fd, b[done:min(len(b), done+maxCall)])
		c.release()
		switch {
		case errno == unix.EAGAIN:
			if c.timeouts.Write > 0 {
				c.write.deadline.Store(c.loop.in(c.timeouts.Write))
			}
			c.write.wait()
			continue
		case errno != 0:
			return done, c.opError("write", os.NewSyscallError("write", errno))
		}
		if done += n; done == len(b) {
			if c.timeouts != (Timeouts{}) {
				c.answered()
			}
			return done, nil
		}
	}
}

// begin starts the time that a request may take to arrive.
func (c *Conn) begin() {
	c.inRequest = true
	c.read.deadline.Store(c.loop.in(c.timeouts.Request))
}

// answered starts the time until the next request must begin.
func (c *Conn) answered() {
	c.inRequest = false
	c.read.deadline.Store(c.loop.in(c.timeouts.Idle))
	if c.timeouts.Write > 0 && c.write.deadline.Load() != 0 {
		c.write.deadline.Store(0)
	}
}

// HungUp reports whether the peer has closed or reset the connection, or at
// least its half of it, or this end has closed it. It makes no system call, so
// that a pool can ask before every use.
func (c *Conn) HungUp() bool { return c.read.state.Load() == hungUp }

// Close closes the connection; a Read or Write that waits fails with
// net.ErrClosed.
func (c *Conn) Close() error {
	if !c.close() {
		return c.opError("close", net.ErrClosed)
	}
	return nil
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadline(t, &c.read, &c.write) }

// SetReadDeadline sets the time after which Read fails with
// os.ErrDeadlineExceeded; the zero time is none.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, &c.read) }

// SetWriteDeadline does the same for Write.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.write) }

func (c *Conn) setDeadline(t time.Time, of ...*direction) error {
	if c.closed() {
		return c.opError("set", net.ErrClosed)
	}
	at := c.loop.instant(t)
	for _, d := range of {
		d.deadline.Store(at)
	}
	return nil
}

// opError wraps err as package net does: some callers ask for *net.OpError.
func (c *Conn) opError(op string, err error) error {
	if c.closed() {
		err = net.ErrClosed // whatever else happened, that was the reason
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}
