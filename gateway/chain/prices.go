package chain

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Prices is the versioned price table: what each method of each kind of chain
// costs. Its version stands on every usage event, so a table that has been used
// is never edited, only followed by another.
type Prices struct {
	Version string                `yaml:"version"`
	Kinds   map[string]KindPrices `yaml:"kinds"`
}

// KindPrices are the methods of one kind of chain.
type KindPrices struct {
	// Default is the price of methods that are not listed.
	Default Price `yaml:"default"`
	// Deny lists methods that are never relayed: "personal_*", "debug_setHead".
	Deny []string `yaml:"deny"`
	// Methods by name.
	Methods map[string]Price `yaml:"methods"`
}

// Price is what one call of a method costs, and how it may be repeated.
type Price struct {
	// CU is what the call is billed, in compute units.
	CU uint32 `yaml:"cu"`
	// Throughput is what the call takes from the key's CU/s; absent: CU.
	Throughput *uint32 `yaml:"throughput"`
	// Safety is "safe" (default), "write" or "stateful".
	Safety Safety `yaml:"safety"`
}

// Validate reports what is wrong with p.
func (p *Prices) Validate(report func(key, message string)) {
	if p.Version == "" {
		report("version", "is missing")
	}
	if len(p.Kinds) == 0 {
		report("kinds", "is missing")
	}
	for _, kind := range slices.Sorted(maps.Keys(p.Kinds)) {
		prices, key := p.Kinds[kind], "kinds."+kind
		if prices.Default.CU == 0 {
			report(key+".default", "has no cu: every method that is not listed would be free")
		}
		checkPatterns(key+".deny", prices.Deny, report)
		for _, name := range slices.Sorted(maps.Keys(prices.Methods)) {
			if !plainName([]byte(name)) {
				report(key+".methods", fmt.Sprintf("%q is not the name of a method", name))
			}
		}
	}
}

// Safety says how a call may be repeated when an upstream fails.
type Safety uint8

// The kinds of safety.
const (
	Safe     Safety = iota // reads: any upstream, as often as needed
	Write                  // may take effect on a node: not again once it was sent
	Stateful               // refers to state of one node: that node only
)

// UnmarshalText reads the words used in price tables.
func (s *Safety) UnmarshalText(text []byte) error {
	switch string(text) {
	case "safe":
		*s = Safe
	case "write":
		*s = Write
	case "stateful":
		*s = Stateful
	default:
		return fmt.Errorf("must be safe, write or stateful")
	}
	return nil
}

// patterns matches method names exactly, or by what precedes a final "*".
type patterns struct {
	exact    map[string]bool
	prefixes []string
}

func compilePatterns(lists ...[]string) patterns {
	p := patterns{exact: make(map[string]bool)}
	for _, list := range lists {
		for _, s := range list {
			if prefix, ok := strings.CutSuffix(s, "*"); ok {
				p.prefixes = append(p.prefixes, prefix)
			} else {
				p.exact[s] = true
			}
		}
	}
	return p
}

func (p patterns) match(name []byte) bool {
	if p.exact[string(name)] {
		return true
	}
	for _, prefix := range p.prefixes {
		if len(name) >= len(prefix) && string(name[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

func (p patterns) empty() bool { return len(p.exact) == 0 && len(p.prefixes) == 0 }

func checkPatterns(key string, list []string, report func(key, message string)) {
	for i, s := range list {
		key := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case s == "":
			report(key, "is empty")
		case strings.Contains(strings.TrimSuffix(s, "*"), "*"):
			report(key, "may have * at its end only")
		}
	}
}
