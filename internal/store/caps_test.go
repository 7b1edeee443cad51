package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
)

func TestCapReachesTheEdge(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db := d.open(t)
		org, other := newOrg(t, db, "acme"), newOrg(t, db, "zoo")
		k1, k2, foreign := newKey(t, db, org.ID), newKey(t, db, org.ID), newKey(t, db, other.ID)
		if bytes.Compare(k1.Hash[:], k2.Hash[:]) > 0 {
			k1, k2 = k2, k1
		}
		w := watch(t, d.connect(t))
		w.expect(t, allChanged, true)

		until := account.MonthOf(day("00:00:00")).AddDate(0, 1, 0)
		changed, err := db.SetCapped(t.Context(), org.ID, time.Time{}, until)
		if err != nil || !changed {
			t.Fatalf("%v, %v", changed, err)
		}
		w.expect(t, keyChanged(k1), keyChanged(k2))
		for _, k := range []account.Key{k1, k2, foreign} {
			g, err := db.GrantByHash(t.Context(), k.Hash)
			must(t, err)
			if capped := g.CappedAt(until.Add(-1)); capped != (k.Org == org.ID) || g.CappedAt(until) {
				t.Errorf("key of %s: capped %v until %s", k.Org, capped, g.CappedUntil)
			}
		}

		// Who has read another state decides nothing.
		if changed, err := db.SetCapped(t.Context(), org.ID, time.Time{}, day("12:00:00")); changed || err != nil {
			t.Errorf("changed by somebody who was late: %v, %v", changed, err)
		}
		if changed, err := db.SetCapped(t.Context(), org.ID, until, time.Time{}); !changed || err != nil {
			t.Errorf("not lifted: %v, %v", changed, err)
		}
		if g, err := db.GrantByHash(t.Context(), k1.Hash); err != nil || !g.CappedUntil.IsZero() {
			t.Errorf("after it was lifted: %s, %v", g.CappedUntil, err)
		}
	})
}

func TestBounds(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db := d.open(t)
		org := newOrg(t, db, "acme") // the free plan has a quota
		must(t, db.PutPlan(t.Context(), account.Plan{ID: "open"}))
		unbound := account.Org{ID: account.NewOrgID(), Name: "zoo", Plan: "open", CreatedAt: day("09:00:00")}
		must(t, db.CreateOrg(t.Context(), unbound))
		check := func(want ...store.OrgBounds) {
			t.Helper()
			got, err := db.Bounds(t.Context())
			must(t, err)
			byOrg := cmp.Transformer("byOrg", func(list []store.OrgBounds) map[account.OrgID]store.OrgBounds {
				m := make(map[account.OrgID]store.OrgBounds)
				for _, b := range list {
					m[b.Org] = b
				}
				return m
			})
			if diff := cmp.Diff(want, got, byOrg); diff != "" {
				t.Error(diff)
			}
		}
		check(store.OrgBounds{Org: org.ID, MonthlyCU: 1_000_000})
		must(t, db.SetSpendCap(t.Context(), unbound.ID, 500))
		check(store.OrgBounds{Org: org.ID, MonthlyCU: 1_000_000}, store.OrgBounds{Org: unbound.ID, SpendCap: 500})
		must(t, db.SetSpendCap(t.Context(), unbound.ID, 0))
		if _, err := db.SetCapped(t.Context(), unbound.ID, time.Time{}, day("20:00:00")); err != nil {
			t.Fatal(err)
		}
		check(store.OrgBounds{Org: org.ID, MonthlyCU: 1_000_000}, store.OrgBounds{Org: unbound.ID, CappedUntil: day("20:00:00")})
		if err := db.SetSpendCap(t.Context(), account.NewOrgID(), 1); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("an organisation that is not there: %v", err)
		}
	})
}

func TestAlertIsRaisedOnceAMonth(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db := d.open(t)
		org := newOrg(t, db, "acme")
		month := account.MonthOf(day("00:00:00"))
		a := store.Alert{Org: org.ID, Month: month, Kind: store.QuotaAlert, Percent: 80, Used: 810, Bound: 1000, RaisedAt: day("10:00:00")}
		raise := func(a store.Alert, want bool) {
			t.Helper()
			if raised, err := db.RaiseAlert(t.Context(), a); raised != want || err != nil {
				t.Errorf("raise %+v: %v, %v; want %v", a, raised, err, want)
			}
		}
		raise(a, true)
		again := a
		again.Used, again.RaisedAt = 900, day("11:00:00")
		raise(again, false)
		all, spend, next := a, a, a
		all.Percent, spend.Kind, next.Month = 100, store.SpendAlert, month.AddDate(0, 1, 0)
		raise(all, true)
		raise(spend, true)
		raise(next, true)
		if _, err := db.RaiseAlert(t.Context(), store.Alert{Org: account.NewOrgID(), Month: month}); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("an organisation that is not there: %v", err)
		}

		alerts, err := db.Alerts(t.Context(), month)
		must(t, err)
		if diff := cmp.Diff([]store.Alert{a, all, spend}, alerts); diff != "" {
			t.Error(diff)
		}
		items, err := db.Claim(t.Context(), store.AlertTopic, 10, time.Minute, day("12:00:00"))
		must(t, err)
		if len(items) != 4 || items[1].Key != org.ID.String()+"/2026-03/quota/80" {
			t.Fatalf("%d items, %+v", len(items), items)
		}
		var payload map[string]any
		must(t, json.Unmarshal(items[1].Payload, &payload))
		if diff := cmp.Diff(map[string]any{
			"org": org.ID.String(), "month": "2026-03-01T00:00:00Z", "kind": "quota", "percent": 80.0,
			"used": 810.0, "bound": 1000.0, "raised_at": "2026-03-14T10:00:00Z",
		}, payload); diff != "" {
			t.Error(diff)
		}
	})
}
