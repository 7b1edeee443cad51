package upstream_test

import (
	"bufio"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/upstream"
	"pokt.ai/internal/secret"
	"pokt.ai/internal/tcp"
)

// patience bounds what a test waits for; only a fault takes this long.
const patience = 20 * time.Second

// TestMain has the certificate of httptest trusted, as an operator would have that
// of a private node.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "upstream")
	if err != nil {
		panic(err)
	}
	server := httptest.NewTLSServer(nil)
	file := filepath.Join(dir, "roots.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	server.Close()
	if err := errors.Join(os.WriteFile(file, cert, 0o600), os.Setenv("SSL_CERT_FILE", file)); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// withDialers runs a test with the connections of the relay path, and with those
// of package net, which do not tell that the peer has closed.
func withDialers(t *testing.T, test func(t *testing.T, dialer upstream.Dialer)) {
	t.Run("loop", func(t *testing.T) { test(t, newLoop(t)) })
	t.Run("net", func(t *testing.T) { test(t, netDialer{}) })
}

func newLoop(t testing.TB) *tcp.Loop {
	t.Helper()
	loop, err := tcp.NewLoop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { loop.Close() })
	return loop
}

type netDialer struct{}

func (netDialer) Dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

// A node is a server whose connections do what a test says.
type node struct {
	url      string
	accepted atomic.Int32
	requests atomic.Int32
	open     atomic.Int32 // connections
}

// serve starts a node; handle has each connection until it returns, when the
// connection is closed.
func serve(t testing.TB, handle func(n *node, c *peer)) *node {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{url: "http://" + ln.Addr().String()}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			n.accepted.Add(1)
			n.open.Add(1)
			go func() {
				defer n.open.Add(-1)
				defer c.Close()
				handle(n, &peer{TCPConn: c.(*net.TCPConn), r: bufio.NewReader(c), node: n})
			}()
		}
	}()
	t.Cleanup(func() { ln.Close() })
	return n
}

// ended waits until all connections of the node have.
func (n *node) ended(t *testing.T) {
	t.Helper()
	eventually(t, "no connection left", func() bool { return n.open.Load() == 0 })
}

// peer is the node's end of a connection.
type peer struct {
	*net.TCPConn
	r    *bufio.Reader
	node *node
}

// read returns the body of the next request, or false at the end of the connection.
func (p *peer) read() (string, bool) {
	req, err := http.ReadRequest(p.r)
	if err != nil {
		return "", false
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return "", false
	}
	p.node.requests.Add(1)
	return string(body), true
}

// send writes raw bytes; the client may have left.
func (p *peer) send(raw string) { io.WriteString(p, raw) }

// reset makes the connection end in a reset.
func (p *peer) reset() { p.SetLinger(0) }

// ended waits until the client has closed the connection.
func (p *peer) ended() { io.Copy(io.Discard, p.r) }

// ok is the HTTP response of that body.
func ok(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// echo answers each request with its body.
func echo(_ *node, c *peer) {
	for {
		body, more := c.read()
		if !more {
			return
		}
		c.send(ok(body))
	}
}

// first sends raw to the first request of the node. It says "again" on other
// connections, and "same" on that one.
func first(raw string) func(*node, *peer) {
	return func(n *node, c *peer) {
		answer := "again"
		for {
			if _, more := c.read(); !more {
				return
			}
			if n.requests.Load() == 1 {
				answer = "same"
				c.send(raw)
				continue
			}
			c.send(ok(answer))
		}
	}
}

type option func(*upstream.Config, *upstream.Deps)

// deps are those of an endpoint that nobody calls.
func deps() upstream.Deps {
	return upstream.Deps{
		Dialer: netDialer{}, Chain: "dev", Label: func(string) uint16 { return 1 }, MaxResponseBytes: 1 << 20, Metrics: metrics.NewSet(),
	}
}

func newEndpoint(t testing.TB, dialer upstream.Dialer, url string, options ...option) *upstream.Endpoint {
	t.Helper()
	cfg, d := upstream.Config{Name: "node", URL: secret.New(url)}, deps()
	d.Dialer = dialer
	for _, o := range options {
		o(&cfg, &d)
	}
	e, err := upstream.New(t.Context(), cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// fits takes any response.
func fits(*fasthttp.Response) upstream.Failure { return upstream.None }

// call makes one call that may be sent again, and returns the body of the answer.
func call(e *upstream.Endpoint, body string) (string, upstream.Failure) {
	return callUntil(e, time.Now().Add(patience), body, true)
}

func callUntil(e *upstream.Endpoint, deadline time.Time, body string, again bool) (string, upstream.Failure) {
	var resp fasthttp.Response
	_, f := e.Call(time.Now(), deadline, []byte(body), again, &resp, fits)
	if f != upstream.None {
		return "", f
	}
	return string(resp.Body()), f
}

// report makes a call that ends as f.
func report(t testing.TB, e *upstream.Endpoint, start time.Time, f upstream.Failure) {
	t.Helper()
	var resp fasthttp.Response
	_, got := e.Call(start, time.Now().Add(patience), []byte("x"), true, &resp, func(*fasthttp.Response) upstream.Failure { return f })
	if got != f {
		t.Fatalf("the call ended as %v, want %v", got, f)
	}
}

// eventually waits until condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
