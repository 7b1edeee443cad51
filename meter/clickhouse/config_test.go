package clickhouse_test

import (
	"testing"

	"pokt.ai/meter/clickhouse"
)

func TestConfigFaults(t *testing.T) {
	valid := clickhouse.DefaultConfig()
	valid.Addresses = []string{"clickhouse-1:9000", "[::1]:9000"}
	for _, tc := range []struct {
		key   string // "": none
		spoil func(*clickhouse.Config)
	}{
		{"", func(*clickhouse.Config) {}},
		{"", func(c *clickhouse.Config) { c.Protocol, c.RetentionDays, c.User = clickhouse.HTTP, 0, "" }},
		{"addresses", func(c *clickhouse.Config) { c.Addresses = nil }},
		{"addresses[1]", func(c *clickhouse.Config) { c.Addresses = []string{"a:9000", "b"} }},
		{"addresses[0]", func(c *clickhouse.Config) { c.Addresses = []string{"http://a:8123"} }},
		{"protocol", func(c *clickhouse.Config) { c.Protocol = "https" }},
		{"database", func(c *clickhouse.Config) { c.Database = "" }},
		{"database", func(c *clickhouse.Config) { c.Database = "a; DROP DATABASE b" }},
		{"database", func(c *clickhouse.Config) { c.Database = "1st" }},
		{"retention_days", func(c *clickhouse.Config) { c.RetentionDays = -1 }},
		{"dedup_window", func(c *clickhouse.Config) { c.DedupWindow = 0 }},
	} {
		cfg := valid
		tc.spoil(&cfg)
		var keys []string
		cfg.Validate(func(key, _ string) { keys = append(keys, key) })
		var want []string
		if tc.key != "" {
			want = []string{tc.key}
		}
		wantEqual(t, "faults", want, keys)
	}
}
