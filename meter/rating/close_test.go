package rating_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
)

// report lets a gateway claim its id, or report, with a watermark.
func (h *house) report(t testing.TB, id string, watermark time.Time) {
	t.Helper()
	g := account.Gateway{ID: id, Spool: id, Epoch: 1, ClaimedAt: watermark, BeatAt: watermark, Watermark: watermark}
	err := h.db.BeatGateway(t.Context(), g, nil)
	if errors.Is(err, account.ErrConflict) {
		err = h.db.ClaimGateway(t.Context(), g, nil)
	}
	must(t, err)
}

func TestHourWaitsForEveryGateway(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		org := h.newOrg(t, "acme", flat("p"))
		h.store(t, calls{at: noon.Add(5 * time.Minute), org: org, key: 1, n: 3})
		want := func(what string, until time.Time) {
			t.Helper()
			h.pass(t, noon.Add(4*time.Hour))
			if got := h.closedUntil(t); !got.Equal(until) {
				t.Errorf("%s: closed until %s, want %s", what, got, until)
			}
		}
		h.report(t, "gw-1", noon.Add(3*time.Hour))
		h.report(t, "gw-2", noon.Add(59*time.Minute))
		want("the hour is not over for gw-2", time.Time{})
		h.report(t, "gw-2", noon.Add(time.Hour))
		want("it is", noon.Add(time.Hour))
		h.report(t, "gw-2", noon.Add(30*time.Minute)) // its clock steps back
		want("closed stays closed", noon.Add(time.Hour))
		h.report(t, "gw-2", noon.Add(2*time.Hour).Add(-1))
		want("a moment is missing", noon.Add(time.Hour))

		must(t, h.db.RetireGateway(t.Context(), "gw-2", noon.Add(4*time.Hour)))
		want("nobody waits for a retired gateway", noon.Add(3*time.Hour))
		h.report(t, "gw-2", noon.Add(3*time.Hour)) // it was not gone
		h.report(t, "gw-1", noon.Add(4*time.Hour))
		want("it is waited for again", noon.Add(3*time.Hour))
		must(t, h.db.RetireGateway(t.Context(), "gw-1", noon.Add(5*time.Hour)))
		must(t, h.db.RetireGateway(t.Context(), "gw-2", noon.Add(5*time.Hour)))
		want("without gateways, an hour is closed when it is over", noon.Add(4*time.Hour))
		h.report(t, "gw-1", noon.Add(9*time.Hour)) // its clock is ahead
		h.pass(t, noon.Add(5*time.Hour).Add(-1))
		want("no hour is closed before it is over", noon.Add(4*time.Hour))
		h.wantEqual(t)
	})
}

func TestNothingIsClosedBeforeTheFirstCall(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.pass(t, noon)
		if got := h.closedUntil(t); !got.IsZero() {
			t.Errorf("closed until %s", got)
		}
	})
}

// everything is a pricing with a line of each kind.
func everything() account.Pricing {
	return account.Pricing{
		ID: "team",
		Base: account.Rate{Included: 100, Tiers: []account.Tier{
			{UpTo: 200, PerMillion: 2 * dollar}, {PerMillion: dollar},
		}},
		Overrides: []account.Override{
			{Chain: "solana", Rate: account.Rate{Tiers: []account.Tier{{PerMillion: 3 * dollar}}}},
			{Method: "eth_getLogs", Rate: account.Rate{Tiers: []account.Tier{{PerMillion: 5 * dollar}}}},
		},
	}
}

