package forward_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/chain"
	"pokt.ai/gateway/forward"
	"pokt.ai/gateway/upstream"
	"pokt.ai/internal/secret"
	"pokt.ai/internal/tcp"
)

// patience bounds what a test waits for; only a fault takes this long.
const patience = 20 * time.Second

// withDialers runs a test with the connections of the relay path, and with those
// of package net.
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

// A node is a server that does with each request what a test says.
type node struct {
	url string

	mu     sync.Mutex
	bodies []string
}

// A behaviour answers one request with raw bytes, and reports whether the
// connection goes on.
type behaviour func(c *net.TCPConn, body string) (more bool)

func serve(t testing.TB, behave behaviour) *node {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	n := &node{url: "http://" + ln.Addr().String()}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go n.serve(c.(*net.TCPConn), behave)
		}
	}()
	return n
}

func (n *node) serve(c *net.TCPConn, behave behaviour) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		n.mu.Lock()
		n.bodies = append(n.bodies, string(body))
		n.mu.Unlock()
		if !behave(c, string(body)) {
			return
		}
	}
}

// seen returns the bodies of all requests.
func (n *node) seen() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.bodies...)
}

// message is a request or an answer.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
}

// requests reads a body of one message or a batch of them.
func requests(body string) (list []message) {
	if strings.HasPrefix(body, "[") {
		json.Unmarshal([]byte(body), &list)
		return list
	}
	var m message
	json.Unmarshal([]byte(body), &m)
	return []message{m}
}

// healthy answers as a node should, with its name and the method as the result.
func healthy(name string) behaviour {
	return func(c *net.TCPConn, body string) bool {
		var answers []string
		for _, m := range requests(body) {
			if m.ID != nil {
				answers = append(answers, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":"%s %s"}`, m.ID, name, m.Method))
			}
		}
		answer := strings.Join(answers, ",")
		if strings.HasPrefix(body, "[") && len(answers) > 0 {
			answer = "[" + answer + "]"
		}
		return says(200, answer)(c, body)
	}
}

// says answers with that status and body.
func says(status int, body string) behaviour {
	return func(c *net.TCPConn, _ string) bool {
		fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n\r\n%s", status, http.StatusText(status), len(body), body)
		return true
	}
}

// sends writes raw bytes and closes the connection.
func sends(raw string) behaviour {
	return func(c *net.TCPConn, _ string) bool { io.WriteString(c, raw); return false }
}

func resets(c *net.TCPConn, _ string) bool { c.SetLinger(0); return false }

// hangs never answers.
func hangs(c *net.TCPConn, _ string) bool { io.Copy(io.Discard, c); return false }

func newEndpoint(t testing.TB, dialer upstream.Dialer, name, url string, maxBatch int) *upstream.Endpoint {
	t.Helper()
	e, err := upstream.New(t.Context(), upstream.Config{Name: name, URL: secret.New(url), MaxBatch: maxBatch}, upstream.Deps{
		Dialer: dialer, Chain: "dev", Label: func(string) uint16 { return 1 }, MaxResponseBytes: 1 << 20, Metrics: metrics.NewSet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// newPool returns a pool whose first node behaves so, and whose second, b, is
// healthy but has a call in flight, so that the first is asked first.
func newPool(t testing.TB, dialer upstream.Dialer, a behaviour) (pool *upstream.Pool, nodeA, nodeB *node) {
	t.Helper()
	arrived, done := make(chan struct{}), make(chan struct{})
	nodeA = serve(t, a)
	nodeB = serve(t, func(c *net.TCPConn, body string) bool {
		if body == "hold" {
			close(arrived)
			<-done
		}
		return healthy("b")(c, body)
	})
	pool = upstream.NewPool([]*upstream.Endpoint{
		newEndpoint(t, dialer, "a", nodeA.url, 0), newEndpoint(t, dialer, "b", nodeB.url, 0),
	})
	var held sync.WaitGroup
	held.Go(func() {
		var resp fasthttp.Response
		now := time.Now()
		pool.Endpoints()[1].Call(now, now.Add(patience), []byte("hold"), false, &resp, func(*fasthttp.Response) upstream.Failure { return upstream.None })
	})
	<-arrived
	nodeB.mu.Lock()
	nodeB.bodies = nil
	nodeB.mu.Unlock()
	t.Cleanup(func() { close(done); held.Wait() })
	return pool, nodeA, nodeB
}

var outcomes = map[forward.Outcome]string{
	forward.Answered: "answered", forward.RPCError: "error", forward.NoUpstream: "no upstream",
	forward.TimedOut: "timed out", forward.TooLarge: "too large", forward.BadUpstream: "bad upstream",
}

// describe returns the outcome, the answer, and whether it was the second try.
func describe(r *forward.Result) string {
	text := outcomes[r.Outcome]
	if r.Outcome == forward.Answered || r.Outcome == forward.RPCError {
		text += fmt.Sprintf(" %s%s", r.Answer.Result, r.Answer.Error)
	} else if r.Answer.Result != nil || r.Answer.Error != nil {
		text += " and yet an answer"
	}
	if r.Retried {
		text += ", retried"
	}
	return text
}

const request = `{"jsonrpc":"2.0","id":1,"method":"m"}`

// do makes one call with the id 1.
func do(pool *upstream.Pool, safety chain.Safety, deadline time.Duration) string {
	var resp fasthttp.Response
	now := time.Now()
	r := forward.New(metrics.NewSet()).Call(now, now.Add(deadline), pool, safety, []byte("1"), []byte(request), &resp)
	return describe(&r)
}
