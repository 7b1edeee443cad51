//go:build !linux

package tcp

import (
	"context"
	"io"
	"net"
	"sync"
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
	return l.newConn(nc)
}

func (l *Loop) newConn(nc net.Conn) (net.Conn, error) {
	c := &Conn{Conn: nc, loop: l}
	if !l.add(c) {
		nc.Close()
		return nil, net.ErrClosed
	}
	return c, nil
}

// A Listener accepts connections of a Loop.
type Listener struct {
	net.Listener
	loop *Loop
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.loop.newConn(nc)
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
