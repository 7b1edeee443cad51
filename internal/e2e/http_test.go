package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"testing"
)

// HTTP as it may be: what is unusual and yet right.
func TestHTTP(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.start()
	h.org("acme")
	token := h.key("acme").Token
	body := call(7, "eth_blockNumber")
	var calls int64
	expect := func(name, request, method string, status int, pattern string) answer {
		t.Helper()
		w := h.wire(t)
		_, err := w.Write([]byte(request))
		must(t, err)
		a, err := w.receive(method)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return a
		}
		if a.StatusCode != status || !regexp.MustCompile(pattern).Match(a.body) {
			t.Errorf("%s: %s %q, want %d and %s", name, a.Status, a.body, status, pattern)
		}
		if a.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no X-Request-Id", name)
		}
		return a
	}
	answered := func(name, request string) answer {
		t.Helper()
		calls++
		return expect(name, request, http.MethodPost, 200, `^{"jsonrpc":"2.0","id":7,"result":"0x[0-9a-f]+"}$`)
	}
	path := "/v1/dev/" + token
	answered("no content type", string(post(path, body)))
	answered("application/json-rpc", string(post(path, body, "Content-Type: application/json-rpc\r\n")))
	answered("application/jsonrequest", string(post(path, body, "content-type: Application/JSONRequest\r\n")))
	answered("charset", string(post(path, body, "Content-Type: application/json; charset=utf-8\r\n")))
	answered("gzip", string(post(path, zipped(body), "Content-Encoding: gzip\r\n")))
	answered("X-API-Key", string(post("/v1/dev", body, "X-API-Key: "+token+"\r\n")))
	answered("Bearer", string(post("/v1/dev/", body, "authorization: bearer "+token+"\r\n")))
	answered("alias", string(post("/v1/1337/"+token+"/", body)))
	chunks := fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", body[:5], len(body)-5, body[5:])
	answered("chunks", "POST "+path+" HTTP/1.1\r\nHost: x\r\n"+chunks)
	// The chunks count, and nothing may follow that a proxy could have read
	// otherwise (RFC 9112, section 6.1).
	if a := answered("length and chunks", "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"+chunks); !a.Close {
		t.Error("length and chunks: the connection stays open")
	}
	if a := answered("HTTP/1.0", fmt.Sprintf("POST %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)); !a.Close {
		t.Error("HTTP/1.0: the connection stays open")
	}

	page := expect("GET", "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n", http.MethodGet, 200, `JSON-RPC endpoint of the chain dev`)
	if bytes.Contains(page.body, []byte(token)) {
		t.Error("GET: the page repeats the key")
	}
	expect("HEAD", "HEAD "+path+" HTTP/1.1\r\nHost: x\r\n\r\n", http.MethodHead, 200, `^$`)
	expect("GET of no chain", "GET /v1/atlantis HTTP/1.1\r\nHost: x\r\n\r\n", http.MethodGet, 404, `"code":-32014`)
	for _, method := range []string{"PUT", "DELETE", "PATCH", "FROB"} {
		if a := expect(method, method+" "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", method, 405, `"code":-32600`); a.Header.Get("Allow") != "POST, GET, OPTIONS" {
			t.Errorf("%s: Allow is %q", method, a.Header.Get("Allow"))
		}
	}
	preflight := expect("OPTIONS", "OPTIONS "+path+" HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n\r\n",
		http.MethodOptions, 204, `^$`)
	for header, want := range map[string]string{
		"Access-Control-Allow-Origin":  "*",
		"Access-Control-Allow-Methods": "POST, GET, OPTIONS",
		"Access-Control-Allow-Headers": "Content-Type, Content-Encoding, Authorization, X-API-Key",
	} {
		if got := preflight.Header.Get(header); got != want {
			t.Errorf("OPTIONS: %s is %q, want %q", header, got, want)
		}
	}
	h.stop()
	if groups, total := h.usage("acme", "status"); total != (count{calls, 10 * calls}) {
		t.Errorf("usage is %v, want %d answered calls and no other", groups, calls)
	}
}

