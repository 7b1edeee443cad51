package chain_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/configs"
	"pokt.ai/gateway/chain"
	"pokt.ai/gateway/upstream"
	"pokt.ai/internal/config"
)

// labels numbers names from 1, in the order in which they come.
type labels struct{ names []string }

func (l *labels) number(name string) uint16 {
	if !slices.Contains(l.names, name) {
		l.names = append(l.names, name)
	}
	return uint16(slices.Index(l.names, name) + 1)
}

func noPool(string, []upstream.Config) (*upstream.Pool, error) { return upstream.NewPool(nil), nil }

func newTable(t testing.TB, cfg chain.Configs, prices *chain.Prices) *chain.Table {
	t.Helper()
	var l labels
	table, err := chain.NewTable(cfg, prices, l.number, noPool)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// listed is a price table with a method of each sort.
func listed() *chain.Prices {
	heavy := uint32(500)
	return &chain.Prices{Version: "v1", Kinds: map[string]chain.KindPrices{
		"evm": {
			Default: chain.Price{CU: 20},
			Deny:    []string{"personal_*", "eth_sign"},
			Methods: map[string]chain.Price{
				"eth_chainId": {}, "eth_call": {CU: 26}, "eth_getBlockReceipts": {CU: 20, Throughput: &heavy},
				"eth_sendRawTransaction": {CU: 40, Safety: chain.Write}, "eth_newFilter": {CU: 20, Safety: chain.Stateful},
			},
		},
		"solana": {Default: chain.Price{CU: 30}},
	}}
}

func TestTable(t *testing.T) {
	var built []string
	var l labels
	table, err := chain.NewTable(chain.Configs{
		"solana":   {Kind: "solana"},
		"ethereum": {Kind: "evm", ID: 1, Aliases: []string{"eth", "1"}},
	}, listed(), l.number, func(name string, _ []upstream.Config) (*upstream.Pool, error) {
		built = append(built, name)
		return upstream.NewPool(nil), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ethereum": "ethereum", "eth": "ethereum", "1": "ethereum", "solana": "solana",
		"": "", "ETH": "", "eth/": "", "sol": "", "2": "",
	} {
		got := ""
		if c := table.Lookup([]byte(name)); c != nil {
			got = c.Name
		}
		if got != want {
			t.Errorf("Lookup(%q) is chain %q, want %q", name, got, want)
		}
	}
	for i, c := range table.Chains() {
		if c.Index != i || l.names[c.Label-1] != c.Name || c.Pool == nil {
			t.Errorf("chain %s: index %d, label %d, pool %v", c.Name, c.Index, c.Label, c.Pool)
		}
	}
	if diff := cmp.Diff([]string{"ethereum", "solana"}, built); diff != "" {
		t.Errorf("pools built (-want +got):\n%s", diff)
	}
	if table.Prices != "v1" || l.names[table.Label-1] != "v1" {
		t.Errorf("prices %q, label %d", table.Prices, table.Label)
	}
}

func TestTableFaults(t *testing.T) {
	var l labels
	broken := func(string, []upstream.Config) (*upstream.Pool, error) { return nil, errors.New("no such host") }
	for want, cfg := range map[string]chain.Configs{
		`chain a: no prices for kind "cosmos"; there are [evm solana]`: {"a": {Kind: "cosmos"}},
		"chain a: no such host": {"a": {Kind: "evm"}},
	} {
		if _, err := chain.NewTable(cfg, listed(), l.number, broken); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestValidateChains(t *testing.T) {
	node := []upstream.Config{{Name: "a"}}
	for name, tc := range map[string]struct {
		cfg  chain.Configs
		want string
	}{
		"good": {chain.Configs{
			"a": {Kind: "evm", Aliases: []string{"b", "1"}, Upstreams: node, Methods: chain.MethodRules{Allow: []string{"eth_*", "*"}, Deny: []string{"eth_sign"}}},
			"c": {Kind: "evm", Upstreams: node},
		}, ""},
		"empty": {chain.Configs{"a": {}}, "a.kind: is missing; a.upstreams: needs at least one upstream"},
		"names": {
			chain.Configs{
				"":                       {Kind: "evm", Upstreams: node},
				"A":                      {Kind: "evm", Upstreams: node},
				"a/b":                    {Kind: "evm", Upstreams: node},
				strings.Repeat("a", 65):  {Kind: "evm", Upstreams: node},
				"ok":                     {Kind: "evm", Upstreams: node, Aliases: []string{"x y"}},
				"0123-" + "zz-" + "long": {Kind: "evm", Upstreams: node},
			},
			`: "" is not a chain name: use a-z, 0-9 and -; A: "A" is not a chain name: use a-z, 0-9 and -; ` +
				`a/b: "a/b" is not a chain name: use a-z, 0-9 and -; ` +
				strings.Repeat("a", 65) + `: "` + strings.Repeat("a", 65) + `" is not a chain name: use a-z, 0-9 and -; ` +
				`ok.aliases[0]: "x y" is not a chain name: use a-z, 0-9 and -`,
		},
		"clashes": {
			chain.Configs{
				"a": {Kind: "evm", Upstreams: node, Aliases: []string{"b", "a", "x"}},
				"b": {Kind: "evm", Upstreams: node, Aliases: []string{"x"}},
			},
			`a.aliases[0]: "b" is already a name of chain b; a.aliases[1]: "a" is already a name of chain a; ` +
				`b.aliases[0]: "x" is already a name of chain a`,
		},
		"upstreams": {
			chain.Configs{"a": {Kind: "evm", Upstreams: []upstream.Config{{Name: "n"}, {Name: "m"}, {Name: "n"}, {}, {}}}},
			`a.upstreams[2].name: "n" is used twice in this chain`,
		},
		"patterns": {
			chain.Configs{"a": {Kind: "evm", Upstreams: node, Methods: chain.MethodRules{Allow: []string{"ok", ""}, Deny: []string{"*_sign", "a**"}}}},
			"a.methods.allow[1]: is empty; a.methods.deny[0]: may have * at its end only; a.methods.deny[1]: may have * at its end only",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, faults(tc.cfg.Validate)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func faults(validate func(report func(key, message string))) string {
	var got []string
	validate(func(key, message string) { got = append(got, key+": "+message) })
	return strings.Join(got, "; ")
}

func TestValidatePrices(t *testing.T) {
	if got := faults(listed().Validate); got != "" {
		t.Errorf("a good table: %s", got)
	}
	bad := &chain.Prices{Kinds: map[string]chain.KindPrices{
		"evm": {Deny: []string{"a", "*b"}, Methods: map[string]chain.Price{"eth call": {}, "": {}}},
	}}
	want := `version: is missing; kinds.evm.default: has no cu: every method that is not listed would be free; ` +
		`kinds.evm.deny[1]: may have * at its end only; kinds.evm.methods: "" is not the name of a method; ` +
		`kinds.evm.methods: "eth call" is not the name of a method`
	if diff := cmp.Diff(want, faults(bad.Validate)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("version: is missing; kinds: is missing", faults(new(chain.Prices).Validate)); diff != "" {
		t.Errorf("faults of nothing (-want +got):\n%s", diff)
	}
}

// The table as it is written, read as a process reads it.
func TestPricesOfThisVersion(t *testing.T) {
	var prices chain.Prices
	if err := config.Decode("compute-units.yaml", configs.ComputeUnits(), nil, &prices); err != nil {
		t.Fatal(err)
	}
	for kind := range prices.Kinds {
		table := newTable(t, chain.Configs{"x": {Kind: kind}}, &prices)
		methods := table.Lookup([]byte("x")).Methods
		for name, price := range prices.Kinds[kind].Methods {
			m := methods.Lookup([]byte(name))
			want := chain.Method{Name: name, Label: m.Label, CU: price.CU, Throughput: price.CU, Safety: price.Safety}
			if price.Throughput != nil {
				want.Throughput = *price.Throughput
			}
			if diff := cmp.Diff(want, *m); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		for _, pattern := range prices.Kinds[kind].Deny {
			name := strings.Replace(pattern, "*", "x", 1)
			if !methods.Lookup([]byte(name)).Denied {
				t.Errorf("%s: %s is relayed", kind, name)
			}
		}
		if m := methods.Lookup([]byte("some_method")); m.Denied || m.CU != prices.Kinds[kind].Default.CU {
			t.Errorf("%s: a method that is not listed is %+v", kind, m)
		}
	}
}

func TestWordsOfSafety(t *testing.T) {
	var prices chain.Prices
	err := config.Decode("x.yaml", []byte("version: v\nkinds: {k: {default: {cu: 1, safety: maybe}}}\n"), nil, &prices)
	if err == nil || !strings.Contains(err.Error(), "must be safe, write or stateful") {
		t.Errorf("safety: maybe is read as %v", err)
	}
	text := "version: v\nkinds: {k: {default: {cu: 1, safety: safe}, methods: {a: {safety: write}, b: {safety: stateful}, c: {}}}}\n"
	if err := config.Decode("x.yaml", []byte(text), nil, &prices); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]chain.Safety{"a": chain.Write, "b": chain.Stateful, "c": chain.Safe} {
		if got := prices.Kinds["k"].Methods[name].Safety; got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}
