package allow_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"pokt.ai/gateway/allow"
	"pokt.ai/internal/account"
)

// checks are one request to each kind of list, the last entry of twenty.
func checks(tb testing.TB) map[string]func() bool {
	var a account.Allow
	for i := range 20 {
		a.Origins = append(a.Origins, fmt.Sprintf("https://app%d.example", i), fmt.Sprintf("https://*.wild%d.example", i))
		a.IPs = append(a.IPs, fmt.Sprintf("10.%d.0.0/16", i))
		a.Chains = append(a.Chains, fmt.Sprintf("chain%d", i))
		a.Methods = append(a.Methods, fmt.Sprintf("eth_method%d", i), fmt.Sprintf("space%d_*", i))
		a.Contracts = append(a.Contracts, fmt.Sprintf("0x%040x", i))
	}
	l := compile(tb, a)
	var (
		exact    = []byte("https://app19.example")
		wild     = []byte("https://a.wild19.example")
		addr     = netip.MustParseAddr("10.19.1.1")
		method   = []byte("eth_method19")
		prefixed = []byte("space19_method")
		ethCall  = []byte("eth_call")
		call     = fmt.Appendf(nil, `[{"to":"0x%040x","data":"0x70a08231000000000000000000000000"},"latest"]`, 19)
		getLogs  = []byte("eth_getLogs")
		logs     = fmt.Appendf(nil, `[{"address":["0x%040x","0x%040x"],"fromBlock":"0x1"}]`, 18, 19)
		free     = []byte("eth_getBalance")
		trusted  = prefixes(tb, "10.0.0.0/8", "2001:db8::/32")
		header   = []byte("203.0.113.9, 192.0.2.1, 10.2.0.1")
		header6  = []byte("2001:db9::1, 2001:db8::1")
	)
	return map[string]func() bool{
		"origin":          func() bool { return l.Origin(exact) },
		"origin_wildcard": func() bool { return l.Origin(wild) },
		"ip":              func() bool { return l.IP(addr) },
		"chain":           func() bool { return l.Chain("chain19") },
		"method":          func() bool { return l.Method(method) },
		"method_prefix":   func() bool { return l.Method(prefixed) },
		"contract_call":   func() bool { return l.Contract(ethCall, call) },
		"contract_logs":   func() bool { return l.Contract(getLogs, logs) },
		"contract_none":   func() bool { return l.Contract(free, call) },
		"client_ip":       func() bool { return allow.ClientIP(addr, header, trusted).Is4() },
		"client_ip_v6":    func() bool { return allow.ClientIP(addr, header6, trusted).Is6() },
	}
}

func TestChecksAllocateNothing(t *testing.T) {
	for name, check := range checks(t) {
		if !check() {
			t.Errorf("%s: refused", name)
		}
		if n := testing.AllocsPerRun(100, func() { check() }); n != 0 && !raceEnabled {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkList(b *testing.B) {
	list := checks(b)
	for _, name := range slices.Sorted(maps.Keys(list)) {
		check := list[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				check()
			}
		})
	}
}