func TestLedgerRows(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		org, free := h.newOrg(t, "acme", everything()), h.newOrg(t, "zoo", account.Pricing{})
		h.store(t,
			calls{at: noon, org: org, key: 1, n: 4},
			calls{at: noon, org: org, key: 1, method: "eth_chainId", n: 2},                       // the same row
			calls{at: noon, org: org, key: 1, method: "eth_chainId", outcome: "rpc_error", n: 1}, // charged as well
			calls{at: noon, org: org, key: 1, outcome: "rate_limited", n: 50},
			calls{at: noon, org: org, key: 1, prices: "v2", n: 1},
			calls{at: noon, org: org, key: 2, n: 10},
			calls{at: noon, org: org, key: 2, method: "eth_getLogs", n: 1},
			calls{at: noon, org: org, key: 2, method: "eth_getLogs", chain: "base", n: 1},
			calls{at: noon, org: org, key: 2, method: "getSlot", chain: "solana", n: 1},
			calls{at: noon, org: free, key: 3, n: 7},
			calls{at: noon, outcome: "unauthorized", n: 9},
		)
		h.store(t, calls{at: noon.Add(time.Hour), org: org, key: 1, n: 10})
		h.pass(t, noon.Add(2*time.Hour))

		row := func(key account.KeyID, line string, n int64, amount account.Micros) store.LedgerRow {
			return store.LedgerRow{
				Org: org, Booked: noon, Hour: noon, Line: line, Chain: "eth", Key: key,
				Prices: "v1", Pricing: "team", Calls: n, CU: 10 * n, Amount: amount,
			}
		}
		base1, v2, base2 := row(1, account.BaseLine, 7, 0), row(1, account.BaseLine, 1, 0), row(2, account.BaseLine, 10, 160)
		v2.Prices = "v2"
		logs, baseLogs, solana := row(2, "*/eth_getLogs", 1, 50), row(2, "*/eth_getLogs", 1, 50), row(2, "solana/*", 1, 30)
		logs.Method, baseLogs.Method, baseLogs.Chain, solana.Chain = "eth_getLogs", "eth_getLogs", "base", "solana"
		zoo := row(3, account.BaseLine, 7, 0)
		zoo.Org, zoo.Pricing = free, ""
		next := row(1, account.BaseLine, 10, 120) // 20 CU in the first tier, 80 in the second
		next.Booked, next.Hour = noon.Add(time.Hour), noon.Add(time.Hour)
		sorted := cmp.Transformer("sort", func(rows []store.LedgerRow) map[store.LedgerRow]bool {
			m := make(map[store.LedgerRow]bool)
			for _, r := range rows {
				m[r] = true
			}
			return m
		})
		want := []store.LedgerRow{base1, v2, base2, logs, baseLogs, solana, zoo, next}
		got := h.ledger(t, noon, noon.Add(2*time.Hour))
		if diff := cmp.Diff(want, got, sorted); diff != "" || len(got) != len(want) {
			t.Error(diff)
		}
		h.wantEqual(t)
	})
}

func TestLateCallsAreBookedInTheNextHour(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		org := h.newOrg(t, "acme", everything())
		h.store(t, calls{at: noon, org: org, key: 1, n: 12})
		h.pass(t, noon.Add(90*time.Minute))
		before := h.ledger(t, noon, noon.Add(time.Hour))

		// Late for an hour with calls of the same key and of another one, and for
		// hours that were never closed; and twice, before the next hour is over.
		h.store(t, calls{at: noon.Add(time.Minute), org: org, key: 1, n: 1}, calls{at: noon.Add(-26 * time.Hour), org: org, key: 1, n: 1})
		h.pass(t, noon.Add(100*time.Minute))
		h.store(t, calls{at: noon.Add(2 * time.Minute), org: org, key: 1, n: 1}, calls{at: noon, org: org, key: 2, n: 7})
		h.store(t, calls{at: noon.Add(2 * time.Minute), org: org, outcome: "rate_limited", n: 5})
		h.store(t, calls{at: noon.Add(61 * time.Minute), org: org, key: 1, n: 2})
		h.pass(t, noon.Add(2*time.Hour))

		if diff := cmp.Diff(before, h.ledger(t, noon, noon.Add(time.Hour))); diff != "" {
			t.Errorf("rows that were there: %s", diff)
		}
		type booked struct {
			Hour   time.Time
			Key    account.KeyID
			Calls  int64
			Amount account.Micros
		}
		got := make(map[booked]bool)
		for _, r := range h.ledger(t, noon.Add(time.Hour), noon.Add(2*time.Hour)) {
			got[booked{r.Hour, r.Key, r.Calls, r.Amount}] = true
		}
		// 120 CU were used, of which 100 are included, and 200 end the first tier.
		want := map[booked]bool{
			{noon.Add(-26 * time.Hour), 1, 1, 20}: true,
			{noon, 1, 2, 40}:                      true, // both late segments in one row
			{noon, 2, 7, 100 + 20}:                true, // 50 CU in the first tier, 20 in the second
			{noon.Add(time.Hour), 1, 2, 20}:       true,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		h.wantEqual(t)

		// And nothing more comes of it.
		h.pass(t, noon.Add(5*time.Hour))
		if rows := h.ledger(t, noon.Add(2*time.Hour), noon.Add(5*time.Hour)); len(rows) != 0 {
			t.Errorf("booked again: %+v", rows)
		}
	})
}

