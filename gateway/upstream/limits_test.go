package upstream_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/upstream"
)

func TestMaxConns(t *testing.T) {
	withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
		arrived, release := make(chan struct{}), make(chan struct{})
		n := serve(t, func(_ *node, c *peer) {
			for {
				body, more := c.read()
				if !more {
					return
				}
				if body == "slow" {
					arrived <- struct{}{}
					<-release
				}
				c.send(ok(body))
			}
		})
		e := newEndpoint(t, dialer, n.url, func(c *upstream.Config, _ *upstream.Deps) { c.MaxConns = 1 })
		var calls sync.WaitGroup
		calls.Go(func() {
			if _, f := call(e, "slow"); f != upstream.None {
				t.Error(f)
			}
		})
		<-arrived
		if _, f := call(e, "x"); f != upstream.Busy {
			t.Errorf("beyond max_conns: %v, want %v", f, upstream.Busy)
		}
		close(release)
		calls.Wait()
		if _, f := call(e, "x"); f != upstream.None {
			t.Errorf("afterwards: %v", f)
		}
		if got := n.accepted.Load(); got != 1 {
			t.Errorf("%d connections, want 1", got)
		}
	})
}

// With room for one connection, whatever leaks one makes the next call fail.
func TestFailuresLeaveNoConnectionBehind(t *testing.T) {
	for name, raw := range map[string]string{
		"closed":         "",
		"cut":            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"garbage":        "SSH-2.0-OpenSSH_9.2\r\n",
		"too large":      "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n",
		"bytes after it": ok("ok") + "!",
		"close":          "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
				n := serve(t, func(n *node, c *peer) {
					for {
						body, more := c.read()
						if !more {
							return
						}
						if n.requests.Load()%2 == 0 {
							c.send(raw)
							return
						}
						c.send(ok(body))
					}
				})
				e := newEndpoint(t, dialer, n.url, func(c *upstream.Config, _ *upstream.Deps) { c.MaxConns = 1 })
				for i := range 6 {
					_, f := callUntil(e, time.Now().Add(patience), "x", false)
					if i%2 == 0 && f != upstream.None {
						t.Fatalf("call %d: %v", i, f)
					}
				}
			})
		})
	}
	t.Run("refused", func(t *testing.T) {
		withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
			e := newEndpoint(t, dialer, "http://"+unused(t), func(c *upstream.Config, _ *upstream.Deps) { c.MaxConns = 1 })
			for range 3 {
				if _, f := call(e, "x"); f != upstream.NotSent {
					t.Fatalf("%v, want %v", f, upstream.NotSent)
				}
			}
		})
	})
}

// unused returns an address at which nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	return ln.Addr().String()
}

func TestPanicLeavesNothingBehind(t *testing.T) {
	n := serve(t, echo)
	e := newEndpoint(t, newLoop(t), n.url, func(c *upstream.Config, _ *upstream.Deps) { c.MaxConns = 1 })
	for range 3 {
		func() {
			defer func() { recover() }()
			var resp fasthttp.Response
			e.Call(time.Now(), time.Now().Add(patience), []byte("x"), true, &resp, func(*fasthttp.Response) upstream.Failure { panic("judge") })
			t.Error("no panic")
		}()
		n.ended(t)
	}
	other, _, _ := newPool(t, 1)
	report(t, other.Endpoints()[0], time.Now(), upstream.BadStatus)
	if pool := upstream.NewPool([]*upstream.Endpoint{other.Endpoints()[0], e}); pool.Pick(time.Now(), nil) != e {
		t.Error("the endpoint looks busy")
	}
	if _, f := call(e, "x"); f != upstream.None {
		t.Error(f)
	}
}

func TestCloseEndsConnections(t *testing.T) {
	withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
		arrived, release := make(chan struct{}), make(chan struct{})
		n := serve(t, func(_ *node, c *peer) {
			for {
				body, more := c.read()
				if !more {
					return
				}
				if body == "slow" {
					arrived <- struct{}{}
					<-release
				}
				c.send(ok(body))
			}
		})
		e := newEndpoint(t, dialer, n.url)
		var calls sync.WaitGroup
		calls.Go(func() {
			if _, f := call(e, "slow"); f != upstream.None {
				t.Errorf("the call under way: %v", f)
			}
		})
		<-arrived
		call(e, "idle")
		e.Close()
		e.Close()
		close(release)
		calls.Wait()
		if _, f := call(e, "late"); f != upstream.None {
			t.Errorf("a call after Close: %v", f)
		}
		n.ended(t)
	})
}

func TestOldConnectionIsNotUsed(t *testing.T) {
	n := serve(t, echo)
	e := newEndpoint(t, newLoop(t), n.url)
	now := time.Now()
	for i, after := range []time.Duration{0, 50 * time.Second, 56 * time.Second} {
		var resp fasthttp.Response
		if _, f := e.Call(now.Add(after), now.Add(patience), []byte("x"), true, &resp, fits); f != upstream.None {
			t.Fatal(f)
		}
		if want := int32(1 + i/2); n.accepted.Load() != want {
			t.Errorf("%d connections %s later, want %d", n.accepted.Load(), after, want)
		}
	}
}

// pipes dials connections in memory, whose node answers all it is asked, and
// tells when one was closed.
type pipes struct{ closed chan struct{} }

func (p pipes) Dial(context.Context, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		buf := make([]byte, 4096)
		for {
			if _, err := theirs.Read(buf); err != nil {
				p.closed <- struct{}{}
				return
			}
			theirs.Write([]byte(ok("ok")))
		}
	}()
	return ours, nil
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dialer := pipes{make(chan struct{}, 1)}
		e := newEndpoint(t, dialer, "http://node.example")
		if _, f := call(e, "x"); f != upstream.None {
			t.Fatal(f)
		}
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if len(dialer.closed) != 0 {
			t.Error("closed before its time")
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if len(dialer.closed) != 1 {
			t.Error("not closed after 70s")
		}
		e.Close()
	})
}

// Many calls at once on connections that end in every way: under the race
// detector, and with every connection closed at the end.
func TestManyCallsAtOnce(t *testing.T) {
	withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
		n := serve(t, func(n *node, c *peer) {
			for {
				body, more := c.read()
				if !more {
					return
				}
				switch n.requests.Load() % 16 {
				case 0:
					return
				case 1:
					c.reset()
					return
				case 2:
					c.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")
					return
				case 3:
					c.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx")
					return
				}
				c.send(ok(body))
			}
		})
		e := newEndpoint(t, dialer, n.url, func(c *upstream.Config, _ *upstream.Deps) { c.MaxConns = 64 })
		pool := upstream.NewPool([]*upstream.Endpoint{e})
		var calls sync.WaitGroup
		for range 16 {
			calls.Go(func() {
				for range 100 {
					switch got, f := call(pool.Pick(time.Now(), nil), "x"); f {
					case upstream.None:
						if got != "x" {
							t.Errorf("answer %q", got)
						}
					case upstream.Cut:
					default:
						t.Errorf("%v", f)
					}
				}
			})
		}
		calls.Wait()
		e.Close()
		n.ended(t)
	})
}
