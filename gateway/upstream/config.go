// Package upstream knows the nodes of a chain: how to reach each over kept-alive
// connections, how each is doing, and which one to ask next.
//
// It sends bytes and returns an HTTP response. What an answer means, and whether
// a failed call may be tried again, is the job of gateway/forward.
package upstream

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
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

// The form of names that are safe as a label and in a report.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Validate reports what is wrong with c.
func (c *Config) Validate(report func(key, message string)) {
	switch {
	case c.Name == "":
		report("name", "is missing")
	case !nameForm.MatchString(c.Name):
		report("name", fmt.Sprintf("%q is not a name: use letters, digits, and . _ - within", c.Name))
	}
	if _, err := parseTarget(c.URL.Reveal()); err != nil {
		report("url", err.Error())
	}
	seen := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		folded := strings.ToLower(name)
		if fault := headerFault(folded, c.Headers[name].Reveal()); fault != "" {
			report("headers."+name, fault)
		} else if seen[folded] {
			report("headers."+name, "is given twice")
		}
		seen[folded] = true
	}
	if c.MaxBatch < 0 {
		report("max_batch", "must not be negative")
	}
	if c.MaxConns < 0 {
		report("max_conns", "must not be negative")
	}
}
