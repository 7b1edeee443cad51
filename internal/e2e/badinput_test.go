package e2e_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const jsonType = "Content-Type: application/json\r\n"

// A bad request, and what is documented to come of it.
type bad struct {
	name    string
	request []byte
	status  int
	code    int  // of the JSON-RPC error; 0: none
	counted bool // in usage, as invalid_request
}

func (h *house) badRequests(token string) []bad {
	path := "/v1/dev/" + token
	body := func(name, body string, status, code int) bad {
		return bad{name, post(path, body, jsonType), status, code, true}
	}
	raw := func(name, request string, status int) bad {
		return bad{name, []byte(strings.ReplaceAll(request, "\n", "\r\n")), status, -32600, false}
	}
	good := call(1, "eth_blockNumber")
	return []bad{
		body("empty", "", 400, -32700),
		body("truncated", good[:20], 400, -32700),
		body("trailing", good+"x", 400, -32700),
		body("deep", strings.Repeat("[", 100_000), 413, -32600),
		body("deep params", `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":`+strings.Repeat("[", 65)+strings.Repeat("]", 65)+`}`, 413, -32600),
		body("not UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":\"\xff\xfe\",\"method\":\"eth_blockNumber\"}", 400, -32700),
		body("UTF-16", "{\x00}\x00", 400, -32700),
		body("NUL", good+"\x00", 400, -32700),
		body("two methods", `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","method":"admin_peers"}`, 400, -32600),
		body("two ids", `{"jsonrpc":"2.0","id":1,"id":2,"method":"eth_blockNumber"}`, 400, -32600),
		body("method in capitals", `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","Method":"admin_peers"}`, 400, -32600),
		body("method a number", `{"jsonrpc":"2.0","id":1,"method":7}`, 400, -32600),
		body("method escaped", `{"jsonrpc":"2.0","id":1,"method":"eth_\u0062lockNumber"}`, 400, -32600),
		body("method without end", `{"jsonrpc":"2.0","id":1,"method":"`+strings.Repeat("m", 1000)+`"}`, 400, -32600),
		body("id an object", `{"jsonrpc":"2.0","id":{},"method":"eth_blockNumber"}`, 400, -32600),
		body("params a string", `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":"x"}`, 400, -32600),
		body("version 1", `{"jsonrpc":"1.0","id":1,"method":"eth_blockNumber"}`, 400, -32600),
		body("a text", `"eth_blockNumber"`, 400, -32600),
		body("null", `null`, 400, -32600),
		body("empty batch", `[]`, 400, -32600),
		body("batch of 1001", "["+strings.Repeat(good+",", 1000)+good+"]", 413, -32600),
		body("batch cut off", "["+good+","+good, 400, -32700),
		{"text", post(path, good, "Content-Type: text/plain\r\n"), 415, -32600, true},
		{"form", post(path, good, "Content-Type: application/x-www-form-urlencoded\r\n"), 415, -32600, true},
		{"multipart", post(path, good, "Content-Type: multipart/form-data; boundary=x\r\n"), 415, -32600, true},
		{"brotli", post(path, good, jsonType, "Content-Encoding: br\r\n"), 415, -32600, true},
		{"no gzip", post(path, good, jsonType, "Content-Encoding: gzip\r\n"), 400, -32700, true},
		{"half a gzip", post(path, zipped(good)[:30], jsonType, "Content-Encoding: gzip\r\n"), 400, -32700, true},
		{"gzip bomb", post(path, zipped(strings.Repeat(" ", 200<<20)), jsonType, "Content-Encoding: gzip\r\n"), 413, -32600, true},

		{"no such path", post("/", good), 404, -32014, false},
		{"no such chain", post("/v1/atlantis/"+token, good), 404, -32014, false},
		{"path beyond the key", post(path+"/x", good), 404, -32014, false},
		{"escaped path", post("/v1/%64ev/"+token, good), 404, -32014, false},
		{"path climbs", post("/v1/x/../dev/"+token, good), 404, -32014, false},
		{"no key", post("/v1/dev", good), 401, -32010, false},
		{"a key with a typing error", post("/v1/dev/"+token[:20]+"_"+token[21:], good), 401, -32010, false},
		{"a key that nobody has", post("/v1/dev/"+unknownToken(), good), 401, -32010, false},

		raw("no HTTP", "hello\n\n", 400),
		raw("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", 400),
		raw("no version", "POST "+path+"\n\n", 400),
		raw("a length below zero", "POST "+path+" HTTP/1.1\nHost: x\nContent-Length: -1\n\n", 400),
		raw("two lengths", "POST "+path+" HTTP/1.1\nHost: x\nContent-Length: 3\nContent-Length: 4\n\nabcd", 400),
		raw("chunks twice", "POST "+path+" HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nTransfer-Encoding: identity\n\n0\n\n", 400),
		raw("chunks of no size", "POST "+path+" HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\nzz\nabc\n0\n\n", 400),
		raw("a header of 20 kB", "POST "+path+" HTTP/1.1\nHost: x\nX: "+strings.Repeat("x", 20_000)+"\n\n", 431),
		raw("a path of 20 kB", "POST /"+strings.Repeat("x", 20_000)+" HTTP/1.1\nHost: x\n\n", 431),
		raw("2000 headers", "POST "+path+" HTTP/1.1\nHost: x\n"+strings.Repeat("X: yyyyyy\n", 2000)+"\n", 431),
		{"10 MB", post(path, strings.Repeat(" ", 10<<20), jsonType), 413, -32600, false},
		raw("10 MB in chunks", "POST "+path+" HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n"+
			strings.Repeat("100000\n"+strings.Repeat(" ", 1<<20)+"\n", 10)+"0\n\n", 413),
	}
}

