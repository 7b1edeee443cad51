package upstream_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/upstream"
)

func TestAnswersOfEveryForm(t *testing.T) {
	const body = `{"jsonrpc":"2.0","id":1,"result":"0x10"}`
	gz := func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write([]byte(s))
		w.Close()
		return b.String()
	}
	var zl bytes.Buffer
	w := zlib.NewWriter(&zl)
	w.Write([]byte(body))
	w.Close()
	encoded := func(encoding, data string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", encoding, len(data), data)
	}
	const tooLong = 1<<20 + 1
	for _, tc := range []struct {
		name, raw string
		failure   upstream.Failure
	}{
		{"length", ok(body), upstream.None},
		{"status 500", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 40\r\n\r\n" + body, upstream.None},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + body[:5] + "\r\n23;x=y\r\n" + body[5:] + "\r\n0\r\n\r\n", upstream.None},
		{"chunks and trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n28\r\n" + body + "\r\n0\r\nX: y\r\n\r\n", upstream.None},
		{"until close", "HTTP/1.1 200 OK\r\n\r\n" + body, upstream.None},
		{"interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok(body), upstream.None},
		{"headers of 6 KB", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 6<<10) + "\r\nContent-Length: 40\r\n\r\n" + body, upstream.None},
		{"gzip", encoded("gzip", gz(body)), upstream.None},
		{"deflate", encoded("deflate", zl.String()), upstream.None},
		{"identity", encoded("identity", body), upstream.None},

		{"nothing", "", upstream.Cut},
		{"cut header", "HTTP/1.1 200 OK\r\nContent-Le", upstream.Cut},
		{"cut body", "HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n" + body, upstream.Cut},
		{"cut chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n29\r\n" + body, upstream.Cut},
		{"cut before the last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n" + body + "\r\n", upstream.Cut},
		{"cut chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n28", upstream.BadAnswer},
		{"interim only", "HTTP/1.1 100 Continue\r\n\r\n", upstream.Cut},
		{"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", upstream.BadAnswer},
		{"bare JSON", body + "\r\n\r\n", upstream.BadAnswer},
		{"HTTP/2", "\x00\x00\x12\x04\x00\x00\x00\x00\x00\r\n\r\n", upstream.BadAnswer},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 40\r\nContent-Length: 2\r\n\r\n" + body, upstream.BadAnswer},
		{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + body, upstream.BadAnswer},
		{"headers of 64 KB", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", upstream.BadAnswer},
		{"endless interim", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1000) + ok(body), upstream.BadAnswer},
		{"unknown encoding", encoded("x-tar", body), upstream.BadAnswer},
		{"encoding that is not", encoded("gzip", body), upstream.BadAnswer},

		{"length too large", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", tooLong), upstream.TooLarge},
		{"chunk too large", fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", tooLong), upstream.TooLarge},
		{"chunk beyond all numbers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffff\r\n", upstream.TooLarge},
		{"chunks too large", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("10000\r\n"+strings.Repeat("x", 1<<16)+"\r\n", 17), upstream.TooLarge},
		{"until close too large", "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", tooLong), upstream.TooLarge},
		{"gzip bomb", encoded("gzip", gz(strings.Repeat(" ", tooLong))), upstream.TooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
				n := serve(t, func(_ *node, c *peer) {
					if _, more := c.read(); more {
						c.send(tc.raw)
						c.CloseWrite()
						c.ended()
					}
				})
				e := newEndpoint(t, dialer, n.url)
				got, f := call(e, "x")
				if f != tc.failure {
					t.Fatalf("%v, want %v", f, tc.failure)
				}
				if f == upstream.None && got != body {
					t.Errorf("answer is %q", got)
				}
			})
		})
	}
}

func TestDeadline(t *testing.T) {
	large := strings.Repeat("x", 32<<20)
	for name, tc := range map[string]struct {
		request string
		handle  func(*peer)
	}{
		"no answer":            {"x", func(c *peer) { c.read() }},
		"half a header":        {"x", func(c *peer) { c.read(); c.send("HTTP/1.1 200 OK\r\nCont") }},
		"half a body":          {"x", func(c *peer) { c.read(); c.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") }},
		"half a chunk":         {"x", func(c *peer) { c.read(); c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf") }},
		"half a chunk size":    {"x", func(c *peer) { c.read(); c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9") }},
		"request is not read":  {large, func(*peer) {}},
		"endless interim ones": {"x", func(c *peer) { c.read(); c.send("HTTP/1.1 100 Continue\r\n\r\n") }},
	} {
		t.Run(name, func(t *testing.T) {
			withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
				over := make(chan struct{})
				n := serve(t, func(_ *node, c *peer) {
					tc.handle(c)
					<-over
				})
				e := newEndpoint(t, dialer, n.url)
				if _, f := callUntil(e, time.Now().Add(100*time.Millisecond), tc.request, true); f != upstream.TimedOut {
					t.Errorf("%v, want %v", f, upstream.TimedOut)
				}
				close(over)
				n.ended(t)
			})
		})
	}
}

// What judge sees is the answer to this call, and nothing is left of the one
// before it.
func TestJudgeSeesTheResponse(t *testing.T) {
	n := serve(t, func(_ *node, c *peer) {
		c.read()
		c.send("HTTP/1.1 418 Teapot\r\nX-A: b\r\nContent-Length: 3\r\n\r\ntea")
		echo(nil, c)
	})
	e := newEndpoint(t, newLoop(t), n.url)
	var resp fasthttp.Response
	for _, want := range []string{"418 tea b", "200 x "} {
		_, f := e.Call(time.Now(), time.Now().Add(patience), []byte("x"), true, &resp, func(r *fasthttp.Response) upstream.Failure {
			if got := fmt.Sprintf("%d %s %s", r.StatusCode(), r.Body(), r.Header.Peek("X-A")); got != want {
				t.Errorf("judge sees %q, want %q", got, want)
			}
			return upstream.Refused
		})
		if f != upstream.Refused {
			t.Errorf("%v, want what judge said", f)
		}
	}
}
