package gateway_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/gateway"
	"pokt.ai/internal/account"
)

const blockNumber = `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}`

// rpcError returns the code and the id of an error answer.
func rpcError(t *testing.T, body string) (code int, id string) {
	t.Helper()
	var m struct {
		ID    json.RawMessage
		Error struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil || m.Error.Message == "" {
		t.Fatalf("not a JSON-RPC error: %q (%v)", body, err)
	}
	return m.Error.Code, string(m.ID)
}

func TestAnswerHasTheIDOfTheCallerByteForByte(t *testing.T) {
	n := newNode(t, nil)
	e := newEdge(t, n.URL)
	key := e.key()
	for _, id := range []string{`1`, `1.0`, `9007199254740993`, `-0`, `"a"`, `"\u0061"`, `""`, `null`, `1e3`} {
		got := e.post(key, `{"method":"eth_blockNumber","id":`+id+`,"jsonrpc":"2.0"}`)
		want := `{"jsonrpc":"2.0","id":` + id + `,"result":"0x10"}`
		if got.status != 200 || got.body != want {
			t.Errorf("id %s: %d %s, want %s", id, got.status, got.body, want)
		}
	}
	if diff := cmp.Diff(map[string]int{`["eth_blockNumber","answered",10]`: 9}, e.events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestNodeSeesOnlyWhatWasPriced(t *testing.T) {
	n := newNode(t, nil)
	e := newEdge(t, n.URL)
	key := e.key()
	e.do(http.MethodPost, "/v1/ethereum", `{"jsonrpc":"2.0","id":7,"extra":{"a":1},"method":"eth_blockNumber"}`, map[string]string{
		"X-API-Key": key, "Cookie": "a=b", "X-Forwarded-For": "10.1.1.1", "Accept-Language": "de", "Origin": "https://app.example",
	})
	headers, bodies := n.seen()
	if diff := cmp.Diff([]string{`{"jsonrpc":"2.0","id":7,"method":"eth_blockNumber"}`}, bodies); diff != "" {
		t.Errorf("bodies sent to the node (-want +got):\n%s", diff)
	}
	for name, values := range headers[0] {
		switch name {
		case "Content-Type", "Content-Length":
		case "User-Agent":
			if values[0] != "poktai" {
				t.Errorf("the node was told who the client is: %s", values)
			}
		default:
			t.Errorf("the node was sent the header %s: %s", name, values)
		}
	}
}

func TestClientSeesNoHeaderOfTheNode(t *testing.T) {
	n := newNode(t, nil)
	e := newEdge(t, n.URL)
	got := e.post(e.key(), blockNumber)
	for name := range got.header {
		switch name {
		case "Content-Type", "Content-Length", "Date", "X-Request-Id":
		default:
			t.Errorf("the client was sent the header %s", name)
		}
	}
	if got.header.Get("Content-Type") != "application/json" || len(got.header.Get("X-Request-Id")) != 16 {
		t.Errorf("headers are %v", got.header)
	}
}

func TestKeyMayBeInPathOrHeaders(t *testing.T) {
	n := newNode(t, nil)
	e := newEdge(t, n.URL)
	key := e.key()
	for name, got := range map[string]answer{
		"path":           e.do("POST", "/v1/eth/"+key, blockNumber, nil),
		"path and slash": e.do("POST", "/v1/eth/"+key+"/", blockNumber, nil),
		"X-API-Key":      e.do("POST", "/v1/ethereum", blockNumber, map[string]string{"X-API-Key": key}),
		"bearer":         e.do("POST", "/v1/eth/", blockNumber, map[string]string{"Authorization": "bearer " + key}),
		"no type":        e.do("POST", "/v1/eth/"+key, blockNumber, map[string]string{"Content-Type": ""}),
		"with charset":   e.do("POST", "/v1/eth/"+key, blockNumber, map[string]string{"Content-Type": "application/json; charset=utf-8"}),
	} {
		if got.status != 200 || got.body != `{"jsonrpc":"2.0","id":1,"result":"0x10"}` {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

func TestRefusals(t *testing.T) {
	n := newNode(t, map[string]string{"eth_call": `"error":{"code":3,"message":"execution reverted","data":"0x08c379a0"}`})
	e := newEdge(t, n.URL, func(c *gateway.Config) { c.MaxBodyBytes, c.MaxBatch, c.MaxDepth = 4096, 3, 8 })
	key := e.key()
	only := func(f func(*account.Allow)) string { return e.key(func(g *account.Grant) { f(&g.Key.Allow) }) }
	unknown, _ := account.NewToken(account.Live)
	wrong := []byte(key)
	wrong[15] ^= 1
	call := func(method, params string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params)
	}
	revoked := e.key(func(g *account.Grant) { g.Key.RevokedAt = time.Now().Add(-time.Second) })
	expired := e.key(func(g *account.Grant) { g.Key.ExpiresAt = time.Now().Add(-time.Second) })

	want := map[string]int{}
	for _, test := range []struct {
		name   string
		got    answer
		status int
		code   int
		id     string
		event  string // "": none
	}{
		{"path", e.do("POST", "/", blockNumber, nil), 404, -32014, "1", ""},
		{"chain", e.do("POST", "/v1/dogecoin/"+key, blockNumber, nil), 404, -32014, "1", ""},
		{"escaped path", e.do("POST", "/v1/%65th/"+key, blockNumber, nil), 404, -32014, "1", ""},
		{"put", e.do("PUT", "/v1/eth/"+key, blockNumber, nil), 405, -32600, "1", ""},
		{"no key", e.do("POST", "/v1/eth", blockNumber, nil), 401, -32010, "1", ""},
		{"checksum", e.post(string(wrong), blockNumber), 401, -32010, "1", ""},
		{"unknown key", e.post(unknown, blockNumber), 401, -32010, "1", ""},
		{"revoked key", e.post(revoked, blockNumber), 401, -32010, "1", ""},
		{"expired key", e.post(expired, blockNumber), 401, -32010, "1", ""},
		{"content type", e.do("POST", "/v1/eth/"+key, blockNumber, map[string]string{"Content-Type": "text/plain"}), 415, -32600, "1", `["","invalid_request",0]`},
		{"encoding", e.do("POST", "/v1/eth/"+key, blockNumber, map[string]string{"Content-Encoding": "br"}), 415, -32600, "null", `["","invalid_request",0]`},
		{"not gzip", e.do("POST", "/v1/eth/"+key, blockNumber, map[string]string{"Content-Encoding": "gzip"}), 400, -32700, "null", `["","invalid_request",0]`},
		{"gzip bomb", e.do("POST", "/v1/eth/"+key, zip(strings.Repeat(" ", 1<<20)), map[string]string{"Content-Encoding": "gzip"}), 413, -32600, "null", `["","invalid_request",0]`},
		{"large body", e.post(key, strings.Repeat(" ", 5000)), 413, -32600, "null", ""},
		{"empty body", e.post(key, ""), 400, -32700, "null", `["","invalid_request",0]`},
		{"truncated", e.post(key, blockNumber[:40]), 400, -32700, "null", `["","invalid_request",0]`},
		{"not UTF-8", e.post(key, "{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"eth_chainId\"}"), 400, -32700, "null", `["","invalid_request",0]`},
		{"deep", e.post(key, call("eth_call", strings.Repeat("[", 9)+strings.Repeat("]", 9))), 413, -32600, "null", `["","invalid_request",0]`},
		{"two methods", e.post(key, `{"jsonrpc":"2.0","id":1,"method":"eth_chainId","METHOD":"eth_call"}`), 400, -32600, "1", `["","invalid_request",0]`},
		{"method is a number", e.post(key, `{"jsonrpc":"2.0","id":1,"method":5}`), 400, -32600, "1", `["","invalid_request",0]`},
		{"a number", e.post(key, `5`), 400, -32600, "null", `["","invalid_request",0]`},
		{"empty batch", e.post(key, `[]`), 400, -32600, "null", `["","invalid_request",0]`},
		{"long batch", e.post(key, "["+strings.Repeat(blockNumber+",", 3)+blockNumber+"]"), 413, -32600, "null", `["","invalid_request",0]`},
		{"denied method", e.post(key, call("admin_peers", "[]")), 200, -32601, "1", `["admin_peers","method_not_allowed",0]`},
		{"origin", e.post(only(func(a *account.Allow) { a.Origins = []string{"https://app.example"} }), blockNumber), 403, -32011, "1", `["","forbidden",0]`},
		{"address", e.post(only(func(a *account.Allow) { a.IPs = []string{"10.0.0.0/8"} }), blockNumber), 403, -32011, "1", `["","forbidden",0]`},
		{"other chain", e.post(only(func(a *account.Allow) { a.Chains = []string{"base"} }), blockNumber), 403, -32011, "1", `["","forbidden",0]`},
		{"method", e.post(only(func(a *account.Allow) { a.Methods = []string{"eth_call"} }), blockNumber), 403, -32011, "1", `["eth_blockNumber","forbidden",0]`},
		{"contract", e.post(only(func(a *account.Allow) { a.Contracts = []string{"0x6b175474e89094c44da98b954eedeac495271d0f"} }), call("eth_call", `[{"to":"0x0000000000000000000000000000000000000001"},"latest"]`)), 403, -32011, "1", `["eth_call","forbidden",0]`},
		{"node's error", e.post(key, call("eth_call", `[{}]`)), 200, 3, "1", `["eth_call","rpc_error",26]`},
		{"node fails", e.post(key, call("eth_gasPrice", `[]`)), 502, -32603, "1", `["eth_gasPrice","bad_upstream",0]`},
	} {
		code, id := rpcError(t, test.got.body)
		if test.got.status != test.status || code != test.code || id != test.id {
			t.Errorf("%s: status %d code %d id %s, want %d %d %s; %s", test.name, test.got.status, code, id, test.status, test.code, test.id, test.got.body)
		}
		if test.got.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", test.name)
		}
		if strings.Contains(test.got.body, key) || strings.Contains(test.got.body, unknown) {
			t.Errorf("%s: the answer holds a key: %s", test.name, test.got.body)
		}
		if test.event != "" {
			want[test.event]++
		}
	}
	if diff := cmp.Diff(want, e.events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func zip(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

func TestGzipBothWays(t *testing.T) {
	long := strings.Repeat("ab", 2000)
	n := newNode(t, map[string]string{"eth_getCode": `"result":"0x` + long + `"`})
	e := newEdge(t, n.URL)
	got := e.do("POST", "/v1/eth/"+e.key(), zip(`{"jsonrpc":"2.0","id":1,"method":"eth_getCode","params":[]}`),
		map[string]string{"Content-Encoding": "gzip", "Accept-Encoding": "gzip"})
	if got.header.Get("Content-Encoding") != "gzip" || got.header.Get("Vary") != "Accept-Encoding" {
		t.Fatalf("headers are %v", got.header)
	}
	r, err := gzip.NewReader(strings.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if want := `{"jsonrpc":"2.0","id":1,"result":"0x` + long + `"}`; err != nil || string(text) != want {
		t.Errorf("decompressed answer differs (%v): %.80s", err, text)
	}
}

func TestBatch(t *testing.T) {
	n := newNode(t, map[string]string{"eth_call": `"error":{"code":3,"message":"execution reverted"}`})
	e := newEdge(t, n.URL)
	key := e.key(func(g *account.Grant) { g.Key.Allow.Methods = []string{"eth_*", "admin_*"} })
	one := func(id, method string) string {
		if id == "" {
			return fmt.Sprintf(`{"jsonrpc":"2.0","method":%q}`, method)
		}
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q}`, id, method)
	}
	got := e.post(key, "["+strings.Join([]string{
		one("1", "eth_blockNumber"), one("1", "eth_chainId"), one(`"x"`, "eth_call"), one("", "eth_blockNumber"),
		`{"jsonrpc":"2.0","id":9,"method":5}`, "7", one("4", "admin_peers"), one("5", "net_version"), one("", "net_version"), one("null", "eth_chainId"),
	}, ",")+"]")
	var answers []struct {
		ID     json.RawMessage
		Result string
		Error  struct{ Code int }
	}
	if err := json.Unmarshal([]byte(got.body), &answers); err != nil || got.status != 200 {
		t.Fatalf("%d %s: %v", got.status, got.body, err)
	}
	var short []string
	for _, a := range answers {
		short = append(short, fmt.Sprintf("%s %s%d", a.ID, a.Result, a.Error.Code))
	}
	want := []string{"1 0x100", "1 0x10", `"x" 3`, "9 -32600", "null -32600", "4 -32601", "5 -32011", "null 0x10"}
	if diff := cmp.Diff(want, short); diff != "" {
		t.Errorf("answers in order (-want +got):\n%s", diff)
	}
	wantEvents := map[string]int{
		`["eth_blockNumber","answered",10]`: 2, `["eth_chainId","answered",0]`: 2, `["eth_call","rpc_error",26]`: 1, `["","invalid_request",0]`: 2,
		`["admin_peers","method_not_allowed",0]`: 1, `["net_version","forbidden",0]`: 2,
	}
	if diff := cmp.Diff(wantEvents, e.events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestNotificationsGetNoAnswer(t *testing.T) {
	n := newNode(t, nil)
	e := newEdge(t, n.URL)
	key := e.key()
	note := `{"jsonrpc":"2.0","method":"eth_blockNumber"}`
	for _, body := range []string{note, "[" + note + "," + note + "]"} {
		if got := e.post(key, body); got.status != 204 || got.body != "" {
			t.Errorf("%s: %d %q, want 204 and nothing", body, got.status, got.body)
		}
	}
	if diff := cmp.Diff(map[string]int{`["eth_blockNumber","answered",10]`: 3}, e.events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestRateLimit(t *testing.T) {
	n := newNode(t, nil)
	e := newEdge(t, n.URL)
	key := e.key(func(g *account.Grant) {
		g.Plan.Limits = account.Limits{CallsPerSecond: 1, CallsBurst: 3, CUPerSecond: 1, CUBurst: 100}
	})
	got := e.post(key, blockNumber)
	if p := got.header.Get("RateLimit-Policy"); p != `"calls";q=3;w=3, "cu";q=100;w=100` {
		t.Errorf("RateLimit-Policy is %q", p)
	}
	if r := got.header.Get("RateLimit"); r != `"calls";r=2;t=1, "cu";r=90;t=10` {
		t.Errorf("RateLimit is %q", r)
	}
	if got := e.post(key, "["+strings.Repeat(blockNumber+",", 3)+blockNumber+"]"); got.status != 400 {
		t.Errorf("a batch above the burst: %d %s, want 400, because waiting does not help", got.status, got.body)
	}
	if got := e.post(key, "["+blockNumber+","+blockNumber+"]"); got.status != 200 {
		t.Errorf("a batch of what is left: %d %s", got.status, got.body)
	}
	got = e.post(key, blockNumber)
	code, id := rpcError(t, got.body)
	if got.status != 429 || code != -32005 || id != "1" {
		t.Errorf("over the limit: %d %s", got.status, got.body)
	}
	if s, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || s < 1 {
		t.Errorf("Retry-After is %q, want whole seconds from 1", got.header.Get("Retry-After"))
	}
	if !strings.Contains(got.body, `"data":{"retry_after_ms":`) {
		t.Errorf("no retry_after_ms in %s", got.body)
	}
	got = e.post(key, "["+blockNumber+","+blockNumber+"]")
	if code, id := rpcError(t, got.body); got.status != 429 || code != -32005 || id != "null" {
		t.Errorf("a batch over the limit gets one answer: %d %s", got.status, got.body)
	}
	if events := e.events(); events[`["eth_blockNumber","rate_limited",0]`] != 4+1+2 || events[`["eth_blockNumber","answered",10]`] != 3 {
		t.Errorf("events are %v", events)
	}
}

func TestQuotaIsExact(t *testing.T) {
	n := newNode(t, nil)
	e := newEdge(t, n.URL)
	e.accounts.used = 35
	key := e.key(func(g *account.Grant) { g.Plan.MonthlyCU = 100 })
	if got := e.post(key, `{"jsonrpc":"2.0","id":1,"method":"eth_gasPrice"}`); got.status != 502 {
		t.Fatalf("a node that fails: %d %s", got.status, got.body)
	}
	var passed int
	for range 10 {
		got := e.post(key, blockNumber)
		if got.status == 200 {
			passed++
			continue
		}
		if code, _ := rpcError(t, got.body); got.status != 402 || code != -32012 || got.header.Get("Retry-After") != "" {
			t.Fatalf("over the quota: %d %s", got.status, got.body)
		}
	}
	if passed != 6 {
		t.Errorf("%d calls of 10 CU passed of a quota of 100 with 35 used, want 6: what fails is not charged", passed)
	}
	if got := e.post(key, `{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`); got.status != 200 {
		t.Errorf("a call that costs nothing: %d %s", got.status, got.body)
	}
}

func TestStoreDown(t *testing.T) {
	n := newNode(t, nil)
	e := newEdge(t, n.URL)
	known, other := e.key(), e.key()
	e.post(known, blockNumber)
	e.accounts.mu.Lock()
	e.accounts.down = true
	e.accounts.mu.Unlock()
	if got := e.post(known, blockNumber); got.status != 200 {
		t.Errorf("a known key: %d %s", got.status, got.body)
	}
	if got := e.post(other, blockNumber); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("an unknown key: %d %s, want 503 and Retry-After", got.status, got.body)
	}
}

func TestBrowsers(t *testing.T) {
	n := newNode(t, nil)
	e := newEdge(t, n.URL)
	pre := e.do("OPTIONS", "/v1/eth/no-key-needed", "", map[string]string{"Origin": "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"})
	if pre.status != 204 || pre.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(pre.header.Get("Access-Control-Allow-Headers"), "Content-Type") {
		t.Errorf("preflight: %d %v", pre.status, pre.header)
	}
	key := e.key(func(g *account.Grant) { g.Key.Allow.Origins = []string{"https://*.example"} })
	got := e.do("POST", "/v1/eth/"+key, blockNumber, map[string]string{"Origin": "https://app.example"})
	if got.status != 200 || got.header.Get("Access-Control-Expose-Headers") != "RateLimit, RateLimit-Policy, Retry-After, X-Request-Id" {
		t.Errorf("allowed origin: %d %v", got.status, got.header)
	}
	refused := e.do("POST", "/v1/eth/"+key, blockNumber, map[string]string{"Origin": "https://evil.test"})
	if refused.status != 403 || refused.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("other origin: %d %v, want 403 that the page can read", refused.status, refused.header)
	}
}

func TestAddressOpenedInABrowserSaysWhatItIs(t *testing.T) {
	n := newNode(t, nil)
	e := newEdge(t, n.URL)
	key := e.key()
	got := e.do("GET", "/v1/eth/"+key, "", nil)
	if got.status != 200 || !strings.Contains(got.body, "JSON-RPC endpoint of the chain ethereum") || strings.Contains(got.body, key) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := e.do("GET", "/v1/nowhere", "", nil); got.status != 404 {
		t.Errorf("unknown chain: %d", got.status)
	}
}

func TestReloadSwapsChains(t *testing.T) {
	first, second := newNode(t, nil), newNode(t, map[string]string{"eth_blockNumber": `"result":"0x20"`})
	e := newEdge(t, first.URL)
	key := e.key()
	e.post(key, blockNumber)
	cfg := gateway.DefaultConfig()
	cfg.MaxBatch = 1
	if err := e.server.Reload(cfg, e.table(second.URL)); err != nil {
		t.Fatal(err)
	}
	if got := e.post(key, blockNumber); !strings.Contains(got.body, "0x20") {
		t.Errorf("after the reload: %s, want the answer of the second node", got.body)
	}
	if got := e.post(key, "["+blockNumber+","+blockNumber+"]"); got.status != 413 {
		t.Errorf("a batch above the new limit: %d", got.status)
	}
}
