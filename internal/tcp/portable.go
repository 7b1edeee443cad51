//go:build !linux

package tcp

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// A Loop opens listeners and connections of package net, and closes those that
// are still open when it is closed. It is safe for concurrent use.
type Loop struct {
	mu   sync.Mutex
	open map[io.Closer]struct{} // *Conn and *Listener; nil after Close
}

// NewLoop returns a loop. Close ends it.
func NewLoop() (*Loop, error) {
	return &Loop{open: make(map[io.Closer]struct{})}, nil
}

// Close closes the listeners and connections of the loop that are still open.
func (l *Loop) Close() error {
	l.mu.Lock()
	open := l.open
	l.open = nil
	l.mu.Unlock()
	for c := range open {
		c.Close()
	}
	return nil
}

func (l *Loop) add(c io.Closer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		return false
	}
	l.open[c] = struct{}{}
	return true
}

func (l *Loop) remove(c io.Closer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

// Listen listens on address, "host:port".
func (l *Loop) Listen(ctx context.Context, address string) (*Listener, error) {
	var lc net.ListenConfig
	nl, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	ln := &Listener{Listener: nl, loop: l}
	if !l.add(ln) {
		nl.Close()
		return nil, net.ErrClosed
	}
	return ln, nil
}

// Dial connects to address, "host:port".
func (l *Loop) Dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c, err := l.newConn(nc)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (l *Loop) newConn(nc net.Conn) (*Conn, error) {
	c := &Conn{Conn: nc, loop: l}
	if !l.add(c) {
		nc.Close()
		return nil, net.ErrClosed
	}
	return c, nil
}

// A Listener accepts connections of a Loop.
type Listener struct {
	// Timeouts of the connections; set them before the first Accept.
	Timeouts Timeouts

	net.Listener
	loop *Loop
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c, err := l.loop.newConn(nc)
	if err != nil {
		return nil, err
	}
	if c.timeouts = l.Timeouts; c.timeouts.Request > 0 {
		err = c.begin()
	}
	return c, err
}

// Close stops listening.
func (l *Listener) Close() error {
	l.loop.remove(l)
	return l.Listener.Close()
}

// A Conn is a TCP connection of a Loop. It has to be closed, at the latest by
// Loop.Close.
type Conn struct {
	net.Conn
	loop *Loop

	timeouts  Timeouts // of a Listener; they belong to the goroutine that reads and writes
	inRequest bool     // the first byte of a request has come, and no answer yet
}

// Read reads what has arrived into b, and waits if nothing has.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && err == nil && c.timeouts.Request > 0 && !c.inRequest {
		err = c.begin()
	}
	return n, err
}

// Write writes all of b, and waits while the peer takes no more.
func (c *Conn) Write(b []byte) (int, error) {
	if c.timeouts == (Timeouts{}) {
		return c.Conn.Write(b)
	}
	if err := c.SetWriteDeadline(in(c.timeouts.Write)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	if err == nil {
		c.inRequest = false
		err = c.SetReadDeadline(in(c.timeouts.Idle))
	}
	return n, err
}

// begin starts the time that a request may take to arrive.
func (c *Conn) begin() error {
	c.inRequest = true
	return c.SetReadDeadline(in(c.timeouts.Request))
}

// in returns the time in which d will have passed, the zero time for no d.
func in(d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}

// Close closes the connection.
func (c *Conn) Close() error {
	c.loop.remove(c)
	return c.Conn.Close()
}

// HungUp reports false: package net learns that the peer has closed from Read.
func (c *Conn) HungUp() bool { return false }

// Linger does nothing: package net leaves a connection with unread input to the
// kernel.
func (c *Conn) Linger() {}