// Each gets its documented answer, nothing of it is answered by a node, and the
// gateway is afterwards what it was before.
func TestBadInput(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.edit("gateway:\n", "gateway:\n  read_timeout: 300ms\n")
	h.start()
	h.org("acme")
	token := h.key("acme").Token
	requests := h.badRequests(token)
	var counted int64

	h.warmUp(token)
	goroutines := h.goroutines()
	for range 2 {
		for _, b := range requests {
			h.expectRefusal(b)
			if b.counted {
				counted++
			}
		}
		h.slowHeaders(token)
		h.cutOff(token)
	}
	eventually(t, fmt.Sprintf("no more than %d goroutines again", goroutines), func() bool { return h.goroutines() <= goroutines })
	if a := h.ask(h.wire(t), token, "eth_blockNumber"); a.StatusCode != http.StatusOK {
		t.Errorf("afterwards a good request is answered with %s", a.Status)
	}
	h.stop()
	want := map[string]count{"invalid_request": {counted, 0}, "answered": {1 + warm, 10 * (1 + warm)}}
	groups, _ := h.usage("acme", "status")
	for name := range groups {
		if groups[name] != want[name] {
			t.Errorf("usage has %v of %s, want %v", groups[name], name, want[name])
		}
	}
	if len(groups) != len(want) {
		t.Errorf("usage is %v, want %v", groups, want)
	}
}

// expectRefusal sends b on a connection of its own. The client writes all of it
// before it reads, as most do.
func (h *house) expectRefusal(b bad) {
	h.t.Helper()
	w, err := h.dial()
	must(h.t, err)
	defer w.Close()
	a, err := w.exchange(b.request)
	if err != nil {
		h.t.Errorf("%s: no answer: %v", b.name, err)
		return
	}
	m, code := a.message()
	if a.StatusCode != b.status || code != b.code || m.Result != nil {
		h.t.Errorf("%s: %d %.200s, want %d and code %d", b.name, a.StatusCode, a.body, b.status, b.code)
	}
	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(a.Header.Get("X-Request-Id")) {
		h.t.Errorf("%s: X-Request-Id is %q", b.name, a.Header.Get("X-Request-Id"))
	}
}

// slowHeaders sends requests byte by byte on many connections at once: each is
// closed when the time to read a request is over.
func (h *house) slowHeaders(token string) {
	var wg sync.WaitGroup
	for range 20 {
		w := h.wire(h.t)
		must(h.t, w.SetDeadline(time.Now().Add(patience/2)))
		wg.Go(func() {
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				answer, _ := io.ReadAll(w)
				if !bytes.HasPrefix(answer, []byte("HTTP/1.1 408 ")) {
					h.t.Errorf("a request without end is answered with %q", answer)
				}
			}()
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for _, b := range post("/v1/dev/"+token, call(1, "eth_blockNumber"), "X: "+strings.Repeat("x", 4000)+"\r\n") {
				select {
				case <-tick.C:
					_, _ = w.Write([]byte{b}) // fails when it is closed, which ends the other half
				case <-ended:
					w.Close()
					return
				}
			}
			h.t.Error("a request that took longer than read_timeout was read to its end")
		})
	}
	wg.Wait()
}

// cutOff leaves in the middle of requests.
func (h *house) cutOff(token string) {
	h.t.Helper()
	request := post("/v1/dev", call(1, "eth_blockNumber"), "Authorization: Bearer "+token[:40]+"\r\n")
	for n := range len(request) {
		w, err := h.dial()
		must(h.t, err)
		_, err = w.Write(request[:n])
		must(h.t, err)
		must(h.t, w.Conn.(*net.TCPConn).CloseWrite())
		answer, err := io.ReadAll(w)
		must(h.t, err)
		if bytes.Contains(answer, []byte(`"result"`)) {
			h.t.Errorf("%d bytes of a request are answered with %s", n, answer)
		}
		w.Close()
	}
}

// warm is more connections than the bad requests use at once.
const warm = 50

// warmUp makes the gateway keep as many goroutines for connections as it will
// need, so that one more is one that was left behind.
func (h *house) warmUp(token string) {
	h.t.Helper()
	wires := make([]*wire, warm)
	for i := range wires {
		wires[i] = h.wire(h.t)
		h.ask(wires[i], token, "eth_blockNumber")
	}
	for _, w := range wires {
		w.Close()
	}
}

func (h *house) goroutines() int {
	h.t.Helper()
	_, text := h.get("/debug/pprof/goroutine?debug=1")
	m := regexp.MustCompile(`goroutine profile: total (\d+)`).FindStringSubmatch(text)
	if m == nil {
		h.t.Fatalf("no number of goroutines in %.100q", text)
	}
	n, err := strconv.Atoi(m[1])
	must(h.t, err)
	return n
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text) // a buffer does not fail
	_ = w.Close()
	return b.String()
}

// unknownToken has the form and the checksum of a key, and is none.
func unknownToken() string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	token := []byte("pokt_live_000000000000000000000000000000")
	crc := make([]byte, 6)
	for n, i := crc32.ChecksumIEEE(token), 5; i >= 0; i, n = i-1, n/62 {
		crc[i] = digits[n%62]
	}
	return string(append(token, crc...))
}
