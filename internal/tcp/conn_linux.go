package tcp

import (
	"io"
	"net"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Conn is a TCP connection of a Loop. As with any net.Conn, one goroutine may
// read, one may write, and any may close or set deadlines at the same time.
// Deadlines are kept with a precision of Tick, late rather than early.
type Conn struct {
	socket
	local  net.Addr
	remote net.Addr
}

func newConn(l *Loop, fd int, local, remote net.Addr) (*Conn, error) {
	c := &Conn{local: local, remote: remote}
	if err := c.open(l, fd); err != nil {
		return nil, err
	}
	return c, nil
}

// Read reads what has arrived into b, and waits if nothing has.
func (c *Conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		c.read.wait()
		if c.refs.Load()&closedBit != 0 {
			return 0, net.ErrClosed
		}
		n, err := c.readNow(b)
		if err == unix.EAGAIN {
			if c.read.expired() {
				return 0, os.ErrDeadlineExceeded
			}
			continue
		}
		if err != nil {
			return 0, c.opError("read", err)
		}
		if n == 0 {
			return 0, io.EOF
		}
		return n, nil
	}
}

func (c *Conn) readNow(b []byte) (int, error) {
	if !c.acquire() {
		return 0, net.ErrClosed
	}
	c.read.look()
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	c.release()
	if errno != 0 {
		return 0, errno
	}
	if int(n) == len(b) {
		c.read.set(ready) // there may be more, and the loop will not say so again
	}
	return int(n), nil
}

// Write writes all of b, and waits while the peer takes no more.
func (c *Conn) Write(b []byte) (int, error) {
	done := 0
	for {
		if !c.acquire() {
			return done, net.ErrClosed
		}
		c.write.look()
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		c.release()
		if errno == 0 {
			done += int(n)
			if int(n) == len(b) {
				return done, nil
			}
			b = b[n:]
			continue
		}
		if errno != unix.EAGAIN {
			return done, c.opError("write", errno)
		}
		if c.write.expired() {
			return done, os.ErrDeadlineExceeded
		}
		c.write.wait()
	}
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	c.read.setDeadline(t)
	c.write.setDeadline(t)
	return nil
}

// SetReadDeadline sets the time after which a waiting Read fails with
// os.ErrDeadlineExceeded; the zero time is none.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.read.setDeadline(t)
	return nil
}

// SetWriteDeadline does the same for Write.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.write.setDeadline(t)
	return nil
}

func (c *Conn) opError(op string, err error) error {
	if err == net.ErrClosed {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: os.NewSyscallError(op, err)}
}
