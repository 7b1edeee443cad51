package store_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
)

func hour(clock string) time.Time { return day(clock + ":00:00") }

// ledgerRow is calls of an hour booked in another.
func ledgerRow(org account.OrgID, of, booked string, calls int64) store.LedgerRow {
	return store.LedgerRow{
		Org: org, Booked: hour(booked), Hour: hour(of), Line: "base", Chain: "eth", Key: 7, Prices: "v1", Pricing: "p1",
		Calls: calls, CU: 20 * calls, Amount: account.Micros(100 * calls),
	}
}

func head(t testing.TB, db *store.DB) store.LedgerHead {
	t.Helper()
	h, err := db.LedgerHead(t.Context())
	must(t, err)
	return h
}

func closeHour(t testing.TB, db *store.DB, clock string, rows ...store.LedgerRow) {
	t.Helper()
	ok, err := db.CloseHour(t.Context(), store.Closing{Head: head(t, db), Hour: hour(clock), Rows: rows, At: day("23:00:00")})
	must(t, err)
	if !ok {
		t.Fatalf("%s was not closed", clock)
	}
}

func TestHourIsClosedOnceWithItsRows(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db, org := d.open(t), account.NewOrgID()
		if h := head(t, db); !h.ClosedUntil.IsZero() {
			t.Fatalf("a new ledger is closed until %s", h.ClosedUntil)
		}
		stale := head(t, db)
		eth, solana := ledgerRow(org, "10", "10", 5), ledgerRow(org, "10", "10", 3)
		solana.Chain, solana.Line, solana.Method = "solana", "solana/getSlot", "getSlot"
		closeHour(t, db, "10", eth, solana)

		// Whoever read the ledger before changes nothing now.
		ok, err := db.CloseHour(t.Context(), store.Closing{Head: stale, Hour: hour("10"), Rows: []store.LedgerRow{eth, solana}})
		if ok || err != nil {
			t.Errorf("closed a second time: %v, %v", ok, err)
		}
		ok, err = db.CloseHour(t.Context(), store.Closing{Head: stale, Hour: hour("11")})
		if ok || err != nil {
			t.Errorf("closed on what is not true any more: %v, %v", ok, err)
		}
		// Hours are closed one after the other, with rows of their own.
		if _, err := db.CloseHour(t.Context(), store.Closing{Head: head(t, db), Hour: hour("12")}); err == nil {
			t.Error("an hour was left out")
		}
		if _, err := db.CloseHour(t.Context(), store.Closing{Head: head(t, db), Hour: hour("11"), Rows: []store.LedgerRow{eth}}); err == nil {
			t.Error("a row was booked in a closed hour")
		}
		if _, err := db.CloseHour(t.Context(), store.Closing{Head: head(t, db), Hour: hour("11"), Rows: []store.LedgerRow{
			ledgerRow(org, "11", "11", 1), ledgerRow(org, "11", "11", 2),
		}}); !errors.Is(err, account.ErrConflict) {
			t.Errorf("two rows for the same calls: %v", err)
		}

		late := ledgerRow(org, "10", "11", 2)
		before := ledgerRow(org, "09", "11", 1) // no such hour was closed
		closeHour(t, db, "11", late, before)
		closeHour(t, db, "12")
		if h := head(t, db); !h.ClosedFrom.Equal(hour("10")) || !h.ClosedUntil.Equal(hour("13")) {
			t.Errorf("closed from %s until %s", h.ClosedFrom, h.ClosedUntil)
		}

		hours, err := db.ClosedHours(t.Context(), hour("00"), hour("23"))
		must(t, err)
		at := day("23:00:00")
		if diff := cmp.Diff([]store.ClosedHour{
			{Hour: hour("09"), ClosedAt: at, Calls: 1, CU: 20, Amount: 100},
			{Hour: hour("10"), ClosedAt: at, Calls: 10, CU: 200, Amount: 1000},
			{Hour: hour("11"), ClosedAt: at},
			{Hour: hour("12"), ClosedAt: at},
		}, hours); diff != "" {
			t.Errorf("closed hours: %s", diff)
		}
		want := []store.Balance{
			{Org: org, Month: account.MonthOf(day("10:00:00")), Line: "base", CU: 160, Amount: 800},
			{Org: org, Month: account.MonthOf(day("10:00:00")), Line: "solana/getSlot", CU: 60, Amount: 300},
		}
		kept, err := db.Balances(t.Context(), want[0].Month)
		must(t, err)
		summed, err := db.BalancesAt(t.Context(), hour("13"))
		must(t, err)
		if diff := cmp.Diff([][]store.Balance{want, want}, [][]store.Balance{kept, summed}); diff != "" {
			t.Errorf("balances: %s", diff)
		}
		if summed, err = db.BalancesAt(t.Context(), hour("11")); err != nil || summed[0].CU != 100 {
			t.Errorf("balances before 11: %+v, %v", summed, err)
		}

		booked, err := db.LedgerBooked(t.Context(), hour("11"))
		must(t, err)
		ofHour, err := db.LedgerOfHour(t.Context(), hour("10"))
		must(t, err)
		byCalls := cmp.Transformer("sort", func(rows []store.LedgerRow) map[int64]store.LedgerRow {
			m := make(map[int64]store.LedgerRow)
			for _, r := range rows {
				m[r.Calls] = r
			}
			return m
		})
		if diff := cmp.Diff([]store.LedgerRow{late, before}, booked, byCalls); diff != "" {
			t.Errorf("booked in 11: %s", diff)
		}
		if diff := cmp.Diff([]store.LedgerRow{eth, solana, late}, ofHour, byCalls); diff != "" {
			t.Errorf("calls of 10: %s", diff)
		}
	})
}

