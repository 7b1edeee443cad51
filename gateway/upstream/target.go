package upstream

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// target is a URL taken apart for dialling and for the request line.
type target struct {
	tls     bool
	address string // host:port
	host    string // Host header
	name    string // name or address on the certificate
	uri     string // path and query
}

// parseTarget never repeats the URL in its error: it may hold a secret.
func parseTarget(raw string) (target, error) {
	if raw == "" {
		return target{}, errors.New("is missing")
	}
	if !printable(raw) {
		return target{}, errors.New("has a space or another character that must be escaped")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, errors.New("is not a URL")
	}
	t := target{name: u.Hostname(), host: strings.TrimSuffix(u.Host, ":"), uri: u.RequestURI()}
	port := u.Port()
	switch u.Scheme {
	case "http":
		if port == "" {
			port = "80"
		}
	case "https":
		t.tls = true
		if port == "" {
			port = "443"
		}
	default:
		return target{}, errors.New("must start with http:// or https://")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return target{}, errors.New("has a port that is not in 1 to 65535")
	}
	switch {
	case t.name == "":
		return target{}, errors.New("has no host")
	case u.User != nil:
		return target{}, errors.New("must not hold a user and password: send them as a header")
	case u.Fragment != "":
		return target{}, errors.New("must not have a fragment: escape # as %23")
	}
	t.address = net.JoinHostPort(t.name, port)
	return t, nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// requestHead is what every request to t begins with, up to the value of
// Content-Length.
func requestHead(t target, cfg *Config) []byte {
	h := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n", t.uri, t.host)
	named := false
	for _, name := range slices.Sorted(maps.Keys(cfg.Headers)) {
		h = fmt.Appendf(h, "%s: %s\r\n", name, cfg.Headers[name].Reveal())
		named = named || strings.EqualFold(name, "User-Agent")
	}
	if !named {
		// Firewalls of providers refuse requests of nobody.
		h = append(h, "User-Agent: poktai\r\n"...)
	}
	return append(h, "Content-Length: "...)
}

// Headers that decide how a message is framed or encoded are not for a
// configuration to set.
var reserved = []string{
	"accept-encoding", "connection", "content-encoding", "content-length", "content-type",
	"expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
}

// headerFault returns what is wrong with a header, whose name is in lower case.
func headerFault(name, value string) string {
	if name == "" || !printable(name) || strings.ContainsAny(name, "()<>@,;:\\\"/[]?={}") {
		return "is not the name of a header"
	}
	if slices.Contains(reserved, name) {
		return "is written by the gateway itself"
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return "has a value with a control character, such as the end of a line"
		}
	}
	return ""
}
