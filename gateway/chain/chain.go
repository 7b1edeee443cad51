// Package chain knows which chains the gateway serves: their names, the methods
// and prices of each, and its pool of upstreams.
//
// A Table is built whole from the configuration and swapped whole when that
// changes. Talking to nodes is the job of gateway/upstream and gateway/forward.
package chain

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"pokt.ai/gateway/upstream"
)

// Config is one chain.
type Config struct {
	// Kind selects the price table: "evm", "solana".
	Kind string `yaml:"kind"`
	// ID is the EVM chain id; 0 where there is none.
	ID uint64 `yaml:"id"`
	// Aliases are further names for the path, such as "eth" or "1".
	Aliases []string `yaml:"aliases"`
	// Methods narrows what is relayed.
	Methods MethodRules `yaml:"methods"`
	// Upstreams, at least one.
	Upstreams []upstream.Config `yaml:"upstreams"`
}

// Configs are the chains by name.
type Configs map[string]Config

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// Validate reports what is wrong with c; kinds are the price table's.
func (c Configs) Validate(report func(key, message string)) {
	owner := make(map[string]string)
	claim := func(key, name, chain string) {
		switch {
		case !nameForm.MatchString(name):
			report(key, fmt.Sprintf("%q is not a chain name: use a-z, 0-9 and -", name))
		case owner[name] != "":
			report(key, fmt.Sprintf("%q is already a name of chain %s", name, owner[name]))
		default:
			owner[name] = chain
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		claim(name, name, name)
	}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		cfg := c[name]
		for i, alias := range cfg.Aliases {
			claim(fmt.Sprintf("%s.aliases[%d]", name, i), alias, name)
		}
		if cfg.Kind == "" {
			report(name+".kind", "is missing")
		}
		if len(cfg.Upstreams) == 0 {
			report(name+".upstreams", "needs at least one upstream")
		}
		seen := make(map[string]bool)
		for i, u := range cfg.Upstreams {
			if seen[u.Name] && u.Name != "" {
				report(fmt.Sprintf("%s.upstreams[%d].name", name, i), fmt.Sprintf("%q is used twice in this chain", u.Name))
			}
			seen[u.Name] = true
		}
		checkPatterns(name+".methods.allow", cfg.Methods.Allow, report)
		checkPatterns(name+".methods.deny", cfg.Methods.Deny, report)
	}
}

// A Chain is one chain as it is served. It is immutable.
type Chain struct {
	Index   int // position in Table.Chains
	Name    string
	Kind    string
	ID      uint64
	Label   uint16 // the name's number in usage events
	Methods *Methods
	Pool    *upstream.Pool
}

// A Table finds chains by name. It is immutable.
type Table struct {
	Prices string // version of the price table
	Label  uint16 // its number in usage events
	byName map[string]*Chain
	chains []*Chain
}

// NewTable builds the table. pool makes the upstreams of a chain, and label
// numbers names for usage events.
func NewTable(cfg Configs, prices *Prices, label func(string) uint16, pool func(name string, cfg []upstream.Config) (*upstream.Pool, error)) (*Table, error) {
	t := &Table{Prices: prices.Version, Label: label(prices.Version), byName: make(map[string]*Chain)}
	for _, name := range slices.Sorted(maps.Keys(cfg)) {
		c := cfg[name]
		kind, ok := prices.Kinds[c.Kind]
		if !ok {
			return nil, fmt.Errorf("chain %s: no prices for kind %q; there are %v", name, c.Kind, slices.Sorted(maps.Keys(prices.Kinds)))
		}
		p, err := pool(name, c.Upstreams)
		if err != nil {
			return nil, fmt.Errorf("chain %s: %w", name, err)
		}
		ch := &Chain{Index: len(t.chains), Name: name, Kind: c.Kind, ID: c.ID, Label: label(name), Methods: newMethods(kind, c.Methods, label), Pool: p}
		t.chains = append(t.chains, ch)
		t.byName[name] = ch
		for _, alias := range c.Aliases {
			t.byName[alias] = ch
		}
	}
	return t, nil
}

// Lookup returns the chain of that name or alias, or nil.
func (t *Table) Lookup(name []byte) *Chain { return t.byName[string(name)] }

// Chains returns all chains, by name.
func (t *Table) Chains() []*Chain { return t.chains }
