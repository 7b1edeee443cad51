package account_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/internal/account"
)

const dollar = account.Micros(1_000_000)

// team is a pricing with everything in it.
func team() *account.Pricing {
	return &account.Pricing{
		ID: "team-2026-11",
		Base: account.Rate{
			Included: 10_000_000,
			Tiers: []account.Tier{
				{UpTo: 50_000_000, PerMillion: 2 * dollar},
				{UpTo: 100_000_000, PerMillion: dollar},
				{PerMillion: dollar / 2},
			},
		},
		Overrides: []account.Override{
			{Chain: "solana", Rate: account.Rate{Tiers: []account.Tier{{PerMillion: 3 * dollar}}}},
			{Method: "eth_getLogs", Rate: account.Rate{Included: 1_000_000, Tiers: []account.Tier{{PerMillion: 5 * dollar}}}},
			{Chain: "base", Method: "eth_getLogs", Rate: account.Rate{}},
		},
		Minimum: 49 * dollar,
	}
}

func TestCost(t *testing.T) {
	p := team()
	for _, c := range []struct {
		line string
		cu   int64
		want string
	}{
		{account.BaseLine, 0, "0.000000"},
		{account.BaseLine, 10_000_000, "0.000000"}, // included
		{account.BaseLine, 10_000_001, "0.000002"},
		{account.BaseLine, 11_000_000, "2.000000"},
		{account.BaseLine, 50_000_000, "80.000000"}, // the first tier less what is included
		{account.BaseLine, 50_000_001, "80.000001"},
		{account.BaseLine, 100_000_000, "130.000000"},
		{account.BaseLine, 100_000_001, "130.000001"}, // half a micro rounds up
		{account.BaseLine, 100_000_002, "130.000001"},
		{account.BaseLine, 102_000_000, "131.000000"},
		{"solana/*", 1_000_000, "3.000000"},
		{"*/eth_getLogs", 1_000_000, "0.000000"},
		{"*/eth_getLogs", 1_200_000, "1.000000"},
		{"base/eth_getLogs", 1_000_000, "0.000000"}, // no tiers: free
		{"polygon/*", 1_000_000, "0.000000"},        // no such line
	} {
		got, err := p.Cost(c.line, c.cu)
		if err != nil || got.String() != c.want {
			t.Errorf("%d CU in %s cost %s, %v; want %s", c.cu, c.line, got, err, c.want)
		}
	}
	if got, err := (*account.Pricing)(nil).Cost(account.BaseLine, 1e12); got != 0 || err != nil {
		t.Errorf("without a pricing: %s, %v", got, err)
	}
	if got, err := p.Cost(account.BaseLine, -1); got != 0 || err != nil {
		t.Errorf("less than nothing: %s, %v", got, err)
	}
}

func TestIncludedBeyondTheFirstTier(t *testing.T) {
	p := &account.Pricing{Base: account.Rate{Included: 150, Tiers: []account.Tier{
		{UpTo: 100, PerMillion: 7 * dollar}, {UpTo: 200, PerMillion: 2 * dollar}, {PerMillion: dollar},
	}}}
	for cu, want := range map[int64]account.Micros{100: 0, 150: 0, 200: 100, 210: 110} {
		if got, err := p.Cost(account.BaseLine, cu); got != want || err != nil {
			t.Errorf("%d CU cost %s, %v; want %s", cu, got, err, want)
		}
	}
}

func TestLines(t *testing.T) {
	p := team()
	for _, c := range []struct {
		chain, method, line string
		byMethod            bool
	}{
		{"ethereum", "eth_call", account.BaseLine, false},
		{"solana", "getSlot", "solana/*", false},
		{"ethereum", "eth_getLogs", "*/eth_getLogs", true},
		{"solana", "eth_getLogs", "*/eth_getLogs", true}, // method before chain
		{"base", "eth_getLogs", "base/eth_getLogs", true},
		{"base", "eth_call", account.BaseLine, false},
		{"", "", account.BaseLine, false},
	} {
		if line, byMethod := p.Line(c.chain, c.method); line != c.line || byMethod != c.byMethod {
			t.Errorf("%s on %s is in %q, by method %v; want %q, %v", c.method, c.chain, line, byMethod, c.line, c.byMethod)
		}
	}
	if line, _ := (*account.Pricing)(nil).Line("solana", "getSlot"); line != account.BaseLine {
		t.Errorf("without a pricing: %q", line)
	}
	slices.Reverse(p.Overrides) // their order means nothing
	if line, _ := p.Line("base", "eth_getLogs"); line != "base/eth_getLogs" {
		t.Errorf("in another order: %q", line)
	}
}

func TestMinimumIsProportional(t *testing.T) {
	march := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) // 744 hours
	for _, c := range []struct {
		name   string
		shares []account.Share
		want   account.Micros
	}{
		{"whole month", []account.Share{{Minimum: 49 * dollar, Hours: 744}}, 49 * dollar},
		{"half of it", []account.Share{{Minimum: 49 * dollar, Hours: 372}}, 49 * dollar / 2},
		{"changed", []account.Share{{Minimum: 10 * dollar, Hours: 372}, {Minimum: 20 * dollar, Hours: 372}}, 15 * dollar},
		{"one hour", []account.Share{{Minimum: dollar, Hours: 1}}, 1344}, // 1344.09
		{"half rounds up", []account.Share{{Minimum: 372, Hours: 1}}, 1},
		{"less does not", []account.Share{{Minimum: 371, Hours: 1}}, 0},
		{"none", nil, 0},
	} {
		if got, err := account.MinimumOf(march, c.shares); got != c.want || err != nil {
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
		}
	}
}