func TestManyCloseOneHour(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db, org := d.open(t), account.NewOrgID()
		before := head(t, db)
		var won atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			other := d.connect(t)
			wg.Go(func() {
				ok, err := other.CloseHour(t.Context(), store.Closing{Head: before, Hour: hour("10"), Rows: []store.LedgerRow{ledgerRow(org, "10", "10", 5)}})
				if err != nil {
					t.Error(err)
				}
				if ok {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		hours, err := db.ClosedHours(t.Context(), hour("00"), hour("23"))
		must(t, err)
		if won.Load() != 1 || len(hours) != 1 || hours[0].Calls != 5 {
			t.Errorf("%d closed it, with %+v", won.Load(), hours)
		}
	})
}

func TestLedgerIsAppendOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db := d.open(t)
		closeHour(t, db, "10", ledgerRow(account.NewOrgID(), "10", "10", 5))
		for _, statement := range []string{`UPDATE ledger SET amount_micros = 0`, `DELETE FROM ledger`} {
			if err := d.tryExec(t, statement); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", statement, err)
			}
		}
		if rows, err := db.LedgerBooked(t.Context(), hour("10")); err != nil || len(rows) != 1 || rows[0].Amount != 500 {
			t.Errorf("%+v, %v", rows, err)
		}
	})
}

func TestPricingIsNeverChanged(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db := d.open(t)
		p := account.Pricing{
			ID: "team-1", Minimum: 5, CreatedAt: day("08:00:00"),
			Base:      account.Rate{Included: 10, Tiers: []account.Tier{{UpTo: 100, PerMillion: 2}, {PerMillion: 1}}},
			Overrides: []account.Override{{Chain: "eth", Method: "eth_call", Rate: account.Rate{Included: 3}}},
		}
		must(t, db.CreatePricing(t.Context(), p))
		again := p
		again.CreatedAt = day("09:00:00")
		must(t, db.CreatePricing(t.Context(), again))
		again.Minimum++
		if err := db.CreatePricing(t.Context(), again); !errors.Is(err, account.ErrConflict) {
			t.Errorf("other prices under one id: %v", err)
		}
		list, err := db.Pricings(t.Context())
		must(t, err)
		if diff := cmp.Diff([]account.Pricing{p}, list); diff != "" {
			t.Error(diff)
		}
	})
}

