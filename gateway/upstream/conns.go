package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A Dialer opens TCP connections; tcp.Loop is one. If they can tell that the
// peer has closed by a method HungUp() bool, they are asked before each use.
type Dialer interface {
	Dial(ctx context.Context, address string) (net.Conn, error)
}

// conns are the connections to one endpoint. The idle ones are spread over
// shards, so that calls on different cores do not wait for one lock, and each
// shard gives out the one used last, so that few connections are kept warm
// rather than many lukewarm (1.1 times the throughput at 64 clients).
type conns struct {
	dialer  Dialer
	address string
	tls     *tls.Config // nil: plain
	max     int32

	open   atomic.Int32
	shards []shard // a power of two
}

type shard struct {
	mu     sync.Mutex
	idle   []*conn
	closed bool
	_      [24]byte // one shard a cache line
}

const (
	// One read for most answers, and room for the headers that proxies add.
	readBufferBytes = 8 << 10
	// Shorter than the idle time-outs of nodes (geth 120 s) and of the proxies
	// before them (nginx 75 s), so that it is us who closes.
	maxIdle     = 55 * time.Second
	dialTimeout = 5 * time.Second
	maxShards   = 8
)

var errBusy = errors.New("all connections are in use")

// newShards makes as many shards as there are cores to use them.
func newShards() []shard {
	n := min(runtime.GOMAXPROCS(0), maxShards)
	return make([]shard, 1<<bits.Len(uint(n-1)))
}

// get returns an idle connection, or a new one.
func (p *conns) get(ctx context.Context, deadline, now time.Time) (*conn, error) {
	if c := p.pop(now); c != nil {
		return c, nil
	}
	return p.dial(ctx, deadline)
}

func (p *conns) pop(now time.Time) *conn {
	start := rand.Uint32()
	for i := range p.shards {
		s := &p.shards[(int(start)+i)&(len(p.shards)-1)]
		for {
			c := s.pop()
			if c == nil {
				break
			}
			if c.stale(now) {
				p.close(c)
				continue
			}
			c.used = true
			return c
		}
	}
	return nil
}

func (s *shard) pop() *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		return nil
	}
	c := s.idle[n-1]
	s.idle[n-1] = nil
	s.idle = s.idle[:n-1]
	return c
}

// put takes back a connection that has nothing left to read.
func (p *conns) put(c *conn, now time.Time) {
	c.idleSince = now
	s := &p.shards[int(rand.Uint32())&(len(p.shards)-1)]
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.idle = append(s.idle, c)
	}
	s.mu.Unlock()
	if closed {
		p.close(c)
	}
}

// dial opens a connection, unless there are too many.
func (p *conns) dial(ctx context.Context, deadline time.Time) (*conn, error) {
	if p.open.Add(1) > p.max {
		p.open.Add(-1)
		return nil, errBusy
	}
	c, err := p.connect(ctx, deadline)
	if err != nil {
		p.open.Add(-1)
	}
	return c, err
}

func (p *conns) connect(ctx context.Context, deadline time.Time) (*conn, error) {
	if limit := time.Now().Add(dialTimeout); limit.Before(deadline) {
		deadline = limit
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	nc, err := p.dialer.Dial(ctx, p.address)
	if err != nil {
		return nil, err
	}
	c := &conn{tcp: nc, rw: nc}
	c.peer, _ = nc.(peer)
	if p.tls != nil {
		tc := tls.Client(nc, p.tls)
		if err := tc.HandshakeContext(ctx); err != nil {
			nc.Close()
			return nil, fmt.Errorf("TLS handshake: %w", err)
		}
		c.rw = tc
	}
	c.r = bufio.NewReaderSize(c.rw, readBufferBytes)
	return c, nil
}

// close closes a connection that was got and is not put back.
func (p *conns) close(c *conn) {
	c.close()
	p.open.Add(-1)
}

// sweep closes the idle connections that are stale at now.
func (p *conns) sweep(now time.Time) {
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		kept := s.idle[:0]
		for _, c := range s.idle {
			if c.stale(now) {
				p.close(c)
			} else {
				kept = append(kept, c)
			}
		}
		clear(s.idle[len(kept):])
		s.idle = kept
		s.mu.Unlock()
	}
}

// closeIdle closes the idle connections, and those in use when they come back.
func (p *conns) closeIdle() {
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		for _, c := range s.idle {
			p.close(c)
		}
		s.idle, s.closed = nil, true
		s.mu.Unlock()
	}
}
