package config_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/internal/config"
	"pokt.ai/internal/secret"
)

// root has every kind of field, in the shape of the real configuration.
type root struct {
	Gateway gateway           `yaml:"gateway"`
	Store   store             `yaml:"store"`
	Chains  map[string]chain  `yaml:"chains"`
	Labels  map[string]string `yaml:"labels"`

	NotAKey string
}

type gateway struct {
	Listen         string         `yaml:"listen"`
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`
	MaxBodyBytes   int            `yaml:"max_body_bytes"`
	MaxDepth       uint8          `yaml:"max_depth"`
	ReadTimeout    time.Duration  `yaml:"read_timeout"`
	Sampling       float64        `yaml:"sampling"`
	Compress       bool           `yaml:"compress"`
	TLS            *tls           `yaml:"tls"`
}

type tls struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// The section has the keys of another package's struct and one more.
type store struct {
	Database `yaml:",inline"`
	Pool     int `yaml:"pool"`
}

type Database struct {
	DSN secret.Text `yaml:"dsn"`
}

type chain struct {
	ID        uint64     `yaml:"id"`
	Aliases   []string   `yaml:"aliases"`
	Upstreams []upstream `yaml:"upstreams"`
}

type upstream struct {
	Name     string                 `yaml:"name"`
	URL      secret.Text            `yaml:"url"`
	Headers  map[string]secret.Text `yaml:"headers"`
	MaxBatch int                    `yaml:"max_batch"`
}

func (g *gateway) Validate(report func(key, message string)) {
	if g.Listen == "" {
		report("listen", "wants an address, such as 127.0.0.1:8080")
	}
	if g.MaxBodyBytes < 1 {
		report("max_body_bytes", "must be 1 or more")
	}
	if g.TLS != nil && g.TLS.CertFile == "" {
		report("tls.cert_file", "is needed for TLS")
	}
}

func (d Database) Validate(report func(key, message string)) {
	if d.DSN.Reveal() == "memory" {
		report("dsn", "must outlive the process")
	}
}

func (c chain) Validate(report func(key, message string)) {
	if len(c.Upstreams) == 0 {
		report("upstreams", "wants at least one")
	}
	for i, u := range c.Upstreams {
		if !strings.HasPrefix(u.URL.Reveal(), "https://") {
			report("upstreams["+string(rune('0'+i))+"].url", "wants an https URL, not "+u.URL.Reveal())
		}
	}
}

func defaults() root {
	return root{
		Gateway: gateway{Listen: "127.0.0.1:8080", MaxBodyBytes: 5 << 20, MaxDepth: 64, ReadTimeout: 10 * time.Second},
		Store:   store{Database: Database{DSN: secret.New("data/pokt.db")}},
		Labels:  map[string]string{"region": "local"},
	}
}

func decode(yaml string, env ...string) (root, error) {
	c := defaults()
	err := config.Decode("up.yaml", []byte(yaml), env, &c)
	return c, err
}

var byText = cmp.Comparer(func(a, b secret.Text) bool { return a.Reveal() == b.Reveal() })

func TestAnEmptyFileKeepsTheDefaults(t *testing.T) {
	for name, yaml := range map[string]string{
		"no bytes":         "",
		"only comments":    "# nothing\n",
		"byte order mark":  "\uFEFF# nothing\n",
		"sections at rest": "gateway:\n  # listen: 1\nchains:\nlabels:\n",
		"directive":        "%YAML 1.2\n---\ngateway: {}\n",
	} {
		got, err := decode(yaml)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(defaults(), got, byText, cmp.Comparer(samePrefix)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func samePrefix(a, b netip.Prefix) bool { return a == b }

func TestEveryKindOfFieldIsRead(t *testing.T) {
	got, err := decode(`
gateway:
  listen: "[::1]:80"
  trusted_proxies: [10.0.0.0/8, "fd00::/8"]
  max_body_bytes: 1_000
  max_depth: 0x10
  read_timeout: 1m30s
  sampling: 0.25
  compress: true
  tls:
    cert_file: cert.pem
store: {dsn: postgres://db, pool: 3}
chains:
  ethereum:
    id: 1
    aliases: [eth, 1, true, 1.10]   # as they are written
    upstreams:
      - name: a
        url: https://a.example
        headers:
          X-Key: abc
      - {name: b, url: "https://b.example", max_batch: 10}
labels:
  zone: |
    several
    lines
`)
	if err != nil {
		t.Fatal(err)
	}
	want := root{
		Gateway: gateway{
			Listen:         "[::1]:80",
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
			MaxBodyBytes:   1000,
			MaxDepth:       16,
			ReadTimeout:    90 * time.Second,
			Sampling:       0.25,
			Compress:       true,
			TLS:            &tls{CertFile: "cert.pem"},
		},
		Store: store{Database: Database{DSN: secret.New("postgres://db")}, Pool: 3},
		Chains: map[string]chain{"ethereum": {
			ID:      1,
			Aliases: []string{"eth", "1", "true", "1.10"},
			Upstreams: []upstream{
				{Name: "a", URL: secret.New("https://a.example"), Headers: map[string]secret.Text{"X-Key": secret.New("abc")}},
				{Name: "b", URL: secret.New("https://b.example"), MaxBatch: 10},
			},
		}},
		Labels: map[string]string{"region": "local", "zone": "several\nlines\n"},
	}
	if diff := cmp.Diff(want, got, byText, cmp.Comparer(samePrefix)); diff != "" {
		t.Error(diff)
	}
}

// Two processes' worth of defaults in one: a reload must not write into what the
// running configuration holds.
func TestDefaultsThatOthersHoldAreNotWrittenTo(t *testing.T) {
	shared := map[string]string{"region": "local"}
	certs := &tls{CertFile: "default.pem"}
	c := defaults()
	c.Labels, c.Gateway.TLS = shared, certs
	err := config.Decode("up.yaml", []byte("labels: {region: eu}\ngateway: {tls: {cert_file: own.pem}}"), nil, &c)
	if err != nil {
		t.Fatal(err)
	}
	if c.Labels["region"] != "eu" || c.Gateway.TLS.CertFile != "own.pem" {
		t.Errorf("the file was not applied: %v, %v", c.Labels, c.Gateway.TLS)
	}
	if shared["region"] != "local" || certs.CertFile != "default.pem" {
		t.Errorf("the defaults were changed: %v, %v", shared, certs)
	}
}

func TestLoadReadsTheFileAndNamesItInFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "up.yaml")
	c := defaults()
	err := config.Load(path, nil, &c)
	if want := path + ": cannot be read: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("a missing file: got %v, want %s", err, want)
	}
	if err := os.WriteFile(path, []byte("gateway:\n  listen: :80\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := config.Load(path, nil, &c); err != nil || c.Gateway.Listen != ":80" {
		t.Errorf("listen is %q, error %v", c.Gateway.Listen, err)
	}
	if err := config.Load("", []string{"POKTAI_GATEWAY_LISTEN=:81"}, &c); err != nil || c.Gateway.Listen != ":81" {
		t.Errorf("environment alone: listen is %q, error %v", c.Gateway.Listen, err)
	}
}

func TestFaultsCanBeTakenOneByOne(t *testing.T) {
	_, err := decode("gateway:\n  listen: [x]\n", "POKTAI_GATEWAY_COMPRESS=yes")
	var got config.Faults
	if !errors.As(err, &got) {
		t.Fatalf("got %T, want Faults", err)
	}
	want := config.Faults{
		{File: "POKTAI_GATEWAY_COMPRESS", Key: "gateway.compress", Message: `wants true or false, not "yes"`},
		{File: "up.yaml", Line: 2, Column: 11, Key: "gateway.listen", Message: "wants text, not a list"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
