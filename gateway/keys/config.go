package keys

import "time"

// Config says how many keys are kept in memory, and for how long they are
// trusted.
type Config struct {
	// MaxEntries is how many keys are kept in memory, about 300 bytes each
	// besides what is made of them. Default 100,000; it must be set.
	MaxEntries int64 `yaml:"max_entries"`
	// RefreshAfter is the age at which a key in use is read again, besides what
	// the change feed says. Default 60s; it must be set.
	RefreshAfter time.Duration `yaml:"refresh_after"`
	// ServeStaleFor is how long after its last good read a key keeps working
	// while the store is down. Default 1h; below refresh_after, and so also
	// for 0, a key stops working at the age of refresh_after.
	ServeStaleFor time.Duration `yaml:"serve_stale_for"`
	// UnknownTTL is how long the store is not asked again for a key that it does
	// not know. Default 5s; 0 asks every time.
	UnknownTTL time.Duration `yaml:"unknown_ttl"`
	// MaxLoads is how many look-ups for keys that are not in memory run at the
	// store at once; re-reads of keys in memory have as many of their own, so
	// that a flood of unknown keys does not hold them up. Default 64; it must be
	// set.
	MaxLoads int `yaml:"max_loads"`
	// LoadTimeout bounds a look-up at the store, waiting for its turn included.
	// Default 2s; it must be set.
	LoadTimeout time.Duration `yaml:"load_timeout"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		MaxEntries:    100_000,
		RefreshAfter:  time.Minute,
		ServeStaleFor: time.Hour,
		UnknownTTL:    5 * time.Second,
		MaxLoads:      64,
		LoadTimeout:   2 * time.Second,
	}
}

// Validate reports what is wrong with c.
func (c Config) Validate(report func(key, message string)) {
	if c.MaxEntries <= 0 {
		report("max_entries", "must be above 0")
	}
	if c.RefreshAfter <= 0 {
		report("refresh_after", "must be above 0")
	}
	if c.ServeStaleFor < 0 {
		report("serve_stale_for", "must not be negative")
	}
	if c.UnknownTTL < 0 {
		report("unknown_ttl", "must not be negative")
	}
	if c.MaxLoads <= 0 {
		report("max_loads", "must be above 0")
	}
	if c.LoadTimeout <= 0 {
		report("load_timeout", "must be above 0")
	}
}
