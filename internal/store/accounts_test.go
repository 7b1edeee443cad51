package store_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
)

func TestPlans(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db, ctx := d.open(t), t.Context()
		if _, err := db.Plan(ctx, "free"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("a plan that is not there: %v", err)
		}
		free, team := freePlan(), account.Plan{ID: "Team", Name: "Team"}
		must(t, db.PutPlan(ctx, free))
		must(t, db.PutPlan(ctx, team))

		changed := free
		changed.Name, changed.Limits, changed.MonthlyCU = "Free forever", account.Limits{CUBurst: 7}, 0
		changed.CreatedAt = day("23:00:00")
		must(t, db.PutPlan(ctx, changed))
		changed.CreatedAt = free.CreatedAt // a change does not make it younger

		plan, err := db.Plan(ctx, "free")
		must(t, err)
		if diff := cmp.Diff(changed, plan); diff != "" {
			t.Error(diff)
		}
		plans, err := db.Plans(ctx)
		must(t, err)
		if diff := cmp.Diff([]account.Plan{team, changed}, plans); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOrgs(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db, ctx := d.open(t), t.Context()
		zoo, acme := newOrg(t, db, "Zoo"), newOrg(t, db, "acme")

		byID, err := db.Org(ctx, acme.ID)
		must(t, err)
		byName, err := db.OrgByName(ctx, "acme")
		must(t, err)
		orgs, err := db.Orgs(ctx)
		must(t, err)
		// Upper case comes first, whatever the database thinks of order.
		if diff := cmp.Diff([]account.Org{acme, acme, zoo, acme}, append([]account.Org{byID, byName}, orgs...)); diff != "" {
			t.Error(diff)
		}

		if _, err := db.Org(ctx, account.NewOrgID()); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("an id that is not there: %v", err)
		}
		if _, err := db.OrgByName(ctx, "ACME"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("a name in another case: %v", err)
		}
		for why, o := range map[string]account.Org{
			"name": {ID: account.NewOrgID(), Name: "acme", Plan: "free"},
			"id":   {ID: acme.ID, Name: "other", Plan: "free"},
		} {
			if err := db.CreateOrg(ctx, o); !errors.Is(err, account.ErrConflict) {
				t.Errorf("a second organisation with that %s: %v", why, err)
			}
		}
		o := account.Org{ID: account.NewOrgID(), Name: "late", Plan: "gold"}
		if err := db.CreateOrg(ctx, o); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("an organisation with a plan that is not there: %v", err)
		}
	})
}

func TestKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db, ctx := d.open(t), t.Context()
		org, other := newOrg(t, db, "acme"), newOrg(t, db, "other")
		newKey(t, db, other.ID)

		full := keyOf(org.ID)
		full.Env, full.Pepper = account.Test, 3
		full.Limits = account.Limits{CallsPerSecond: 1, CallsBurst: 2, CUPerSecond: 3, CUBurst: 4}
		full.Allow = account.Allow{
			Origins: []string{"https://*.example"}, IPs: []string{"10.0.0.0/8", "::1"},
			Chains: []string{"eth"}, Methods: []string{"eth_*"}, Contracts: []string{"0xab"},
		}
		full.CreatedAt = day("12:00:00").Add(123456 * time.Microsecond)
		full.ExpiresAt, full.RevokedAt = day("13:00:00"), day("14:00:00")
		full.RotatedTo = account.NewKeyID()
		must(t, db.CreateKey(ctx, full))
		plain := newKey(t, db, org.ID) // older

		k, err := db.Key(ctx, full.ID)
		must(t, err)
		if diff := cmp.Diff(full, k); diff != "" {
			t.Error(diff)
		}
		keys, err := db.Keys(ctx, org.ID)
		must(t, err)
		if diff := cmp.Diff([]account.Key{plain, full}, keys); diff != "" {
			t.Error(diff)
		}
		// A revoked, expired key is found, because the caller decides.
		g, err := db.GrantByHash(ctx, full.Hash)
		must(t, err)
		if diff := cmp.Diff(account.Grant{Key: full, Plan: freePlan()}, g); diff != "" {
			t.Error(diff)
		}

		if _, err := db.Key(ctx, account.NewKeyID()); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("an id that is not there: %v", err)
		}
		if _, err := db.GrantByHash(ctx, account.Hash{}); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("a hash that is not there: %v", err)
		}
		sameHash := keyOf(org.ID)
		sameHash.Hash = full.Hash
		if err := db.CreateKey(ctx, sameHash); !errors.Is(err, account.ErrConflict) {
			t.Errorf("a second key with that hash: %v", err)
		}
		if err := db.CreateKey(ctx, keyOf(account.NewOrgID())); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("a key of an organisation that is not there: %v", err)
		}
	})
}

