package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/internal/secret"
)

func TestTheEnvironmentOverridesTheFile(t *testing.T) {
	dsn := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(dsn, []byte("postgres://db\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := decode(`
gateway: {listen: ":80", max_depth: 3}
chains:
  my-chain:
    aliases: [old]
    upstreams:
      - {url: https://a.example, headers: {X-Key: abc}}
`,
		"POKTAI_GATEWAY_LISTEN=:81",
		"POKTAI_GATEWAY_READ_TIMEOUT=1s",
		"POKTAI_GATEWAY_COMPRESS=true",
		"POKTAI_GATEWAY_TRUSTED_PROXIES=10.0.0.0/8, fd00::/8",
		"POKTAI_GATEWAY_TLS_CERT_FILE=cert.pem",
		"POKTAI_STORE_DSN_FILE="+dsn,
		"POKTAI_CHAINS_MY_CHAIN_ID=7",
		"POKTAI_CHAINS_MY_CHAIN_ALIASES=",
		"POKTAI_CHAINS_MY_CHAIN_UPSTREAMS_0_URL=https://${not expanded}",
		"POKTAI_CHAINS_MY_CHAIN_UPSTREAMS_0_HEADERS_X_KEY=def",
		"POKTAI_LABELS_REGION=eu",
		"OTHER_GATEWAY_LISTEN=:82",
	)
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Gateway.Listen = ":81"
	want.Gateway.MaxDepth = 3
	want.Gateway.ReadTimeout = time.Second
	want.Gateway.Compress = true
	want.Gateway.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	want.Gateway.TLS = &tls{CertFile: "cert.pem"}
	want.Store.DSN = secret.New("postgres://db")
	want.Labels["region"] = "eu"
	want.Chains = map[string]chain{"my-chain": {
		ID:      7,
		Aliases: []string{},
		Upstreams: []upstream{{
			URL:     secret.New("https://${not expanded}"),
			Headers: map[string]secret.Text{"X-Key": secret.New("def")},
		}},
	}}
	if diff := cmp.Diff(want, got, byText, cmp.Comparer(samePrefix)); diff != "" {
		t.Error(diff)
	}
}

// An optional section that no variable reaches into stays absent.
func TestTheEnvironmentMakesNoEmptySections(t *testing.T) {
	c, err := decode("", "POKTAI_GATEWAY_LISTEN=:81")
	if err != nil {
		t.Fatal(err)
	}
	if c.Gateway.TLS != nil {
		t.Error("gateway.tls came into being")
	}
}

func TestVariablesOfOthersAreLeftAlone(t *testing.T) {
	for _, e := range []string{
		"POKTAI_CONFIG=configs/up.yaml",
		"POKTAI_TEST_POSTGRES=postgres://db",
		"POKTAI=1",
		// what Kubernetes sets for the Services "poktai" and "poktai-gateway"
		"POKTAI_SERVICE_HOST=10.0.0.1",
		"POKTAI_SERVICE_PORT_HTTP=80",
		"POKTAI_PORT=tcp://10.0.0.1:80",
		"POKTAI_GATEWAY_SERVICE_PORT=80",
		"POKTAI_GATEWAY_PORT=tcp://10.0.0.1:80",
		"POKTAI_GATEWAY_PORT_80_TCP=tcp://10.0.0.1:80",
		"POKTAI_GATEWAY_PORT_80_TCP_ADDR=10.0.0.1",
	} {
		if _, err := decode("", e); err != nil {
			t.Errorf("%s: %v", e, err)
		}
	}
	for _, e := range []string{"POKTAI_CONFIGS=x", "POKTAI_GATEWAY_PORT=80", "POKTAI_TESTS=1", "POKTAI_="} {
		if _, err := decode("", e); err == nil {
			t.Errorf("%s is not reported", e)
		}
	}
}