func randomRate(r *rand.Rand) account.Rate {
	rate := account.Rate{Included: r.Int64N(3) * r.Int64N(1e7)}
	upTo := int64(0)
	for range r.IntN(4) {
		upTo += 1 + r.Int64N(1e8)
		rate.Tiers = append(rate.Tiers, account.Tier{UpTo: upTo, PerMillion: account.Micros(r.Int64N(3e6))})
	}
	if r.IntN(8) > 0 {
		rate.Tiers = append(rate.Tiers, account.Tier{PerMillion: account.Micros(r.Int64N(3e6))})
	} else if n := len(rate.Tiers); n > 0 {
		rate.Tiers[n-1].UpTo = 0
	}
	return rate
}

// exact is the cost by the definition, one compute unit's tier after the other
// in rational numbers, rounded half up.
func exact(r account.Rate, n int64) *big.Int {
	sum, from := new(big.Int), r.Included
	for _, tier := range r.Tiers {
		to := n
		if tier.UpTo > 0 && tier.UpTo < n {
			to = tier.UpTo
		}
		if to > from {
			part := new(big.Int).Mul(big.NewInt(to-from), big.NewInt(int64(tier.PerMillion)))
			sum.Add(sum, part)
			from = to
		}
	}
	sum.Add(sum, big.NewInt(500_000))
	return sum.Div(sum, big.NewInt(1_000_000))
}

// TestPartsAddUpToTheWhole is the rounding rule: however a month's usage is
// divided, its parts cost what the whole costs, and that is the exact cost
// rounded once.
func TestPartsAddUpToTheWhole(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for round := range 2000 {
		rate := randomRate(r)
		p := &account.Pricing{ID: "p", Base: rate}
		p.Validate(func(key, message string) { t.Fatalf("seed %d round %d: %s %s", seed, round, key, message) })
		var used int64
		var sum, before account.Micros
		for range 1 + r.IntN(50) {
			used += r.Int64N(1 + r.Int64N(1e7))
			after, err := p.Cost(account.BaseLine, used)
			if err != nil {
				t.Fatal(err)
			}
			if after < before {
				t.Fatalf("seed %d round %d: the cost falls to %s at %d CU", seed, round, after, used)
			}
			sum += after - before
			before = after
		}
		if want := exact(rate, used); want.Cmp(big.NewInt(int64(sum))) != 0 {
			t.Fatalf("seed %d round %d: parts cost %d micros, %d CU at %+v cost %v", seed, round, sum, used, rate, want)
		}
	}
}

func TestLargeAmounts(t *testing.T) {
	p := &account.Pricing{ID: "p", Base: account.Rate{Tiers: []account.Tier{{PerMillion: 1e6}}}}
	if got, err := p.Cost(account.BaseLine, math.MaxInt64); got != math.MaxInt64 || err != nil {
		t.Errorf("a micro a CU: %d, %v", got, err)
	}
	p.Base.Tiers[0].PerMillion++
	if got, err := p.Cost(account.BaseLine, math.MaxInt64); !errors.Is(err, account.ErrOverflow) {
		t.Errorf("more than can be said: %d, %v", got, err)
	}
	p.Base.Tiers[0].PerMillion = math.MaxInt64
	if got, err := p.Cost(account.BaseLine, math.MaxInt64); !errors.Is(err, account.ErrOverflow) {
		t.Errorf("both at their ends: %d, %v", got, err)
	}
	if got, err := p.Cost(account.BaseLine, 1_000_000); got != math.MaxInt64 || err != nil {
		t.Errorf("a million at the largest price: %d, %v", got, err)
	}
}

func TestMicrosText(t *testing.T) {
	for m, want := range map[account.Micros]string{
		0: "0.000000", 1: "0.000001", -1: "-0.000001", 12_345_678: "12.345678", -2_500_000: "-2.500000",
		math.MaxInt64: "9223372036854.775807", math.MinInt64: "-9223372036854.775808",
	} {
		if got := m.String(); got != want {
			t.Errorf("%d is %q, want %q", int64(m), got, want)
		}
	}
}

func TestPricingFaults(t *testing.T) {
	p := account.Pricing{
		Minimum: -1,
		Base: account.Rate{Included: -1, Tiers: []account.Tier{
			{UpTo: 10, PerMillion: -1}, {UpTo: 10, PerMillion: 1}, {UpTo: 5}, {UpTo: 20},
		}},
		Overrides: []account.Override{
			{},
			{Chain: "eth"},
			{Chain: "eth", Method: "m"},
			{Chain: "eth"},
			{Method: "m", Rate: account.Rate{Tiers: []account.Tier{{PerMillion: 2e9}}}},
		},
	}
	var got []string
	p.Validate(func(key, message string) { got = append(got, fmt.Sprintf("%s %s", key, message)) })
	want := []string{
		"id must be set",
		"minimum_micros must be between 0 and 1000000000000000",
		"base.included must not be negative",
		"base.tiers[0].per_million_micros must be between 0 and 1000000000",
		"base.tiers[1].up_to must be more than in the tier before it",
		"base.tiers[2].up_to must be more than in the tier before it",
		"base.tiers[3].up_to must be 0 in the last tier, which does not end",
		"overrides[0] must have a chain, a method or both",
		"overrides[3] is the second one for eth/*",
		"overrides[4].tiers[0].per_million_micros must be between 0 and 1000000000",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	team().Validate(func(key, message string) { t.Errorf("a good one: %s %s", key, message) })
}

func BenchmarkCost(b *testing.B) {
	p := team()
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n += 1_000_003 {
		if _, err := p.Cost(account.BaseLine, n); err != nil {
			b.Fatal(err)
		}
	}
}
