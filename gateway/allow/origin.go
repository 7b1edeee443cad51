package allow

import (
	"bytes"
	"errors"
	"strings"
)

// A wildcard allows the origins that have something between its two parts.
type wildcard struct {
	scheme string // "https://"
	suffix string // ".example.com" or ".example.com:8443"
}

// maxOrigin is the longest Origin header compared: a host name has at most 253
// bytes, the rest is scheme and port.
const maxOrigin = 320

// Origin reports whether the key may be used by a page of that origin, the value
// of the Origin header.
//
// With a list, a request without the header is refused, as is "null": only
// browsers send the header, and a key that servers may use as well as pages is
// restricted by IPs. The header is no secret: it keeps other pages from using
// the key of this one, not other programs.
func (l *List) Origin(origin []byte) bool {
	if len(l.origins) == 0 && len(l.wildcards) == 0 {
		return true
	}
	if len(origin) > maxOrigin {
		return false
	}
	var buf [maxOrigin]byte
	norm, err := appendOrigin(buf[:0], origin)
	if err != nil {
		return false
	}
	if _, ok := l.origins[string(norm)]; ok {
		return true
	}
	for _, w := range l.wildcards {
		if len(norm) > len(w.scheme)+len(w.suffix) &&
			string(norm[:len(w.scheme)]) == w.scheme &&
			string(norm[len(norm)-len(w.suffix):]) == w.suffix {
			return true
		}
	}
	return false
}

func (l *List) addOrigin(entry string) error {
	scheme, rest, _ := strings.Cut(entry, "://")
	apex, wild := strings.CutPrefix(rest, "*.")
	if wild {
		entry = scheme + "://" + apex
	}
	norm, err := appendOrigin(nil, []byte(entry))
	switch {
	case err != nil:
		return err
	case len(norm) > maxOrigin:
		return errors.New("too long for an origin")
	case !wild:
		add(&l.origins, string(norm))
	case apex[0] == '[':
		return errors.New("an IPv6 address has no subdomains")
	default:
		scheme, host, _ := strings.Cut(string(norm), "://")
		l.wildcards = append(l.wildcards, wildcard{scheme: scheme + "://", suffix: "." + host})
	}
	return nil
}

var (
	errOriginForm   = errors.New(`not of the form scheme://host or scheme://host:port`)
	errOriginScheme = errors.New("the scheme of an origin has letters, digits, plus, minus and dot")
	errOriginHost   = errors.New(`the host of an origin is ASCII (a name beyond it in punycode), has no path, and "*." only before it`)
	errOriginPort   = errors.New("the port of an origin is a number from 1 to 65535")
)

// appendOrigin appends origin (RFC 6454, section 6.2) in the form in which two
// equal origins have equal bytes: in lower case, without the scheme's default
// port.
func appendOrigin(dst, origin []byte) ([]byte, error) {
	scheme, rest, ok := bytes.Cut(origin, []byte("://"))
	if !ok || len(scheme) == 0 {
		return nil, errOriginForm
	}
	host, port := rest, []byte(nil)
	// The colons of an IPv6 address are between brackets.
	if i := bytes.LastIndexByte(rest, ':'); i > bytes.LastIndexByte(rest, ']') {
		host, port = rest[:i], rest[i+1:]
		if !isPort(port) {
			return nil, errOriginPort
		}
	}
	if len(host) == 0 {
		return nil, errOriginForm
	}
	for _, c := range scheme {
		if !isAlnum(c) && c != '+' && c != '-' && c != '.' {
			return nil, errOriginScheme
		}
		dst = append(dst, lower(c))
	}
	scheme = dst[len(dst)-len(scheme):]
	defaultPort := string(scheme) == "https" && string(port) == "443" || string(scheme) == "http" && string(port) == "80"
	dst = append(dst, "://"...)
	v6 := host[0] == '[' && host[len(host)-1] == ']'
	for i, c := range host {
		if !isAlnum(c) && c != '-' && c != '.' && c != '_' {
			// Of an IPv6 address, the brackets and colons.
			if bracket := i == 0 || i == len(host)-1; !v6 || c != ':' && !bracket {
				return nil, errOriginHost
			}
		}
		dst = append(dst, lower(c))
	}
	if port != nil && !defaultPort {
		dst = append(dst, ':')
		dst = append(dst, port...)
	}
	return dst, nil
}

func isPort(port []byte) bool {
	if len(port) == 0 || len(port) > 5 || port[0] == '0' {
		return false
	}
	n := 0
	for _, c := range port {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
