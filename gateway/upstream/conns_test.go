package upstream_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"pokt.ai/gateway/upstream"
)

func TestConnectionIsKept(t *testing.T) {
	withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
		n := serve(t, echo)
		e := newEndpoint(t, dialer, n.url)
		for _, body := range []string{"one", "two", strings.Repeat("three", 100_000)} {
			if got, f := call(e, body); f != upstream.None || got != body {
				t.Errorf("answer of %d bytes, %v", len(got), f)
			}
		}
		if got := n.accepted.Load(); got != 1 {
			t.Errorf("%d connections, want 1", got)
		}
	})
}

// What follows the answer would be taken for that to the next call.
func TestConnectionIsNotKept(t *testing.T) {
	for name, raw := range map[string]string{
		"which the node closes":        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"of HTTP/1.0":                  "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"with bytes after the answer":  ok("ok") + "!",
		"with an answer too many":      ok("ok") + ok("stolen"),
		"with a body where none is":    "HTTP/1.1 204 No Content\r\n\r\nok",
		"with a body beside a 304":     "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok",
		"that is too long by one byte": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
				n := serve(t, first(raw))
				e := newEndpoint(t, dialer, n.url)
				if _, f := call(e, "first"); f != upstream.None {
					t.Fatal(f)
				}
				if got, f := call(e, "second"); f != upstream.None || got != "again" {
					t.Errorf("second answer is %q, %v", got, f)
				}
				if got := n.accepted.Load(); got != 2 {
					t.Errorf("%d connections, want 2", got)
				}
			})
		})
	}
}

func TestConnectionWithForeignAnswerIsNotKept(t *testing.T) {
	n := serve(t, echo)
	e := newEndpoint(t, newLoop(t), n.url)
	report(t, e, time.Now(), upstream.BadStatus)
	if call(e, "x"); n.accepted.Load() != 1 {
		t.Error("the connection was closed after an answer that said 500")
	}
	report(t, e, time.Now(), upstream.BadAnswer)
	if call(e, "x"); n.accepted.Load() != 2 {
		t.Error("the connection was kept after an answer to something else")
	}
}

// recorder keeps the connections that were dialled.
type recorder struct {
	upstream.Dialer
	mu    sync.Mutex
	conns []net.Conn
}

func (r *recorder) Dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := r.Dialer.Dial(ctx, address)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, c)
	return c, err
}

func TestConnectionThatHungUpIsNotUsed(t *testing.T) {
	closed := serve(t, func(_ *node, c *peer) {
		if body, more := c.read(); more {
			c.send(ok(body))
		}
	})
	dialer := &recorder{Dialer: newLoop(t)}
	e := newEndpoint(t, dialer, closed.url)
	for i := range 3 {
		// Not to be sent again: it would fail if it was sent on the old one.
		if got, f := callUntil(e, time.Now().Add(patience), "x", false); f != upstream.None || got != "x" {
			t.Fatalf("call %d: %q, %v", i, got, f)
		}
		hungUp, ok := dialer.conns[i].(interface{ HungUp() bool })
		if !ok {
			t.Fatal("connections do not tell that the peer hung up")
		}
		eventually(t, "hung up", hungUp.HungUp)
	}
}

// The second request finds that the node closes the connection without an answer.
func TestSilentEndOfKeptConnection(t *testing.T) {
	for name, end := range map[string]func(*peer){"close": func(*peer) {}, "reset": (*peer).reset} {
		t.Run(name, func(t *testing.T) {
			withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
				for _, again := range []bool{true, false} {
					n := serve(t, func(n *node, c *peer) {
						for {
							body, more := c.read()
							if !more {
								return
							}
							if n.requests.Load() == 2 {
								end(c)
								return
							}
							c.send(ok(body))
						}
					})
					e := newEndpoint(t, dialer, n.url)
					if _, f := call(e, "first"); f != upstream.None {
						t.Fatal(f)
					}
					_, f := callUntil(e, time.Now().Add(patience), "second", again)
					want, requests := upstream.None, int32(3)
					if !again {
						want, requests = upstream.Cut, 2
					}
					if f != want || n.requests.Load() != requests {
						t.Errorf("again %t: %v after %d requests, want %v after %d", again, f, n.requests.Load(), want, requests)
					}
				}
			})
		})
	}
}

// Half an answer is a sign that the request arrived.
func TestHalfAnAnswerOnKeptConnection(t *testing.T) {
	withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
		n := serve(t, func(n *node, c *peer) {
			for {
				body, more := c.read()
				if !more {
					return
				}
				if n.requests.Load() == 2 {
					c.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
					return
				}
				c.send(ok(body))
			}
		})
		e := newEndpoint(t, dialer, n.url)
		call(e, "first")
		if _, f := call(e, "second"); f != upstream.Cut || n.requests.Load() != 2 {
			t.Errorf("%v after %d requests, want %v after 2", f, n.requests.Load(), upstream.Cut)
		}
	})
}

// Only a kept connection may have been closed before the request came.
func TestSilentEndOfNewConnection(t *testing.T) {
	withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
		n := serve(t, func(_ *node, c *peer) { c.read() })
		e := newEndpoint(t, dialer, n.url)
		if _, f := call(e, "x"); f != upstream.Cut || n.requests.Load() != 1 {
			t.Errorf("%v after %d requests", f, n.requests.Load())
		}
	})
}
