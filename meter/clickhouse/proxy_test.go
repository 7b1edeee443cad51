package clickhouse_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A proxy stands between a store and ClickHouse and is what a test may break.
type proxy struct {
	server string
	wg     sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	links    []*link
	deaf     int // a link is mute once it has carried as much from the client; 0: never
}

func newProxy(t testing.TB, server string) *proxy {
	t.Helper()
	p := &proxy{server: server}
	p.listen(t, "127.0.0.1:0")
	t.Cleanup(func() {
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) listen(t testing.TB, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	must(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener, p.deaf = l, 0
	p.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", p.server)
			if err != nil {
				_ = client.Close()
				continue
			}
			c := &link{client: client, server: server}
			p.mu.Lock()
			p.links = append(p.links, c)
			p.mu.Unlock()
			p.wg.Go(func() { p.pass(c, c.server, c.client, p.sent) })
			p.wg.Go(func() { p.pass(c, c.client, c.server, p.heard) })
		}
	})
}

// silenceAfter makes the server mute on each connection that carries so many
// bytes from the client from now on: all of an INSERT arrives there, and nobody is
// told.
func (p *proxy) silenceAfter(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = bytes
	for _, c := range p.links {
		c.carried = 0
	}
}

// sent counts what a client sent. All of it is passed on.
func (p *proxy) sent(c *link, n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.carried += n
	return true
}

// heard reports whether the client may hear the server.
func (p *proxy) heard(c *link, _ int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.deaf == 0 || c.carried < p.deaf
}

// cut closes all connections and refuses new ones.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
	for _, c := range p.links {
		c.close()
	}
	p.links = nil
}

// mend accepts connections again, on the same address.
func (p *proxy) mend(t testing.TB) {
	t.Helper()
	p.listen(t, p.address())
}

type link struct {
	client, server net.Conn
	carried        int // bytes from the client
}

// pass carries what from says and allow lets through.
func (p *proxy) pass(c *link, to io.Writer, from io.Reader, allow func(*link, int) bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err == nil && allow(c, n) {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			c.close()
			return
		}
	}
}

func (c *link) close() {
	_ = c.client.Close()
	_ = c.server.Close()
}
