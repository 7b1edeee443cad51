package account_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/internal/account"
)

func TestLimitsOver(t *testing.T) {
	plan := account.Limits{CallsPerSecond: 25, CallsBurst: 50, CUPerSecond: 500, CUBurst: 2000}
	for _, c := range []struct {
		name            string
		key, plan, want account.Limits
	}{
		{"all from the plan", account.Limits{}, plan, plan},
		{"no limits at all", account.Limits{}, account.Limits{}, account.Limits{}},
		{
			"a burst is one second's worth if nobody says more",
			account.Limits{},
			account.Limits{CallsPerSecond: 25, CUPerSecond: 500},
			account.Limits{CallsPerSecond: 25, CallsBurst: 25, CUPerSecond: 500, CUBurst: 500},
		},
		{
			"the plan's burst does not go with a rate of the key's own",
			account.Limits{CallsPerSecond: 5, CUPerSecond: 100},
			plan,
			account.Limits{CallsPerSecond: 5, CallsBurst: 5, CUPerSecond: 100, CUBurst: 100},
		},
		{
			"a burst of the key's own goes with the plan's rate",
			account.Limits{CallsBurst: 30, CUBurst: 600},
			plan,
			account.Limits{CallsPerSecond: 25, CallsBurst: 30, CUPerSecond: 500, CUBurst: 600},
		},
		{
			"each rate for itself",
			account.Limits{CallsPerSecond: 5, CallsBurst: 7},
			plan,
			account.Limits{CallsPerSecond: 5, CallsBurst: 7, CUPerSecond: 500, CUBurst: 2000},
		},
		{"a key may have more than its plan", account.Limits{CallsPerSecond: 100, CallsBurst: 200, CUPerSecond: 900, CUBurst: 901}, plan, account.Limits{CallsPerSecond: 100, CallsBurst: 200, CUPerSecond: 900, CUBurst: 901}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.key.Over(c.plan)); diff != "" {
				t.Error(diff)
			}
			g := account.Grant{Key: account.Key{Limits: c.key}, Plan: account.Plan{Limits: c.plan}}
			if diff := cmp.Diff(c.want, g.Limits()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUsableAt(t *testing.T) {
	noon := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	before, after := noon.Add(-time.Microsecond), noon.Add(time.Microsecond)
	for _, c := range []struct {
		name             string
		expires, revoked time.Time
		want             bool
	}{
		{"neither", time.Time{}, time.Time{}, true},
		{"expires later", after, time.Time{}, true},
		{"expires now", noon, time.Time{}, false},
		{"expired", before, time.Time{}, false},
		{"to be revoked", time.Time{}, after, true},
		{"revoked now", time.Time{}, noon, false},
		{"revoked", time.Time{}, before, false},
		{"revoked before it expires", after, before, false},
		{"expired before it is revoked", before, after, false},
	} {
		k := account.Key{ExpiresAt: c.expires, RevokedAt: c.revoked}
		if got := k.UsableAt(noon); got != c.want {
			t.Errorf("%s: usable is %v", c.name, got)
		}
	}
}
