package gateway

import (
	"fmt"
	"net/netip"
	"time"

	"pokt.ai/gateway/allow"
	"pokt.ai/internal/tcp"
)

// Config is the configuration of the edge.
type Config struct {
	// Listen is the address of the relay port. Default 127.0.0.1:8080.
	Listen string `yaml:"listen"`
	// TrustedProxies are the addresses (CIDR) whose X-Forwarded-For is believed.
	// Default none: the peer is the client.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// MaxBodyBytes bounds a request body, compressed and decompressed.
	// Default 5 MiB; it must be set.
	MaxBodyBytes int `yaml:"max_body_bytes"`
	// MaxHeaderBytes bounds the request line and headers. Default 8192; it must
	// be set.
	MaxHeaderBytes int `yaml:"max_header_bytes"`
	// MaxResponseBytes bounds an answer of an upstream. Default 64 MiB; it must
	// be set.
	MaxResponseBytes int `yaml:"max_response_bytes"`
	// MaxBatch is the most calls in a batch. Default 1000; 0 refuses batches.
	MaxBatch int `yaml:"max_batch"`
	// MaxDepth bounds the nesting of arrays and objects in a call. Default 64;
	// it must be set.
	MaxDepth int `yaml:"max_depth"`
	// ReadTimeout bounds the time from the first byte of a request to its last.
	// Default 10s; it must be set.
	ReadTimeout time.Duration `yaml:"read_timeout"`
	// IdleTimeout is how long a connection may wait for its next request.
	// Default 75s; it must be set.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// RequestTimeout is the one deadline of a call, all attempts included.
	// Default 30s; it must be set.
	RequestTimeout time.Duration `yaml:"request_timeout"`
	// DrainTimeout is how long requests in flight may take when the process is
	// told to stop. Default 20s; 0 cuts them off.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Listen:           "127.0.0.1:8080",
		MaxBodyBytes:     5 << 20,
		MaxHeaderBytes:   8 << 10,
		MaxResponseBytes: 64 << 20,
		MaxBatch:         1000,
		MaxDepth:         64,
		ReadTimeout:      10 * time.Second,
		IdleTimeout:      75 * time.Second,
		RequestTimeout:   30 * time.Second,
		DrainTimeout:     20 * time.Second,
	}
}

// Validate reports what is wrong with c.
func (c Config) Validate(report func(key, message string)) {
	if c.Listen == "" {
		report("listen", "is missing")
	}
	for i, p := range c.TrustedProxies {
		if _, err := allow.ParsePrefix(p); err != nil {
			report(fmt.Sprintf("trusted_proxies[%d]", i), err.Error())
		}
	}
	for key, n := range map[string]int{
		"max_body_bytes": c.MaxBodyBytes, "max_response_bytes": c.MaxResponseBytes, "max_depth": c.MaxDepth,
	} {
		if n <= 0 {
			report(key, "must be above 0")
		}
	}
	if c.MaxHeaderBytes < 1024 {
		report("max_header_bytes", "must be at least 1024")
	}
	if c.MaxBatch < 0 {
		report("max_batch", "must not be negative")
	}
	for key, d := range map[string]time.Duration{
		"read_timeout": c.ReadTimeout, "idle_timeout": c.IdleTimeout, "request_timeout": c.RequestTimeout,
	} {
		if d <= 0 {
			report(key, "must be above 0")
		}
	}
	if c.DrainTimeout < 0 {
		report("drain_timeout", "must not be negative")
	}
}

// Timeouts are those of the connections to serve.
func (c Config) Timeouts() tcp.Timeouts {
	return tcp.Timeouts{Request: c.ReadTimeout, Idle: c.IdleTimeout, Write: c.RequestTimeout}
}

func (c Config) trusted() ([]netip.Prefix, error) {
	prefixes := make([]netip.Prefix, 0, len(c.TrustedProxies))
	for _, text := range c.TrustedProxies {
		p, err := allow.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("trusted proxy %w", err)
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}
