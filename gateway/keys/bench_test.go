package keys_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"pokt.ai/gateway/keys"
	"pokt.ai/internal/account"
)

func TestLookupAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	old := hasher(t, 3)
	f := newFixture(t, nil, old)
	defer f.Close()
	current, _ := f.add("alpha")
	older, unknown := newToken(t), newToken(t)
	f.src.update(old.Sum(older), func(k *account.Key) { k.Name = "old" })
	ctx, now := t.Context(), time.Now()
	for name, token := range map[string][]byte{
		"hit":                 current,
		"hit of an older key": older,
		"unknown":             unknown,
		"malformed":           unknown[1:],
	} {
		_, want := f.Lookup(ctx, token, now)
		if n := testing.AllocsPerRun(5000, func() {
			if _, err := f.Lookup(ctx, token, now); err != want { //nolint:errorlint // the very same value
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// anyKey knows every key.
type anyKey struct{}

func (anyKey) GrantByHash(_ context.Context, hash account.Hash) (account.Grant, error) {
	return account.Grant{Key: account.Key{Name: "alpha", Hash: hash}}, nil
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1, 1_000_000} {
		b.Run(fmt.Sprintf("hit_of_%d", n), func(b *testing.B) {
			f := newFixture(b, nil)
			defer f.Close()
			cfg := keys.DefaultConfig()
			cfg.MaxEntries = 2_000_000
			build := func(context.Context, account.Grant) (*int, error) { return new(int), nil }
			c, err := keys.New(b.Context(), cfg, anyKey{}, []*account.Hasher{f.hasher}, build, metrics.NewSet())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			c.SetConnected(true)
			ctx, now := b.Context(), time.Now()
			const size = account.TokenLen
			tokens := make([]byte, 0, n*size)
			for range n {
				tokens = append(tokens, newToken(b)...)
				if _, err := c.Lookup(ctx, tokens[len(tokens)-size:], now); err != nil {
					b.Fatal(err)
				}
			}
			random := rand.New(rand.NewPCG(1, 2))
			runtime.GC()
			b.ReportAllocs()
			for b.Loop() {
				i := random.IntN(n) * size
				if _, err := c.Lookup(ctx, tokens[i:i+size], now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("unknown", func(b *testing.B) {
		f := newFixture(b, nil)
		defer f.Close()
		token, ctx, now := newToken(b), b.Context(), time.Now()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.Lookup(ctx, token, now); err == nil {
				b.Fatal("found")
			}
		}
	})
	b.Run("hash_alone", func(b *testing.B) {
		h, token := hasher(b, 1), newToken(b)
		b.ReportAllocs()
		for b.Loop() {
			h.Sum(token)
		}
	})
}