func TestRevokeKey(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db, ctx := d.open(t), t.Context()
		k := newKey(t, db, newOrg(t, db, "acme").ID)
		for _, step := range []struct{ at, want string }{
			{"15:00:00", "15:00:00"},
			{"16:00:00", "15:00:00"}, // repeated later: nothing changes
			{"11:00:00", "11:00:00"}, // at once, where it was to happen later
		} {
			must(t, db.RevokeKey(ctx, k.ID, day(step.at)))
			stored, err := db.Key(ctx, k.ID)
			must(t, err)
			if !stored.RevokedAt.Equal(day(step.want)) {
				t.Errorf("revoked at %s: stored %s, want %s", step.at, stored.RevokedAt, step.want)
			}
		}
		if err := db.RevokeKey(ctx, k.ID, time.Time{}); err == nil {
			t.Error("revoking at no time at all was taken: it would undo the revocation")
		}
		if err := db.RevokeKey(ctx, account.NewKeyID(), day("15:00:00")); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("a key that is not there: %v", err)
		}
	})
}

func TestRotateKey(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db, ctx := d.open(t), t.Context()
		org := newOrg(t, db, "acme")
		end := day("18:00:00")
		rotate := func(old account.Key) (account.Key, error) {
			next := keyOf(org.ID)
			return next, db.RotateKey(ctx, old.ID, next, end)
		}

		old := newKey(t, db, org.ID)
		next, err := rotate(old)
		must(t, err)
		old.ExpiresAt, old.RotatedTo = end, next.ID
		for _, want := range []account.Key{old, next} {
			k, err := db.Key(ctx, want.ID)
			must(t, err)
			if diff := cmp.Diff(want, k); diff != "" {
				t.Error(diff)
			}
		}

		soon := keyOf(org.ID)
		soon.ExpiresAt = day("17:00:00")
		must(t, db.CreateKey(ctx, soon))
		_, err = rotate(soon)
		must(t, err)
		k, err := db.Key(ctx, soon.ID)
		must(t, err)
		if !k.ExpiresAt.Equal(soon.ExpiresAt) {
			t.Errorf("rotation lengthened the life of a key from %s to %s", soon.ExpiresAt, k.ExpiresAt)
		}

		revoked := newKey(t, db, org.ID)
		must(t, db.RevokeKey(ctx, revoked.ID, day("11:00:00")))
		foreign := newKey(t, db, newOrg(t, db, "other").ID)
		for _, c := range []struct {
			what string
			old  account.Key
			want error
		}{
			{"rotated", old, account.ErrConflict},
			{"revoked", revoked, account.ErrConflict},
			{"another organisation's", foreign, account.ErrNotFound},
			{"unknown", keyOf(org.ID), account.ErrNotFound},
		} {
			next, err := rotate(c.old)
			if !errors.Is(err, c.want) {
				t.Errorf("rotating a key that is %s: %v, want %v", c.what, err, c.want)
			}
			if _, err := db.Key(ctx, next.ID); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("refused to rotate a key that is %s, and left its successor: %v", c.what, err)
			}
		}
	})
}

func TestOnlyOneOfTwoRotationsSucceeds(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		stores := []*store.DB{d.open(t), d.open(t)}
		org := newOrg(t, stores[0], "acme")
		old := newKey(t, stores[0], org.ID)
		errs := make([]error, len(stores))
		var wg sync.WaitGroup
		for i, db := range stores {
			wg.Go(func() { errs[i] = db.RotateKey(t.Context(), old.ID, keyOf(org.ID), day("18:00:00")) })
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), account.ErrConflict) {
			t.Errorf("got %v", errs)
		}
		keys, err := stores[0].Keys(t.Context(), org.ID)
		must(t, err)
		if len(keys) != 2 {
			t.Errorf("%d keys, want the old one and one successor", len(keys))
		}
	})
}

// What a gateway pays for a key that it does not have in memory.
func BenchmarkGrantByHash(b *testing.B) {
	for name, database := range map[string]func(testing.TB) database{"sqlite": newSQLite, "postgres": newPostgres} {
		b.Run(name, func(b *testing.B) {
			db := database(b).open(b)
			k := newKey(b, db, newOrg(b, db, "acme").ID)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := db.GrantByHash(b.Context(), k.Hash); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
