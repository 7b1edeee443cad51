package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// Where and for what a key may be used.
func TestAllowlists(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.start()
	h.org("acme")
	token := h.key("acme",
		"--allow-origin", "https://*.example.com",
		"--allow-chain", "1337", // an alias
		"--allow-method", "eth_*",
		"--allow-contract", "0xdECAF00000000000000000000000000000000001",
	).Token
	w := h.wire(t)
	origin := "Origin: https://app.example.com\r\n"
	var answered, forbidden int64
	expect := func(name string, status int, path, body, message string, headers ...string) {
		t.Helper()
		a, err := w.exchange(post(path, body, headers...))
		must(t, err)
		m, code := a.message()
		if a.StatusCode != status || status == http.StatusForbidden && (code != -32011 || !strings.Contains(m.Error.Message, message)) {
			t.Errorf("%s: %s %s, want %d", name, a.Status, a.body, status)
		}
		if len(headers) > 0 && a.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: a page could not read this answer", name)
		}
		if status == http.StatusOK {
			answered++
		} else {
			forbidden++
		}
	}
	dev := "/v1/dev/" + token
	tokens := func(to string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"to":%q,"data":"0x18160ddd"},"latest"]}`, to)
	}
	const ours, other = "0xdecaf00000000000000000000000000000000001", "0xdecaf00000000000000000000000000000000002"
	expect("all is right", 200, dev, call(1, "eth_blockNumber"), "", origin)
	expect("no origin", 403, dev, call(1, "eth_blockNumber"), "origin")
	expect("another origin", 403, dev, call(1, "eth_blockNumber"), "origin", "Origin: https://example.com.evil.net\r\n")
	expect("method", 403, dev, call(1, "net_version"), "method", origin)
	expect("contract", 200, dev, tokens(ours), "", origin)
	expect("another contract", 403, dev, tokens(other), "contract", origin)
	expect("logs of all contracts", 403, dev, `{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{}]}`, "contract", origin)
	expect("logs of the contract", 200, dev, `{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{"address":"`+ours+`"}]}`, "", origin)

	h.edit("  dev:", chainOf("second", "http://"+h.devnet)+"\n  dev:")
	h.signal(syscall.SIGHUP)
	h.stderr.await(t, 0, `"key":"chains\.second`)
	expect("another chain", 403, "/v1/second/"+token, call(1, "eth_blockNumber"), "chain", origin)
	h.stop()
	groups, _ := h.usage("acme", "status")
	if groups["answered"].Calls != answered || groups["forbidden"] != (count{forbidden, 0}) {
		t.Errorf("%d answered and %d forbidden, usage is %v", answered, forbidden, groups)
	}
}

// An allowlist of addresses believes X-Forwarded-For from trusted proxies only,
// and of what they say only what they saw themselves.
func TestAllowedAddresses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.start()
	h.org("acme")
	outside := h.key("acme", "--allow-ip", "203.0.113.0/24", "--allow-ip", "2001:db8::/32").Token
	local := h.key("acme", "--allow-ip", "127.0.0.1").Token
	w := h.wire(t)
	expect := func(name, token string, status int, forwarded ...string) {
		t.Helper()
		for i := range forwarded {
			forwarded[i] = "X-Forwarded-For: " + forwarded[i] + "\r\n"
		}
		a, err := w.exchange(post("/v1/dev/"+token, call(1, "eth_blockNumber"), forwarded...))
		must(t, err)
		if a.StatusCode != status {
			t.Errorf("%s: %s %s, want %d", name, a.Status, a.body, status)
		}
	}
	expect("the peer", local, 200)
	expect("the peer, elsewhere", outside, 403)
	expect("a claim of nobody we trust", outside, 403, "203.0.113.7")
	expect("the peer, whatever it claims", local, 200, "198.51.100.1")

	h.edit("gateway:\n", "gateway:\n  trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]\n")
	h.signal(syscall.SIGHUP)
	h.stderr.await(t, 0, `"key":"gateway\.trusted_proxies`)
	expect("behind a proxy", outside, 200, "203.0.113.7")
	expect("IPv6", outside, 200, "2001:db8::7")
	expect("behind two proxies", outside, 200, "203.0.113.7, 10.1.2.3")
	expect("behind two proxies, on two lines", outside, 200, "198.51.100.1, 203.0.113.7", "10.1.2.3")
	expect("a claim before the proxy's word", outside, 403, "203.0.113.7, 198.51.100.1")
	expect("the same on two lines", outside, 403, "203.0.113.7", "198.51.100.1")
	expect("no address", outside, 403, "unknown")
	expect("a proxy itself", local, 200)
	h.stop()
}