// Late calls are priced in the month in which they were made, after what was used
// in it, and stand on the bill of the month in which they are booked.
func TestLateCallsOfLastMonth(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		p := flat("p")
		p.Base.Included = 100
		org := h.newOrg(t, "acme", p)
		last := time.Date(2026, 2, 28, 23, 30, 0, 0, time.UTC)
		h.store(t, calls{at: last, org: org, key: 1, n: 15})               // 150 CU: 50 to pay
		h.store(t, calls{at: last.Add(time.Hour), org: org, key: 1, n: 8}) // March: all included
		h.pass(t, last.Add(91*time.Minute))
		h.store(t, calls{at: last, org: org, key: 1, n: 1})
		h.store(t, calls{at: last.Add(2 * time.Hour), org: org, key: 1, n: 1})
		h.pass(t, last.Add(3*time.Hour))
		var amounts []account.Micros
		rows := h.ledger(t, last.Truncate(time.Hour), last.Add(3*time.Hour).Truncate(time.Hour))
		for _, r := range rows {
			amounts = append(amounts, r.Amount)
		}
		if diff := cmp.Diff([]account.Micros{50, 0, 10, 0}, amounts, cmp.Transformer("set", func(l []account.Micros) map[account.Micros]int {
			m := make(map[account.Micros]int)
			for _, a := range l {
				m[a]++
			}
			return m
		})); diff != "" {
			t.Errorf("%s%+v", diff, rows)
		}
		h.wantEqual(t)
	})
}

func TestMinimumOfAMonth(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		p := flat("p")
		p.Minimum = 1000
		org, idle, heavy := h.newOrg(t, "acme", p), h.newOrg(t, "idle", p), h.newOrg(t, "heavy", p)
		end := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
		h.store(t, calls{at: end.Add(-3 * time.Hour), org: org, key: 1, n: 60})
		h.store(t, calls{at: end.Add(-3 * time.Hour), org: heavy, key: 2, n: 100})
		h.pass(t, end.Add(-time.Minute))
		bill := func() map[account.OrgID]account.Micros {
			sums := make(map[account.OrgID]account.Micros)
			for _, r := range h.ledger(t, end.Add(-3*time.Hour), end.Add(24*time.Hour)) {
				if account.MonthOf(r.Hour).Equal(account.MonthOf(end.Add(-1))) {
					sums[r.Org] += r.Amount
				}
			}
			return sums
		}
		if diff := cmp.Diff(map[account.OrgID]account.Micros{org: 600, heavy: 1000}, bill()); diff != "" {
			t.Errorf("before the month is over: %s", diff)
		}
		h.pass(t, end)
		if diff := cmp.Diff(map[account.OrgID]account.Micros{org: 1000, idle: 1000, heavy: 1000}, bill()); diff != "" {
			t.Errorf("when it is over: %s", diff)
		}
		h.wantEqual(t)

		// What comes late takes the place of what was added.
		h.store(t, calls{at: end.Add(-2 * time.Hour), org: org, key: 1, n: 30}, calls{at: end.Add(-2 * time.Hour), org: heavy, key: 2, n: 1})
		h.pass(t, end.Add(time.Hour))
		if diff := cmp.Diff(map[account.OrgID]account.Micros{org: 1000, idle: 1000, heavy: 1010}, bill()); diff != "" {
			t.Errorf("after late calls: %s", diff)
		}
		h.store(t, calls{at: end.Add(-2 * time.Hour), org: org, key: 1, n: 30})
		h.pass(t, end.Add(2*time.Hour))
		if diff := cmp.Diff(map[account.OrgID]account.Micros{org: 1200, idle: 1000, heavy: 1010}, bill()); diff != "" {
			t.Errorf("after more than the minimum: %s", diff)
		}
		h.wantEqual(t)
	})
}

func TestPricesChangeWithinAMonth(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		p1, p2 := flat("p1"), flat("p2")
		p1.Base.Included, p1.Minimum = 100, 31_000
		p2.Base.Tiers[0].PerMillion, p2.Base.Included = 2*dollar, 300
		must(t, h.db.CreatePricing(t.Context(), p2))
		org := h.newOrg(t, "acme", p1)
		from := time.Date(2026, 3, 16, 0, 0, 0, 0, time.UTC)
		must(t, h.db.SetPricing(t.Context(), store.OrgPricing{Org: org, From: from, Pricing: "p2"}))
		h.store(t, calls{at: from.Add(-1), org: org, key: 1, n: 15})               // 100 included, 50 at 1
		h.store(t, calls{at: from, org: org, key: 1, n: 16})                       // 150 to 300 included, 10 at 2
		h.store(t, calls{at: from.Add(-1), org: org, key: 2, n: 1, chain: "base"}) // after 100 in the same hour
		h.pass(t, from.Add(time.Hour))
		got := make(map[string]account.Micros)
		for _, r := range h.ledger(t, from.Add(-time.Hour), from.Add(time.Hour)) {
			got[r.Pricing] += r.Amount
		}
		if diff := cmp.Diff(map[string]account.Micros{"p1": 60, "p2": 40}, got); diff != "" {
			t.Error(diff)
		}
		h.pass(t, time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC))
		rows := h.ledger(t, from.Add(time.Hour), time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC))
		if len(rows) != 1 || rows[0].Line != account.MinimumLine || rows[0].Amount != 15_000-100 || rows[0].Pricing != "p2" {
			t.Errorf("minimum of the 15 days of the first prices: %+v", rows)
		}
		h.wantEqual(t)
	})
}
