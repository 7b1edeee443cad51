package store_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// A proxy stands between a store and Postgres and is what a test may break: the
// server itself is shared with other tests.
type proxy struct {
	server database

	mu       sync.Mutex
	listener net.Listener
	conns    []*link
	wg       sync.WaitGroup
}

func newProxy(t *testing.T, server database) *proxy {
	t.Helper()
	p := &proxy{server: server}
	p.listen(t, "127.0.0.1:0")
	t.Cleanup(func() {
		p.cut()
		p.wg.Wait()
	})
	return p
}

// database is the server as seen through the proxy.
func (p *proxy) database(t *testing.T) database {
	t.Helper()
	u, err := url.Parse(p.server.dsn)
	must(t, err)
	u.Host = p.listener.Addr().String()
	return database{driver: "pgx", dsn: u.String(), raw: u.String()}
}

func (p *proxy) listen(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(p.server.dsn)
	must(t, err)
	l, err := net.Listen("tcp", address)
	must(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener = l
	p.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", u.Host)
			if err != nil {
				_ = client.Close()
				continue
			}
			c := &link{client: client, server: server}
			p.mu.Lock()
			p.conns = append(p.conns, c)
			p.mu.Unlock()
			p.wg.Go(func() { c.pass(client, server) })
			p.wg.Go(func() { c.pass(server, client) })
		}
	})
}

// cut closes all connections and refuses new ones.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
	for _, c := range p.conns {
		c.close()
	}
}

// mend accepts connections again, on the same address.
func (p *proxy) mend(t *testing.T) { p.listen(t, p.listener.Addr().String()) }

// freeze swallows what the present connections carry, and leaves them open.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.mu.Lock()
		c.frozen = true
		c.mu.Unlock()
	}
}

type link struct {
	client, server net.Conn

	mu     sync.Mutex
	frozen bool
}

func (c *link) pass(to io.Writer, from io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		c.mu.Lock()
		frozen := c.frozen
		c.mu.Unlock()
		if err == nil && !frozen {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			if !frozen {
				c.close()
			}
			return
		}
	}
}

func (c *link) close() {
	_ = c.client.Close()
	_ = c.server.Close()
}
