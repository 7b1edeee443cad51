// Package upstream knows the nodes of a chain: how to reach each over kept-alive
// connections, how each is doing, and which one to ask next.
//
// It sends bytes and returns an HTTP response. What an answer means, and whether
// a failed call may be tried again, is the job of gateway/forward.
package upstream

import (
	"fmt"
	"net/url"
	"strings"

	"pokt.ai/internal/secret"
)

// Config is one endpoint of a chain.
type Config struct {
	// Name of the endpoint in logs, metrics and usage; unique in its chain.
	Name string `yaml:"name"`
	// URL, http or https. Write credentials as ${NAME}: they are taken from the
	// environment and printed nowhere.
	URL secret.Text `yaml:"url"`
	// Headers sent with every request, such as Authorization.
	Headers map[string]secret.Text `yaml:"headers"`
	// MaxBatch is the most calls sent in one JSON-RPC batch; larger batches are
	// split. Default (0) 100; 1 sends every call of a batch on its own.
	MaxBatch int `yaml:"max_batch"`
	// MaxConns is the most connections open at once; a call that would need
	// another goes to a different endpoint or is refused. Default (0) 1024.
	MaxConns int `yaml:"max_conns"`
}

const (
	defaultMaxBatch = 100
	defaultMaxConns = 1024
)

// Validate reports what is wrong with c.
func (c *Config) Validate(report func(key, message string)) {
	if c.Name == "" {
		report("name", "is missing")
	}
	if c.MaxBatch < 0 {
		report("max_batch", "must not be negative")
	}
	if c.MaxConns < 0 {
		report("max_conns", "must not be negative")
	}
	if _, err := parseTarget(c.URL.Reveal()); err != nil {
		report("url", err.Error())
	}
	for name, value := range c.Headers {
		if !validHeader(name, value.Reveal()) {
			report("headers."+name, "is not a valid header")
		}
	}
}

// target is a URL taken apart for dialling and for the request line.
type target struct {
	tls     bool
	address string // host:port
	host    string // Host header, and server name without its port
	name    string
	uri     string // path and query
}

// parseTarget never repeats the URL in its error: it may hold a secret.
func parseTarget(raw string) (target, error) {
	if raw == "" {
		return target{}, fmt.Errorf("is missing")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, fmt.Errorf("is not a URL")
	}
	t := target{host: u.Host, name: u.Hostname(), uri: u.RequestURI()}
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
		return target{}, fmt.Errorf("must start with http:// or https://")
	}
	if t.name == "" {
		return target{}, fmt.Errorf("has no host")
	}
	if u.User != nil {
		return target{}, fmt.Errorf("must not hold a user and password: send them as a header")
	}
	t.address = joinHostPort(t.name, port)
	return t, nil
}

func joinHostPort(host, port string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]:" + port
	}
	return host + ":" + port
}

// reserved headers are written by the endpoint itself.
var reserved = []string{"host", "content-length", "content-type", "connection", "transfer-encoding"}

func validHeader(name, value string) bool {
	if name == "" || strings.ContainsAny(value, "\r\n\x00") {
		return false
	}
	for _, r := range reserved {
		if strings.EqualFold(name, r) {
			return false
		}
	}
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("()<>@,;:\\\"/[]?={}", c) >= 0 {
			return false
		}
	}
	return true
}
