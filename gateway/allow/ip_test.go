package allow_test

import (
	"net/netip"
	"testing"

	"pokt.ai/gateway/allow"
)

func prefixes(t testing.TB, texts ...string) []netip.Prefix {
	t.Helper()
	var list []netip.Prefix
	for _, text := range texts {
		prefix, err := allow.ParsePrefix(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, prefix)
	}
	return list
}

func TestClientIP(t *testing.T) {
	trusted := prefixes(t, "10.0.0.0/8", "::1", "2001:db8:aaaa::/48", "fe80::/10")
	for _, test := range []struct {
		name, remote, xff, want string
	}{
		{"peer that is no proxy", "192.0.2.1", "198.51.100.1", "192.0.2.1"},
		{"one proxy", "10.0.0.1", "192.0.2.1", "192.0.2.1"},
		{"proxy on a mapped address", "::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"},
		{"proxy on a link-local address", "fe80::2%eth0", "192.0.2.1", "192.0.2.1"},
		{"two proxies", "10.0.0.1", "192.0.2.1, 10.0.0.2", "192.0.2.1"},
		{"IPv6 client", "::1", "2001:db8:bbbb::7", "2001:db8:bbbb::7"},
		{"mapped client", "10.0.0.1", "::ffff:192.0.2.1", "192.0.2.1"},
		{"mapped proxy in the header", "10.0.0.1", "192.0.2.1,::ffff:10.0.0.2", "192.0.2.1"},
		{"tabs and spaces", "10.0.0.1", "\t192.0.2.1 \t,  10.0.0.2 ", "192.0.2.1"},
		{"client that wrote an address itself", "10.0.0.1", "198.51.100.1, 192.0.2.1", "192.0.2.1"},
		{"client that wrote a proxy's address itself", "10.0.0.1", "10.0.0.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"},
		{"client that wrote garbage itself", "10.0.0.1", "', DROP TABLE, 192.0.2.1", "192.0.2.1"},

		{"no header", "10.0.0.1", "", "10.0.0.1"},
		{"proxies alone", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"},
		{"garbage", "10.0.0.1", "garbage", "10.0.0.1"},
		{"garbage behind a proxy", "10.0.0.1", "192.0.2.1, garbage, 10.0.0.2", "10.0.0.2"},
		{"empty hop", "10.0.0.1", "192.0.2.1,", "10.0.0.1"},
		{"unknown", "10.0.0.1", "unknown, 10.0.0.2", "10.0.0.2"},
		{"with a port", "10.0.0.1", "192.0.2.1:443", "10.0.0.1"},
		{"with a zone", "10.0.0.1", "fe80::7%eth0", "10.0.0.1"},
		{"commas", "10.0.0.1", ",,,,", "10.0.0.1"},
	} {
		got := allow.ClientIP(netip.MustParseAddr(test.remote), []byte(test.xff), trusted)
		if got.String() != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
	if got := allow.ClientIP(netip.MustParseAddr("10.0.0.1"), []byte("192.0.2.1"), nil); got.String() != "10.0.0.1" {
		t.Errorf("without trusted proxies: got %s", got)
	}
}

func TestParsePrefix(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.2.3":            "10.1.2.3/32",
		"10.0.0.0/8":          "10.0.0.0/8",
		"2001:db8::1":         "2001:db8::1/128",
		"2001:db8::/32":       "2001:db8::/32",
		"::ffff:10.1.2.3":     "10.1.2.3/32",
		"::ffff:10.1.0.0/112": "10.1.0.0/16",
		"0.0.0.0/0":           "0.0.0.0/0",
		"::ffff:0.0.0.0/96":   "0.0.0.0/0",
	} {
		if got, err := allow.ParsePrefix(text); err != nil || got.String() != want {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
}
