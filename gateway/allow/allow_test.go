package allow_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/gateway/allow"
	"pokt.ai/internal/account"
)

func compile(t testing.TB, a account.Allow) *allow.List {
	t.Helper()
	l, err := allow.Compile(a)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestEmptyListAllowsEverything(t *testing.T) {
	l := compile(t, account.Allow{})
	if !l.Empty() || !l.Origin(nil) || !l.IP(netip.Addr{}) || !l.Chain("eth") || !l.Method([]byte("m")) ||
		!l.Contract([]byte("eth_call"), nil) {
		t.Error("a list without entries refuses something")
	}
	for name, a := range map[string]account.Allow{
		"origin":          {Origins: []string{"https://a.example"}},
		"origin wildcard": {Origins: []string{"https://*.a.example"}},
		"ip":              {IPs: []string{"10.0.0.1"}},
		"chain":           {Chains: []string{"eth"}},
		"method":          {Methods: []string{"eth_call"}},
		"method prefix":   {Methods: []string{"eth_*"}},
		"contract":        {Contracts: []string{"0x" + strings.Repeat("00", 20)}},
	} {
		if compile(t, a).Empty() {
			t.Errorf("a list of one %s says that it is empty", name)
		}
	}
}

func TestCompileNamesEveryFault(t *testing.T) {
	_, err := allow.Compile(account.Allow{
		Origins: []string{
			"https://good.example", "app.example", "https://", "https://*.", "https://*", "https://a.*.example",
			"https://app.example/", "https://user@app.example", "https://bücher.example", "https://app.example:0443",
			"https://app.example:70000", "https://app.example:", "*.example", "null", "https://*.[::1]", "ht!tp://a", "",
			"https://" + strings.Repeat("a", 400),
		},
		IPs: []string{
			"10.0.0.0/8", "10.0.0.1/8", "10.0.0", "10.0.0.0/33", "fe80::1%eth0", "::ffff:0:0/90", "localhost", "",
		},
		Chains:    []string{"eth", ""},
		Methods:   []string{"eth_*", "", "eth_*_x", "*_call", "**"},
		Contracts: []string{"0x" + strings.Repeat("Ab", 20), "0x12", strings.Repeat("ab", 21), "0x" + strings.Repeat("zz", 20), ""},
	})
	if err == nil {
		t.Fatal("compiled")
	}
	const (
		form  = `not of the form scheme://host or scheme://host:port`
		host  = `the host of an origin is ASCII (a name beyond it in punycode), has no path, and "*." only before it`
		port  = `the port of an origin is a number from 1 to 65535`
		ip    = `not an IP address without zone, nor a prefix such as 10.0.0.0/8`
		star  = `"*" is possible only at the end`
		addr  = `not an address: 0x and 40 hex digits`
		empty = `empty entry`
	)
	want := []string{
		`origins[1] "app.example": ` + form,
		`origins[2] "https://": ` + form,
		`origins[3] "https://*.": ` + form,
		`origins[4] "https://*": ` + host,
		`origins[5] "https://a.*.example": ` + host,
		`origins[6] "https://app.example/": ` + host,
		`origins[7] "https://user@app.example": ` + host,
		`origins[8] "https://bücher.example": ` + host,
		`origins[9] "https://app.example:0443": ` + port,
		`origins[10] "https://app.example:70000": ` + port,
		`origins[11] "https://app.example:": ` + port,
		`origins[12] "*.example": ` + form,
		`origins[13] "null": ` + form,
		`origins[14] "https://*.[::1]": an IPv6 address has no subdomains`,
		`origins[15] "ht!tp://a": the scheme of an origin has letters, digits, plus, minus and dot`,
		`origins[16] "": ` + form,
		`origins[17] "https://` + strings.Repeat("a", 400) + `": too long for an origin`,
		`ips[1] "10.0.0.1/8": has bits beyond its prefix: write 10.0.0.0/8, or the address alone`,
		`ips[2] "10.0.0": ` + ip,
		`ips[3] "10.0.0.0/33": not a prefix such as 10.0.0.0/8 or 2001:db8::/32`,
		`ips[4] "fe80::1%eth0": ` + ip,
		`ips[5] "::ffff:0:0/90": has bits beyond its prefix: write ::ffc0:0:0/90, or the address alone`,
		`ips[6] "localhost": ` + ip,
		`ips[7] "": ` + ip,
		`chains[1] "": ` + empty,
		`methods[1] "": ` + empty,
		`methods[2] "eth_*_x": ` + star,
		`methods[3] "*_call": ` + star,
		`methods[4] "**": ` + star,
		`contracts[1] "0x12": ` + addr,
		`contracts[2] "` + strings.Repeat("ab", 21) + `": ` + addr,
		`contracts[3] "0x` + strings.Repeat("zz", 20) + `": ` + addr,
		`contracts[4] "": ` + addr,
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOrigin(t *testing.T) {
	l := compile(t, account.Allow{Origins: []string{
		"https://app.example", "HTTPS://Shop.Example:443", "http://localhost:3000", "https://*.wild.example",
		"https://*.ported.example:8443", "http://[::1]:8080", "https://[2001:DB8::1]", "chrome-extension://abcdefghijklmnop",
	}})
	for origin, want := range map[string]bool{
		"https://app.example":                 true,
		"HTTPS://APP.EXAMPLE":                 true,
		"https://app.example:443":             true,
		"https://shop.example":                true,
		"http://localhost:3000":               true,
		"https://a.wild.example":              true,
		"https://a.b.WILD.example":            true,
		"https://a.wild.example:443":          true,
		"https://a.ported.example:8443":       true,
		"http://[::1]:8080":                   true,
		"https://[2001:db8::1]":               true,
		"chrome-extension://abcdefghijklmnop": true,

		"":                                                      false, // no header
		"null":                                                  false,
		"https://":                                              false,
		"http://app.example":                                    false,
		"https://app.example:8443":                              false,
		"http://app.example:443":                                false,
		"https://app.example.":                                  false,
		"https://app.example.evil.example":                      false,
		"https://evilapp.example":                               false,
		"https://app.example/":                                  false,
		"https://app.example ":                                  false,
		"https://app.example:":                                  false,
		"https://app.example:443:443":                           false,
		"http://localhost":                                      false,
		"http://localhost:30000":                                false,
		"https://wild.example":                                  false, // the apex is its own entry
		"https://.wild.example":                                 false,
		"https://evilwild.example":                              false,
		"https://a.wild.example.evil.com":                       false,
		"https://a.wild.example:8443":                           false,
		"http://a.wild.example":                                 false,
		"https://a.ported.example":                              false,
		"https://evil.com/.wild.example":                        false,
		"https://evil.com#.wild.example":                        false,
		"https://evil.com?.wild.example":                        false,
		"https://evil.com\\.wild.example":                       false,
		"https://u@a.wild.example":                              false,
		"https://evil.com\x00.wild.example":                     false,
		"https://a.wild.example,https://b":                      false,
		"https://app.example, https://app.example":              false,
		"http://[::1]":                                          false,
		"https://" + strings.Repeat("a.", 200) + "wild.example": false, // longer than a host name can be
	} {
		if got := l.Origin([]byte(origin)); got != want {
			t.Errorf("%q: allowed %v, want %v", origin, got, want)
		}
	}
}

func TestIP(t *testing.T) {
	l := compile(t, account.Allow{IPs: []string{
		"192.0.2.7", "10.0.0.0/8", "2001:db8::/32", "::ffff:198.51.100.0/120", "::ffff:203.0.113.9", "fe80::1",
	}})
	for addr, want := range map[string]bool{
		"192.0.2.7":          true,
		"::ffff:192.0.2.7":   true,
		"10.255.0.1":         true,
		"::ffff:10.0.0.1":    true,
		"2001:db8::1":        true,
		"2001:db8:ffff::":    true,
		"198.51.100.200":     true,
		"203.0.113.9":        true,
		"fe80::1%eth0":       true,
		"192.0.2.8":          false,
		"11.0.0.1":           false,
		"2001:db9::1":        false,
		"::192.0.2.7":        false, // not a mapped address
		"198.51.101.1":       false,
		"203.0.113.10":       false,
		"64:ff9b::192.0.2.7": false,
	} {
		if got := l.IP(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: allowed %v, want %v", addr, got, want)
		}
	}
	if l.IP(netip.Addr{}) {
		t.Error("no address is allowed")
	}
}

func TestChain(t *testing.T) {
	l := compile(t, account.Allow{Chains: []string{"eth", "base"}})
	for name, want := range map[string]bool{"eth": true, "base": true, "ETH": false, "": false, "eth2": false} {
		if got := l.Chain(name); got != want {
			t.Errorf("%q: allowed %v, want %v", name, got, want)
		}
	}
}

func TestMethod(t *testing.T) {
	l := compile(t, account.Allow{Methods: []string{"eth_call", "net_*"}})
	for method, want := range map[string]bool{
		"eth_call": true, "net_version": true, "net_": true,
		"eth_callMany": false, "ETH_CALL": false, "net": false, "eth_": false, "xnet_version": false, "": false,
	} {
		if got := l.Method([]byte(method)); got != want {
			t.Errorf("%q: allowed %v, want %v", method, got, want)
		}
	}
	if all := compile(t, account.Allow{Methods: []string{"*"}}); !all.Method([]byte("eth_call")) {
		t.Error(`"*" does not allow eth_call`)
	}
}
