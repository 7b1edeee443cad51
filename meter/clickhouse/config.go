package clickhouse

import (
	"fmt"
	"net"

	"pokt.ai/internal/secret"
)

// Protocol is how ClickHouse is spoken to.
type Protocol string

// The protocols.
const (
	Native Protocol = "native"
	HTTP   Protocol = "http"
)

// Config says where usage is stored and for how long.
type Config struct {
	// Addresses are "host:port" of the server, in order of preference: the next
	// one is tried when one does not answer. They must be of one server or
	// show one set of tables. Default 127.0.0.1:9000; they must be set.
	Addresses []string `yaml:"addresses"`
	// Protocol is "native" (usually port 9000, 9440 with TLS) or "http" (8123,
	// 8443). Default "native"; it must be set.
	Protocol Protocol `yaml:"protocol"`
	// Database is made if it is not there. Default "poktai"; it must be set.
	Database string `yaml:"database"`
	// User may create tables in the database, insert and select. Default
	// "default"; empty is the same.
	User string `yaml:"user"`
	// Password of the user. Empty (the default): none.
	Password secret.Text `yaml:"password"`
	// TLS encrypts the connections, and checks the server's certificate against
	// the roots of this machine. Default false.
	TLS bool `yaml:"tls"`
	// RetentionDays is how many days the rows of calls and the totals by minute
	// are kept. Totals by hour and day and the manifest are kept for good. Default
	// 400: a year of invoices can be replayed. Zero keeps everything.
	RetentionDays int `yaml:"retention_days"`
	// DedupWindow is how many blocks each table remembers to know a repeated one
	// by, at some 100 bytes of the server's memory each. A gateway that could not
	// hear the answer to an INSERT repeats it in time if no more segments than
	// that are stored meanwhile; after that its rows are still counted once, but
	// the totals for dashboards may lack them. Default 10000; it must be set.
	DedupWindow int `yaml:"dedup_window"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Addresses:     []string{"127.0.0.1:9000"},
		Protocol:      Native,
		Database:      "poktai",
		User:          "default",
		RetentionDays: 400,
		DedupWindow:   10000,
	}
}

// Validate reports every fault with the key it is in.
func (c Config) Validate(report func(key, message string)) {
	if len(c.Addresses) == 0 {
		report("addresses", "must be set")
	}
	for i, address := range c.Addresses {
		if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
			report(fmt.Sprintf("addresses[%d]", i), `must be "host:port"`)
		}
	}
	if c.Protocol != Native && c.Protocol != HTTP {
		report("protocol", fmt.Sprintf("must be %q or %q", Native, HTTP))
	}
	if !validDatabase(c.Database) {
		report("database", "must be at most 63 of a-z, A-Z, 0-9 and _, the first no digit")
	}
	if c.RetentionDays < 0 {
		report("retention_days", "must not be negative")
	}
	if c.DedupWindow < 1 {
		report("dedup_window", "must be positive")
	}
}

// validDatabase is what needs no quoting in any statement.
func validDatabase(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != "" && len(name) <= 63
}
