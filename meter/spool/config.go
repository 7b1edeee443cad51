package spool

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// OnFull says what happens to a record that the disk has no room for.
type OnFull string

// The policies.
const (
	Shed         OnFull = "shed"           // Append fails: the call is refused rather than given away
	CountAndDrop OnFull = "count_and_drop" // Append succeeds: the call is served and not billed
)

// Config says where segments are kept and when one is sealed.
type Config struct {
	// Dir is the folder of the segments. It belongs to one process at a time.
	// Default "data/spool"; it must be set.
	Dir string `yaml:"dir"`
	// Gateway is the id of this gateway, the first part of the name of each of
	// its segments: at most 63 of A-Z, a-z, 0-9, ".", "_" and "-". No two
	// gateways may share one. Empty (the default) takes the host's name.
	Gateway string `yaml:"gateway"`
	// SealRows is the number of records in a full segment, at most 1048576:
	// one segment is one batch in the sink. Default 65536 (4 MiB); it must be
	// set.
	SealRows int `yaml:"seal_rows"`
	// SealAfter is how long a record waits at most for its segment to be
	// sealed, as long as there is room for the next one. Default 1s; it must
	// be set.
	SealAfter time.Duration `yaml:"seal_after"`
	// SyncInterval is the time between two writes to the disk: what a power
	// failure can lose. A killed process loses nothing. Default 100ms; it must
	// be set.
	SyncInterval time.Duration `yaml:"sync_interval"`
	// MaxBytes bounds the folder, sealed segments included. Default 8 GiB,
	// about 130 million records; it must be set.
	MaxBytes int64 `yaml:"max_bytes"`
	// OnFull says what happens when the disk or max_bytes is full: "shed" or
	// "count_and_drop". Default "shed"; it must be set.
	OnFull OnFull `yaml:"on_full"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Dir:          "data/spool",
		SealRows:     65536,
		SealAfter:    time.Second,
		SyncInterval: 100 * time.Millisecond,
		MaxBytes:     8 << 30,
		OnFull:       Shed,
	}
}

// maxSealRows is what ClickHouse takes as one block.
const maxSealRows = 1 << 20

// Validate reports every fault with the key it is in.
func (c Config) Validate(report func(key, message string)) {
	if c.Dir == "" {
		report("dir", "must be set")
	}
	if c.Gateway != "" && !validGateway(c.Gateway) {
		report("gateway", `must be at most 63 of A-Z, a-z, 0-9, ".", "_" and "-", the first a letter or digit`)
	}
	if c.SealRows < 1 || c.SealRows > maxSealRows {
		report("seal_rows", fmt.Sprintf("must be between 1 and %d", maxSealRows))
		return // max_bytes has no meaning without it
	}
	if c.SyncInterval <= 0 {
		report("sync_interval", "must be positive")
	}
	if c.SealAfter < c.SyncInterval {
		report("seal_after", "must not be shorter than sync_interval")
	}
	if least := minSegments * openSize(c.SealRows); c.MaxBytes < least {
		report("max_bytes", fmt.Sprintf("must be at least %d: %d segments of seal_rows records", least, minSegments))
	}
	if c.OnFull != Shed && c.OnFull != CountAndDrop {
		report("on_full", fmt.Sprintf("must be %q or %q", Shed, CountAndDrop))
	}
}

// minSegments are the one being written, the next one, and two on their way to
// the sink.
const minSegments = 4

const maxGateway = 63 // a host's label

func validGateway(id string) bool {
	for i := range len(id) {
		c := id[i]
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return id != "" && len(id) <= maxGateway
}

// hostGateway makes an id of the host's name. It keeps the end of a long one:
// orchestrators put there what tells two of a kind apart.
func hostGateway() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name the gateway after its host: %w", err)
	}
	if len(host) > maxGateway {
		host = strings.TrimLeft(host[len(host)-maxGateway:], "-._")
	}
	if !validGateway(host) {
		return "", fmt.Errorf("host name %q is no gateway id: set the id in the configuration", host)
	}
	return host, nil
}
