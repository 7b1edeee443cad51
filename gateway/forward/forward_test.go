package forward_test

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/chain"
	"pokt.ai/gateway/forward"
	"pokt.ai/gateway/upstream"
)

const (
	result   = `{"jsonrpc":"2.0","id":1,"result":"a"}`
	rpcError = `{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"reverted"}}`
	anon     = `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse"}}`
	html     = `<html>oops</html>`
)

// Whatever one node does, a call that is safe is answered by another; one that may
// have taken effect is sent once; and one that is tied to a node stays with it.
func TestRetryOnlyIfSafe(t *testing.T) {
	const (
		byB     = `answered "b m", retried`
		bad     = "bad upstream"
		none    = "no upstream"
		fromA   = `answered "a"`
		errored = `error {"code":3,"message":"reverted"}`
	)
	for _, tc := range []struct {
		name                  string
		a                     behaviour
		safe, write, stateful string
	}{
		{"healthy", healthy("a"), `answered "a m"`, `answered "a m"`, `answered "a m"`},
		{"error", says(200, rpcError), errored, errored, errored},
		{"error of nobody", says(200, anon), `error {"code":-32700,"message":"parse"}`, `error {"code":-32700,"message":"parse"}`, `error {"code":-32700,"message":"parse"}`},
		{"error with 400", says(400, rpcError), errored, errored, errored},
		{"error with 404", says(404, rpcError), errored, errored, errored},
		{"error with 500", says(500, rpcError), errored, errored, errored},
		{"created", says(201, result), fromA, fromA, fromA},

		{"close", sends(""), byB, bad, bad},
		{"reset", resets, byB, bad, bad},
		{"cut", sends("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + result), byB, bad, bad},
		{"garbage", sends("\x00\x01\x02\r\n\r\n"), byB, bad, bad},
		{"switch of protocol", sends("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), byB, bad, bad},
		{"empty", says(200, ""), byB, bad, bad},
		{"no content", sends("HTTP/1.1 204 No Content\r\n\r\n"), byB, bad, bad},
		{"HTML", says(200, html), byB, bad, bad},
		{"truncated JSON", says(200, result[:len(result)-1]), byB, bad, bad},
		{"JSON and more", says(200, result+"x"), byB, bad, bad},
		{"neither result nor error", says(200, `{"jsonrpc":"2.0","id":1}`), byB, bad, bad},
		{"batch", says(200, "["+result+"]"), byB, bad, bad},
		{"other id", says(200, `{"jsonrpc":"2.0","id":2,"result":"of another"}`), byB, bad, bad},
		{"no id", says(200, `{"jsonrpc":"2.0","result":"of another"}`), byB, bad, bad},
		{"error with other id", says(200, `{"jsonrpc":"2.0","id":2,"error":{"code":3,"message":"of another"}}`), byB, bad, bad},
		{"500", says(500, html), byB, bad, bad},
		{"result with 500", says(500, result), byB, bad, bad},
		{"error with 502", says(502, rpcError), byB, bad, bad},
		{"error with 503", says(503, rpcError), byB, bad, bad},
		{"error with 504", says(504, rpcError), byB, bad, bad},
		{"522", says(522, html), byB, bad, bad},

		{"throttled", says(429, "slow down"), byB, byB, none},
		{"throttled with error", says(429, rpcError), byB, byB, none},
		{"unauthorized", says(401, rpcError), byB, byB, none},
		{"unpaid", says(402, ""), byB, byB, none},
		{"forbidden", says(403, rpcError), byB, byB, none},
		{"moved", says(301, ""), byB, byB, bad},
		{"bad request", says(400, html), byB, byB, bad},
		{"not found", says(404, html), byB, byB, bad},
		{"result with 404", says(404, result), byB, byB, bad},
		{"request too large", says(413, html), byB, byB, bad},

		{"too large", sends("HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"), "too large", "too large", "too large"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
				for safety, want := range map[chain.Safety]string{chain.Safe: tc.safe, chain.Write: tc.write, chain.Stateful: tc.stateful} {
					pool, a, b := newPool(t, dialer, tc.a)
					if got := do(pool, safety, patience); got != want {
						t.Errorf("safety %d: %s, want %s", safety, got, want)
					}
					atB := 0
					if strings.HasSuffix(want, "retried") {
						atB = 1
					}
					if len(a.seen()) != 1 || len(b.seen()) != atB {
						t.Errorf("safety %d: %d requests to a and %d to b, want 1 and %d", safety, len(a.seen()), len(b.seen()), atB)
					}
				}
			})
		})
	}
}

func TestNodeThatIsAway(t *testing.T) {
	withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		for safety, want := range map[chain.Safety]string{
			chain.Safe: `answered "b m", retried`, chain.Write: `answered "b m", retried`, chain.Stateful: "no upstream",
		} {
			pool, _, _ := newPool(t, dialer, healthy("a"))
			away := newEndpoint(t, dialer, "away", "http://"+ln.Addr().String(), 0)
			if got := do(upstream.NewPool([]*upstream.Endpoint{away, pool.Endpoints()[1]}), safety, patience); got != want {
				t.Errorf("safety %d: %s, want %s", safety, got, want)
			}
			if got := do(upstream.NewPool([]*upstream.Endpoint{away}), safety, patience); got != "no upstream" {
				t.Errorf("alone, safety %d: %s", safety, got)
			}
		}
	})
}