func TestPricesOfOrganisations(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db := d.open(t)
		for _, id := range []string{"p1", "p2", "p3"} {
			must(t, db.CreatePricing(t.Context(), account.Pricing{ID: id}))
		}
		plan := account.Plan{ID: "team", Name: "Team", Pricing: "p1"}
		must(t, db.PutPlan(t.Context(), plan))
		org := account.Org{ID: account.NewOrgID(), Name: "acme", Plan: "team", CreatedAt: day("09:30:00"), SpendCap: 7}
		must(t, db.CreateOrg(t.Context(), org))
		want := []store.OrgPricing{{Org: org.ID, From: hour("09"), Pricing: "p1"}}
		check := func(what string) {
			t.Helper()
			got, err := db.OrgPricings(t.Context())
			must(t, err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		check("a new organisation pays what its plan says")
		if o, err := db.Org(t.Context(), org.ID); err != nil || o.SpendCap != 7 {
			t.Errorf("%+v, %v", o, err)
		}

		plan.Pricing = "p2"
		must(t, db.PutPlan(t.Context(), plan))
		check("and goes on paying it when the plan gets other prices")
		if p, err := db.Plan(t.Context(), "team"); err != nil || p.Pricing != "p2" {
			t.Errorf("%+v, %v", p, err)
		}

		set := func(from time.Time, pricing string) error {
			return db.SetPricing(t.Context(), store.OrgPricing{Org: org.ID, From: from, Pricing: pricing})
		}
		must(t, set(hour("12"), "p2"))
		must(t, set(hour("14"), "p3"))
		must(t, set(hour("13"), ""))
		want = append(want, store.OrgPricing{Org: org.ID, From: hour("12"), Pricing: "p2"}, store.OrgPricing{Org: org.ID, From: hour("13")})
		check("what was to come later is replaced")

		if err := set(day("15:00:01"), "p2"); err == nil {
			t.Error("prices changed within an hour")
		}
		for _, id := range []string{"p9"} {
			if err := set(hour("15"), id); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("pricing %q: %v", id, err)
			}
			if err := db.PutPlan(t.Context(), account.Plan{ID: "x", Pricing: id}); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("plan with pricing %q: %v", id, err)
			}
		}
		if err := db.SetPricing(t.Context(), store.OrgPricing{Org: account.NewOrgID(), From: hour("15"), Pricing: "p1"}); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("an organisation that is not there: %v", err)
		}

		closeHour(t, db, "11")
		closeHour(t, db, "12")
		if err := set(hour("12"), "p3"); !errors.Is(err, account.ErrConflict) {
			t.Errorf("other prices for a closed hour: %v", err)
		}
		stale := head(t, db)
		must(t, set(hour("13"), "p3"))
		want[2].Pricing = "p3"
		check("the first open hour can be changed")
		// Somebody was closing it with the prices before.
		if ok, err := db.CloseHour(t.Context(), store.Closing{Head: stale, Hour: hour("13")}); ok || err != nil {
			t.Errorf("closed with outdated prices: %v, %v", ok, err)
		}
		closeHour(t, db, "13")

		// An organisation may be made while its hour is closed; it pays from then
		// on, so that what is closed stays true.
		late := account.Org{ID: account.NewOrgID(), Name: "late", Plan: "team", CreatedAt: day("13:59:59")}
		must(t, db.CreateOrg(t.Context(), late))
		got, err := db.OrgPricings(t.Context())
		must(t, err)
		found := false
		for _, p := range got {
			if p.Org == late.ID {
				found = p.From.Equal(hour("14")) && p.Pricing == "p2"
			}
		}
		if !found {
			t.Errorf("prices of an organisation made late: %+v", got)
		}
	})
}