// Requests that come in one piece are answered in their order, also around one
// that is refused.
func TestPipelining(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.start()
	h.org("acme")
	token := h.key("acme").Token
	var all []byte
	want := []string{"1", "2", "null", `"four"`, "5"}
	for i, id := range want {
		request := post("/v1/dev/"+token, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"eth_blockNumber"}`, id))
		if i == 2 {
			request = post("/v1/dev/"+token, `{"jsonrpc":`)
		}
		all = append(all, request...)
	}
	w := h.wire(t)
	_, err := w.Write(all)
	must(t, err)
	for i, id := range want {
		a, err := w.receive(http.MethodPost)
		must(t, err)
		m, code := a.message()
		if string(m.ID) != id || (code == -32700) != (i == 2) {
			t.Errorf("answer %d: %s %s, want id %s", i+1, a.Status, a.body, id)
		}
	}
	h.stop()
	groups, _ := h.usage("acme", "status")
	if groups["answered"] != (count{4, 40}) || groups["invalid_request"] != (count{1, 0}) {
		t.Errorf("usage is %v", groups)
	}
}

// Each item of a batch is answered in its place, with its own bytes as the id.
func TestBatch(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.start()
	h.org("acme")
	token := h.key("acme").Token
	w := h.wire(t)
	a, err := w.exchange(post("/v1/dev/"+token, `[
		{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},
		{"jsonrpc":"2.0","id":1,"method":"net_version"},
		{"jsonrpc":"2.0","method":"eth_blockNumber"},
		{"jsonrpc":"2.0","id":"\u0061","method":"eth_getCode","params":["0x0000000000000000000000000000000000000001","latest"]},
		{"jsonrpc":"2.0","id":1.50,"method":"admin_peers"},
		7,
		{"jsonrpc":"2.0","id":null,"method":"eth_noSuchMethod"}
	]`))
	must(t, err)
	var items []message
	if err := json.Unmarshal(a.body, &items); err != nil || len(items) != 6 {
		t.Fatalf("%s %s", a.Status, a.body)
	}
	for i, want := range []struct {
		id, result string
		code       int
	}{
		{`1`, `"0x539"`, 0},
		{`1`, `"1337"`, 0},
		{`"\u0061"`, `"0x"`, 0},
		{`1.50`, ``, -32601},
		{`null`, ``, -32600},
		{`null`, ``, -32601},
	} {
		m, code := items[i], 0
		if m.Error != nil {
			code = m.Error.Code
		}
		if string(m.ID) != want.id || string(m.Result) != want.result || code != want.code {
			t.Errorf("item %d: id %s, result %s, code %d, want %v", i, m.ID, m.Result, code, want)
		}
	}
	// Nothing but notifications.
	a, err = w.exchange(post("/v1/dev/"+token, `[{"jsonrpc":"2.0","method":"eth_chainId"},{"jsonrpc":"2.0","method":"eth_chainId"}]`))
	must(t, err)
	if a.StatusCode != http.StatusNoContent || len(a.body) > 0 {
		t.Errorf("notifications are answered with %s %q", a.Status, a.body)
	}
	h.stop()
	groups, total := h.usage("acme", "method")
	want := map[string]count{
		"eth_chainId": {3, 0}, "net_version": {1, 0}, "eth_blockNumber": {1, 10}, "eth_getCode": {1, 20},
		"admin_peers": {1, 0}, "": {1, 0}, "eth_noSuchMethod": {1, 20},
	}
	for name := range groups {
		if groups[name] != want[name] {
			t.Errorf("usage of %q is %v, want %v", name, groups[name], want[name])
		}
	}
	if total.Calls != 9 {
		t.Errorf("usage has %d calls, want 9", total.Calls)
	}
}