// A kept connection that ends without an answer is no failure of the node, but the
// request may have arrived all the same.
func TestKeptConnectionThatEnded(t *testing.T) {
	withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
		for safety, want := range map[chain.Safety]string{
			chain.Safe: `answered "a m"`, chain.Write: "bad upstream", chain.Stateful: "bad upstream",
		} {
			var calls atomic.Int32
			n := serve(t, func(c *net.TCPConn, body string) bool {
				return calls.Add(1) != 2 && healthy("a")(c, body)
			})
			pool := upstream.NewPool([]*upstream.Endpoint{newEndpoint(t, dialer, "a", n.url, 0)})
			if got := do(pool, safety, patience); got != `answered "a m"` {
				t.Errorf("safety %d, first: %s", safety, got)
			}
			if got := do(pool, safety, patience); got != want {
				t.Errorf("safety %d, second: %s, want %s", safety, got, want)
			}
			if got, want := len(n.seen()), map[bool]int{true: 3, false: 2}[safety == chain.Safe]; got != want {
				t.Errorf("safety %d: %d requests, want %d", safety, got, want)
			}
		}
	})
}

// A deadline is one for all attempts: who hangs is not followed by another.
func TestDeadlineIsOne(t *testing.T) {
	withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
		pool, a, b := newPool(t, dialer, hangs)
		if got := do(pool, chain.Safe, 100*time.Millisecond); got != "timed out" {
			t.Error(got)
		}
		var resp fasthttp.Response
		now := time.Now()
		r := forward.New(metrics.NewSet()).Call(now, now, pool, chain.Safe, []byte("1"), []byte(request), &resp)
		if r.Outcome != forward.TimedOut || r.Upstream != nil {
			t.Errorf("no time left: %s, asked %v", describe(&r), r.Upstream)
		}
		if len(a.seen()) != 1 || len(b.seen()) != 0 {
			t.Errorf("%d requests to a and %d to b, want 1 and 0", len(a.seen()), len(b.seen()))
		}
	})
}

func TestAttemptsAreTwo(t *testing.T) {
	loop := newLoop(t)
	var nodes []*node
	var endpoints []*upstream.Endpoint
	for range 3 {
		n := serve(t, says(500, html))
		nodes, endpoints = append(nodes, n), append(endpoints, newEndpoint(t, loop, "x", n.url, 0))
	}
	if got := do(upstream.NewPool(endpoints), chain.Safe, patience); got != "bad upstream, retried" {
		t.Error(got)
	}
	total := 0
	for i, n := range nodes {
		if len(n.seen()) > 1 {
			t.Errorf("node %d was asked twice", i)
		}
		total += len(n.seen())
	}
	if total != 2 {
		t.Errorf("%d requests, want 2", total)
	}
	if got := do(upstream.NewPool(endpoints[:1]), chain.Safe, patience); got != "bad upstream" {
		t.Errorf("alone: %s", got)
	}
	if got := do(upstream.NewPool(nil), chain.Safe, patience); got != "no upstream" {
		t.Errorf("empty pool: %s", got)
	}
}

