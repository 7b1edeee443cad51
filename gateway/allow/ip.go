package allow

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unsafe"
)

// IP reports whether the key may be used from addr. An IPv4 address mapped into
// IPv6 is that IPv4 address; a zone is ignored.
func (l *List) IP(addr netip.Addr) bool {
	return len(l.ips) == 0 || within(addr.Unmap().WithZone(""), l.ips)
}

func (l *List) addIP(entry string) error {
	prefix, err := ParsePrefix(entry)
	if err != nil {
		return err
	}
	l.ips = append(l.ips, prefix)
	return nil
}

// within is a plain walk: lists are short, and 20 prefixes take 70 ns
// (BenchmarkList).
func within(addr netip.Addr, prefixes []netip.Prefix) bool {
	for _, prefix := range prefixes {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// ParsePrefix reads an address or a CIDR prefix, as in allowlists and in lists
// of trusted proxies. IPv4 mapped into IPv6 is returned as IPv4.
func ParsePrefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, errors.New("not an IP address without zone, nor a prefix such as 10.0.0.0/8")
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, errors.New("not a prefix such as 10.0.0.0/8 or 2001:db8::/32")
	}
	if masked := prefix.Masked(); masked != prefix {
		return netip.Prefix{}, fmt.Errorf("has bits beyond its prefix: write %s, or the address alone", masked)
	}
	if addr := prefix.Addr(); addr.Is4In6() {
		// The 96 bits of ::ffff:0:0/96 are within the prefix, as it is masked.
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	return prefix, nil
}

// ClientIP returns the address of the client behind trusted proxies. remote is
// the peer of the connection and xff the value of X-Forwarded-For, to whose right
// end each proxy adds the peer it saw; several header lines are joined by commas.
//
// The header counts only if remote is trusted. It is walked from the right, and
// the first address that is not a trusted proxy is the client: what is left of it
// was written by nobody we trust. What is not a bare address ends the walk at the
// last proxy that was read.
func ClientIP(remote netip.Addr, xff []byte, trusted []netip.Prefix) netip.Addr {
	client := remote.Unmap()
	for within(client.WithZone(""), trusted) && len(xff) > 0 {
		hop := xff
		if i := bytes.LastIndexByte(xff, ','); i >= 0 {
			xff, hop = xff[:i], xff[i+1:]
		} else {
			xff = nil
		}
		addr, ok := parseHop(bytes.Trim(hop, " \t"))
		if !ok {
			break
		}
		client = addr
	}
	return client
}

func parseHop(hop []byte) (netip.Addr, bool) {
	if len(hop) == 0 || bytes.IndexByte(hop, '%') >= 0 {
		return netip.Addr{}, false
	}
	// ParseAddr keeps its argument only in a zone, refused above, and in an
	// error, dropped below: the string does not outlive this call. A copy would
	// be an allocation a request behind a proxy (BenchmarkList).
	addr, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(hop), len(hop)))
	return addr.Unmap(), err == nil
}
