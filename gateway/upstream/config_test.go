package upstream_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/gateway/upstream"
	"pokt.ai/internal/secret"
)

func TestValidate(t *testing.T) {
	good := upstream.Config{Name: "a", URL: secret.New("https://node.example/v3/key?x=y")}
	for name, tc := range map[string]struct {
		adjust func(*upstream.Config)
		want   string
	}{
		"good":      {func(*upstream.Config) {}, ""},
		"address":   {func(c *upstream.Config) { c.URL = secret.New("http://[::1]:8545") }, ""},
		"no port":   {func(c *upstream.Config) { c.URL = secret.New("http://node.example:") }, ""},
		"headers":   {func(c *upstream.Config) { c.Headers = headers("X-Token", "a b\tc", "authorization", "") }, ""},
		"no name":   {func(c *upstream.Config) { c.Name = "" }, "name: is missing"},
		"bad name":  {func(c *upstream.Config) { c.Name = `a"} 1` }, `name: "a\"} 1" is not a name: use letters, digits, and . _ - within`},
		"long name": {func(c *upstream.Config) { c.Name = strings.Repeat("a", 65) }, `name: "` + strings.Repeat("a", 65) + `" is not a name: use letters, digits, and . _ - within`},
		"negative": {
			func(c *upstream.Config) { c.MaxBatch, c.MaxConns = -1, -1 },
			"max_batch: must not be negative; max_conns: must not be negative",
		},
		"no url":     {func(c *upstream.Config) { c.URL = secret.Text{} }, "url: is missing"},
		"scheme":     {func(c *upstream.Config) { c.URL = secret.New("ws://node.example") }, "url: must start with http:// or https://"},
		"bare host":  {func(c *upstream.Config) { c.URL = secret.New("node.example") }, "url: must start with http:// or https://"},
		"no host":    {func(c *upstream.Config) { c.URL = secret.New("http:///path") }, "url: has no host"},
		"opaque":     {func(c *upstream.Config) { c.URL = secret.New("http:node.example") }, "url: has no host"},
		"port":       {func(c *upstream.Config) { c.URL = secret.New("http://node.example:65536") }, "url: has a port that is not in 1 to 65535"},
		"port 0":     {func(c *upstream.Config) { c.URL = secret.New("http://node.example:0") }, "url: has a port that is not in 1 to 65535"},
		"escape":     {func(c *upstream.Config) { c.URL = secret.New("http://node.example/%zz") }, "url: is not a URL"},
		"password":   {func(c *upstream.Config) { c.URL = secret.New("http://u:p@node.example") }, "url: must not hold a user and password: send them as a header"},
		"fragment":   {func(c *upstream.Config) { c.URL = secret.New("http://node.example/a#b") }, "url: must not have a fragment: escape # as %23"},
		"line break": {func(c *upstream.Config) { c.URL = secret.New("http://node.example/\r\nX: y") }, "url: has a space or another character that must be escaped"},
		"request line": {
			func(c *upstream.Config) { c.URL = secret.New("http://node.example/?a HTTP/1.1") },
			"url: has a space or another character that must be escaped",
		},
		"header line break": {
			func(c *upstream.Config) { c.Headers = headers("X", "a\r\nY: b", "Y", "a\n", "Z", "\x00") },
			"headers.X: has a value with a control character, such as the end of a line; " +
				"headers.Y: has a value with a control character, such as the end of a line; " +
				"headers.Z: has a value with a control character, such as the end of a line",
		},
		"header name": {
			func(c *upstream.Config) { c.Headers = headers("", "x", "a b", "x", "a:", "x", "a\r\nb", "x") },
			"headers.: is not the name of a header; headers.a\r\nb: is not the name of a header; " +
				"headers.a b: is not the name of a header; headers.a:: is not the name of a header",
		},
		"framing": {
			func(c *upstream.Config) {
				c.Headers = headers("Content-Length", "0", "Transfer-encoding", "chunked", "HOST", "x", "Accept-Encoding", "gzip")
			},
			"headers.Accept-Encoding: is written by the gateway itself; headers.Content-Length: is written by the gateway itself; " +
				"headers.HOST: is written by the gateway itself; headers.Transfer-encoding: is written by the gateway itself",
		},
		"twice": {func(c *upstream.Config) { c.Headers = headers("X-Token", "a", "x-token", "b") }, "headers.x-token: is given twice"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			tc.adjust(&cfg)
			var got []string
			cfg.Validate(func(key, message string) { got = append(got, key+": "+message) })
			if diff := cmp.Diff(tc.want, strings.Join(got, "; ")); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			// Nothing gets past New, whoever forgets to validate.
			e, err := upstream.New(t.Context(), cfg, deps())
			if (err == nil) != (tc.want == "") {
				t.Errorf("New: %v", err)
			}
			if err == nil {
				e.Close()
			}
		})
	}
}

func headers(pairs ...string) map[string]secret.Text {
	m := make(map[string]secret.Text)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = secret.New(pairs[i+1])
	}
	return m
}
