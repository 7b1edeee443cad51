package config_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/internal/config"
	"pokt.ai/internal/secret"
)

func TestDiffNamesWhatChanged(t *testing.T) {
	before := root{
		Gateway: gateway{
			Listen:         ":80",
			ReadTimeout:    time.Second,
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		},
		Store: store{Database: Database{DSN: secret.New("postgres://old")}},
		Chains: map[string]chain{
			"base": {ID: 8453, Upstreams: []upstream{
				{Name: "a", URL: secret.New("https://a.example")},
				{Name: "b", URL: secret.New("https://b.example")},
			}},
			"gone": {ID: 5},
		},
		NotAKey: "x",
	}
	after := root{
		Gateway: gateway{
			Listen:         ":80",
			ReadTimeout:    2 * time.Second,
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
			TLS:            &tls{CertFile: "cert.pem"},
		},
		Store: store{Database: Database{DSN: secret.New("postgres://new")}},
		Chains: map[string]chain{
			"base": {ID: 8453, Aliases: []string{}, Upstreams: []upstream{
				{Name: "a", URL: secret.New("https://a.example"), Headers: map[string]secret.Text{"X-Key": secret.New("abc")}},
			}},
		},
		NotAKey: "y",
	}
	want := []config.Change{
		{Key: "chains.base.upstreams[0].headers.X-Key", New: "[redacted]"},
		{Key: "chains.base.upstreams[1].max_batch", Old: "0"},
		{Key: "chains.base.upstreams[1].name", Old: "b"},
		{Key: "chains.base.upstreams[1].url", Old: "[redacted]"},
		{Key: "chains.gone.id", Old: "5"},
		{Key: "gateway.read_timeout", Old: "1s", New: "2s"},
		{Key: "gateway.tls.cert_file", New: "cert.pem"},
		{Key: "gateway.tls.key_file"},
		{Key: "gateway.trusted_proxies", Old: "[10.0.0.0/8]", New: "[10.0.0.0/8 fd00::/8]"},
		{Key: "store.dsn", Old: "[redacted]", New: "[redacted]"},
	}
	if diff := cmp.Diff(want, config.Diff(before, after)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, config.Diff(&before, &after)); diff != "" {
		t.Errorf("of pointers: %s", diff)
	}
	if same := config.Diff(after, after); len(same) > 0 {
		t.Errorf("a configuration differs from itself: %v", same)
	}
}