// The answers to other calls never become the answer to this one, even if all have
// the same id, as those of most clients do.
func TestAnswersDoNotShift(t *testing.T) {
	withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
		n := serve(t, func(c *net.TCPConn, body string) bool {
			m := requests(body)[0].Method
			answer := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"result":"%s"}`, m)
			raw := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
			if m == "m1" {
				raw += raw
			}
			c.Write([]byte(raw))
			return true
		})
		pool := upstream.NewPool([]*upstream.Endpoint{newEndpoint(t, dialer, "a", n.url, 0)})
		f := forward.New(metrics.NewSet())
		for i := range 4 {
			var resp fasthttp.Response
			now := time.Now()
			body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"m%d"}`, i)
			r := f.Call(now, now.Add(patience), pool, chain.Safe, []byte("1"), []byte(body), &resp)
			if got, want := describe(&r), fmt.Sprintf(`answered "m%d"`, i); got != want {
				t.Errorf("call %d: %s, want %s", i, got, want)
			}
		}
	})
}

func TestIDInOtherBytes(t *testing.T) {
	for _, tc := range []struct {
		sent, got string
		same      bool
	}{
		{`1`, `1`, true},
		{`1`, `1.0`, true},
		{`1e3`, `1000`, true},
		{`9007199254740993`, `9007199254740992`, true}, // as a node in JavaScript reads it
		{`"\u0061"`, `"a"`, true},
		{`null`, `null`, true},
		{`1`, `"1"`, false},
		{`"1"`, `1`, false},
		{`1`, `2`, false},
		{`1`, `null`, false},
		{`null`, `1`, false},
		{`"a"`, `"A"`, false},
		{`1`, `[1]`, false},
		{`1`, `{}`, false},
		{`1`, `1e999`, false},
	} {
		n := serve(t, says(200, `{"jsonrpc":"2.0","result":"x","id":`+tc.got+`}`))
		pool := upstream.NewPool([]*upstream.Endpoint{newEndpoint(t, newLoop(t), "a", n.url, 0)})
		var resp fasthttp.Response
		now := time.Now()
		r := forward.New(metrics.NewSet()).Call(now, now.Add(patience), pool, chain.Safe, []byte(tc.sent), []byte("{}"), &resp)
		want := map[bool]string{true: `answered "x"`, false: "bad upstream"}[tc.same]
		if got := describe(&r); got != want {
			t.Errorf("id %s sent, %s back: %s, want %s", tc.sent, tc.got, got, want)
		}
	}
}

func TestNotification(t *testing.T) {
	for _, tc := range []struct {
		a    behaviour
		want string
	}{
		{says(200, ""), "answered "},
		{says(202, "ok"), "answered "},
		{sends("HTTP/1.1 204 No Content\r\n\r\n"), "answered "},
		{says(200, result), "answered "},
		{says(400, anon), `error {"code":-32700,"message":"parse"}`},
		{says(500, ""), "bad upstream"},
		{says(404, ""), "bad upstream"},
		{says(429, ""), "no upstream"},
		{sends(""), "bad upstream"},
	} {
		n := serve(t, tc.a)
		pool := upstream.NewPool([]*upstream.Endpoint{newEndpoint(t, newLoop(t), "a", n.url, 0)})
		var resp fasthttp.Response
		now := time.Now()
		r := forward.New(metrics.NewSet()).Call(now, now.Add(patience), pool, chain.Write, nil, []byte("{}"), &resp)
		if got := describe(&r); got != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
}
