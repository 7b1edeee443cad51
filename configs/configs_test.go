package configs_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"pokt.ai/configs"
	"pokt.ai/gateway/chain"
	"pokt.ai/internal/config"
)

func prices(t *testing.T) chain.Prices {
	t.Helper()
	var p chain.Prices
	if err := config.Decode("compute-units.yaml", configs.ComputeUnits(), nil, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// What a call costs is a promise to customers: these rows change only together
// with the version.
func TestPrices(t *testing.T) {
	p := prices(t)
	if p.Version != "2026-11-01" {
		t.Errorf("version is %q: write its prices down here", p.Version)
	}
	type row struct{ cu, throughput uint32 }
	for methods, want := range map[string]row{
		"eth_chainId net_version":                                         {0, 0},
		"eth_blockNumber eth_feeHistory":                                  {10, 10},
		"eth_gasPrice eth_getBalance eth_getCode eth_getTransactionCount": {20, 20},
		"eth_getBlockByHash eth_getBlockByNumber":                         {20, 20},
		"eth_getTransactionByHash eth_getTransactionReceipt":              {20, 20},
		"eth_getTransactionByBlockHashAndIndex":                           {20, 20},
		"eth_getTransactionByBlockNumberAndIndex":                         {20, 20},
		"eth_call":                     {26, 26},
		"eth_estimateGas eth_getProof": {20, 20},
		"eth_getLogs":                  {60, 60},
		"eth_sendRawTransaction":       {40, 250},
		"eth_getBlockReceipts":         {20, 500},
		"debug_trace*":                 {40, 1000},
		"trace_*":                      {40, 1000},
		"eth_somethingOfTomorrow":      {20, 20},
	} {
		for pattern := range strings.FieldsSeq(methods) {
			names := matching(p.Kinds["evm"].Methods, pattern)
			if len(names) == 0 {
				t.Errorf("no method is like %s", pattern)
			}
			for _, name := range names {
				got := priceOf(p.Kinds["evm"], name)
				if got := (row{got.CU, throughput(got)}); got != want {
					t.Errorf("%s costs %v, want %v", name, got, want)
				}
			}
		}
	}
	if got := priceOf(p.Kinds["solana"], "getAsset").CU; got != 20 {
		t.Errorf("an unlisted method of Solana costs %d, want 20", got)
	}
}

func TestHeavierThanBilledNeverLighter(t *testing.T) {
	for kind, methods := range prices(t).Kinds {
		for name, price := range methods.Methods {
			if throughput(price) < price.CU {
				t.Errorf("%s %s: throughput %d is less than its %d CU", kind, name, throughput(price), price.CU)
			}
			if price.Throughput != nil && *price.Throughput == price.CU {
				t.Errorf("%s %s: throughput says what is the default", kind, name)
			}
		}
	}
}

// A write that is taken for a read is sent twice when an upstream fails.
func TestWritesAndFiltersAreNotReads(t *testing.T) {
	for kind, methods := range prices(t).Kinds {
		for name, price := range methods.Methods {
			want := chain.Safe
			switch lower := strings.ToLower(name); {
			case name == "eth_getTransactionBySenderAndNonce", name == "trace_filter": // reads
			case strings.Contains(lower, "send"), strings.Contains(lower, "cancel"), strings.Contains(lower, "airdrop"):
				want = chain.Write
			case strings.Contains(lower, "filter"), strings.Contains(lower, "subscribe"):
				want = chain.Stateful
			}
			if price.Safety != want {
				t.Errorf("%s %s: safety is %d, want %d", kind, name, price.Safety, want)
			}
		}
	}
}

// A price for what is never relayed would be a promise that is not kept.
func TestDeniedMethodsHaveNoPrice(t *testing.T) {
	for kind, methods := range prices(t).Kinds {
		for _, pattern := range methods.Deny {
			for _, name := range matching(methods.Methods, pattern) {
				if _, listed := methods.Methods[name]; listed {
					t.Errorf("%s: %s is listed and denied by %s", kind, name, pattern)
				}
			}
		}
		deny := slices.Sorted(slices.Values(methods.Deny))
		if unique := slices.Compact(slices.Clone(deny)); len(unique) != len(deny) {
			t.Errorf("%s: deny has duplicates", kind)
		}
	}
}

func TestUpNamesPublicChains(t *testing.T) {
	var up struct{ Chains chain.Configs }
	if err := yaml.Unmarshal(configs.Up(), &up); err != nil {
		t.Fatal(err)
	}
	up.Chains.Validate(func(key, message string) { t.Errorf("chains.%s: %s", key, message) })
	kinds := prices(t).Kinds
	ids := map[uint64]string{}
	for _, name := range slices.Sorted(maps.Keys(up.Chains)) {
		c := up.Chains[name]
		if _, ok := kinds[c.Kind]; !ok {
			t.Errorf("%s: no prices for kind %q", name, c.Kind)
		}
		if c.Kind == "evm" {
			if other, ok := ids[c.ID]; ok || c.ID == 0 {
				t.Errorf("%s: id %d is missing or that of %s", name, c.ID, other)
			}
			ids[c.ID] = name
			if !slices.Contains(c.Aliases, strconv.FormatUint(c.ID, 10)) {
				t.Errorf("%s cannot be called by its id %d", name, c.ID)
			}
		}
		if name == "dev" {
			continue
		}
		if len(c.Upstreams) < 2 {
			t.Errorf("%s has no second upstream to turn to", name)
		}
		for _, u := range c.Upstreams {
			u.Validate(func(key, message string) { t.Errorf("%s %s: %s: %s", name, u.Name, key, message) })
			if !strings.HasPrefix(u.URL.Reveal(), "https://") {
				t.Errorf("%s %s: a public endpoint is asked by https", name, u.Name)
			}
		}
	}
	for _, name := range []string{"dev", "ethereum", "base", "arbitrum", "optimism", "polygon", "bsc", "avalanche", "gnosis", "solana"} {
		if _, ok := up.Chains[name]; !ok {
			t.Errorf("chain %s is missing", name)
		}
	}
}

// matching returns the listed methods that a pattern matches, or the pattern
// itself if it is a plain name.
func matching(methods map[string]chain.Price, pattern string) []string {
	prefix, ok := strings.CutSuffix(pattern, "*")
	if !ok {
		return []string{pattern}
	}
	var names []string
	for name := range methods {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

func priceOf(kind chain.KindPrices, method string) chain.Price {
	if price, ok := kind.Methods[method]; ok {
		return price
	}
	return kind.Default
}

func throughput(p chain.Price) uint32 {
	if p.Throughput != nil {
		return *p.Throughput
	}
	return p.CU
}
