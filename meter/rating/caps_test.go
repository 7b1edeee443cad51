package rating_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
	"pokt.ai/meter"
	"pokt.ai/meter/embedded"
	"pokt.ai/meter/rating"
)

// bound gives the plan of the organisation acme a quota.
func (h *house) bound(t testing.TB, pricing string, monthlyCU int64) {
	t.Helper()
	must(t, h.db.PutPlan(t.Context(), account.Plan{ID: "acme", Pricing: pricing, MonthlyCU: monthlyCU}))
}

func (h *house) newKey(t testing.TB, org account.OrgID) account.Hash {
	t.Helper()
	k := account.Key{ID: account.NewKeyID(), Org: org, Hash: account.Hash{byte(org), byte(org >> 8), 1}}
	must(t, h.db.CreateKey(t.Context(), k))
	return k.Hash
}

// cappedUntil is what the edge is told with a key.
func (h *house) cappedUntil(t testing.TB, key account.Hash) time.Time {
	t.Helper()
	g, err := h.db.GrantByHash(t.Context(), key)
	must(t, err)
	return g.CappedUntil
}

type alert struct {
	Kind        store.AlertKind
	Percent     int64
	Used, Bound int64
}

// alerts returns what was raised in a month.
func (h *house) alerts(t testing.TB, month time.Time) []alert {
	t.Helper()
	list, err := h.db.Alerts(t.Context(), month)
	must(t, err)
	var all []alert
	for _, a := range list {
		all = append(all, alert{a.Kind, a.Percent, a.Used, a.Bound})
	}
	return all
}

func TestQuotaAlertsAndCap(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		org := h.newOrg(t, "acme", account.Pricing{})
		h.bound(t, "", 1000)
		key := h.newKey(t, org)
		month, next := account.MonthOf(noon), account.MonthOf(noon).AddDate(0, 1, 0)
		use := func(at time.Time, n int64) {
			t.Helper()
			h.store(t, calls{at: at, org: org, key: 1, n: n})
			h.pass(t, at.Add(time.Second))
			h.pass(t, at.Add(2*time.Second)) // again changes nothing
		}
		want := func(what string, capped time.Time, list ...alert) {
			t.Helper()
			if diff := cmp.Diff(list, h.alerts(t, month)); diff != "" {
				t.Errorf("%s: alerts: %s", what, diff)
			}
			if got := h.cappedUntil(t, key); !got.Equal(capped) {
				t.Errorf("%s: capped until %s, want %s", what, got, capped)
			}
		}
		half, most, all := alert{store.QuotaAlert, 50, 500, 1000}, alert{store.QuotaAlert, 80, 990, 1000}, alert{store.QuotaAlert, 100, 1000, 1000}
		use(noon, 49)
		want("49 %", time.Time{})
		use(noon.Add(time.Minute), 1)
		want("50 %, in an open hour", time.Time{}, half)
		use(noon.Add(3*time.Hour), 49)
		want("99 %, of which some is closed", time.Time{}, half, most)
		use(noon.Add(4*time.Hour), 1)
		want("100 %", next, half, most, all)

		h.bound(t, "", 10_000)
		h.pass(t, noon.Add(5*time.Hour))
		want("a larger plan lifts the cap", time.Time{}, half, most, all)
		h.bound(t, "", 900)
		h.pass(t, noon.Add(6*time.Hour))
		want("a smaller one caps again, and nobody is alerted twice", next, half, most, all)

		// The cap ends by itself with the month, and the month begins anew.
		h.pass(t, next.Add(time.Minute))
		if got := h.cappedUntil(t, key); got.After(next) {
			t.Errorf("capped until %s in the next month", got)
		}
		h.store(t, calls{at: next.Add(2 * time.Minute), org: org, key: 1, n: 90})
		h.pass(t, next.Add(3*time.Minute))
		if got := h.cappedUntil(t, key); !got.Equal(next.AddDate(0, 1, 0)) {
			t.Errorf("capped until %s when the next month is used up", got)
		}
		if got := h.alerts(t, next); len(got) != 3 {
			t.Errorf("alerts of the next month: %+v", got)
		}
		items, err := h.db.Claim(t.Context(), store.AlertTopic, 100, time.Minute, next.AddDate(0, 1, 0))
		must(t, err)
		if len(items) != 6 {
			t.Errorf("%d alerts in the outbox, want 3 a month", len(items))
		}
	})
}

func TestSpendCap(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		p := flat("p")
		p.Base.Included, p.Minimum = 100, 10_000 // the minimum is no spending
		org := h.newOrg(t, "acme", p)
		key := h.newKey(t, org)
		must(t, h.db.SetSpendCap(t.Context(), org, 500))
		month, next := account.MonthOf(noon), account.MonthOf(noon).AddDate(0, 1, 0)

		h.store(t, calls{at: noon, org: org, key: 1, n: 34}) // 340 CU, 240 to pay
		h.pass(t, noon.Add(2*time.Hour))
		h.store(t, calls{at: noon.Add(2 * time.Hour), org: org, key: 1, n: 1})
		h.pass(t, noon.Add(2*time.Hour))
		if diff := cmp.Diff([]alert{{store.SpendAlert, 50, 250, 500}}, h.alerts(t, month)); diff != "" {
			t.Errorf("at half of the cap: %s", diff)
		}
		h.store(t, calls{at: noon.Add(3 * time.Hour), org: org, key: 2, n: 24})
		h.pass(t, noon.Add(3*time.Hour))
		if got := h.cappedUntil(t, key); !got.IsZero() {
			t.Errorf("capped at 490 of 500 until %s", got)
		}
		h.store(t, calls{at: noon.Add(3 * time.Hour), org: org, key: 2, n: 1})
		h.pass(t, noon.Add(3*time.Hour))
		if got := h.cappedUntil(t, key); !got.Equal(next) {
			t.Errorf("at the cap: capped until %s", got)
		}
		must(t, h.db.SetSpendCap(t.Context(), org, 0))
		h.pass(t, noon.Add(3*time.Hour))
		if got := h.cappedUntil(t, key); !got.IsZero() {
			t.Errorf("without a cap: capped until %s", got)
		}
	})
}

// A jump over several thresholds raises each of them.
func TestJumpToTheEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		org := h.newOrg(t, "acme", flat("p"))
		h.bound(t, "p", 100)
		must(t, h.db.SetSpendCap(t.Context(), org, 125))
		h.store(t, calls{at: noon, org: org, key: 1, n: 10})
		h.pass(t, noon.Add(time.Minute))
		if diff := cmp.Diff([]alert{
			{store.QuotaAlert, 50, 100, 100},
			{store.QuotaAlert, 80, 100, 100},
			{store.QuotaAlert, 100, 100, 100},
			{store.SpendAlert, 50, 100, 125},
			{store.SpendAlert, 80, 100, 125},
		}, h.alerts(t, account.MonthOf(noon))); diff != "" {
			t.Error(diff)
		}
	})
}

// A closing source lets another rater close hours while it is asked.
type closing struct {
	*embedded.Source
	meanwhile func()
}

func (c *closing) Totals(ctx context.Context, from, until time.Time) iter.Seq2[meter.Total, error] {
	c.meanwhile()
	return c.Source.Totals(ctx, from, until)
}

// TestHourIsClosedWhileCapsAreWatched must not count its calls twice, or not at
// all.
func TestHourIsClosedWhileCapsAreWatched(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		org := h.newOrg(t, "acme", account.Pricing{})
		h.bound(t, "", 1000)
		h.store(t, calls{at: noon, org: org, key: 1, n: 60})
		asked := 0
		r := rating.New(rating.DefaultConfig(), &closing{h.source, func() {
			if asked++; asked == 1 {
				h.pass(t, noon.Add(2*time.Hour))
			}
		}}, h.db, zerolog.Nop(), metrics.NewSet())
		// This one thinks that the hour is not over, and reads the balances before
		// the other one closes it.
		must(t, r.Pass(t.Context(), noon.Add(time.Minute)))
		if diff := cmp.Diff([]alert{{store.QuotaAlert, 50, 600, 1000}}, h.alerts(t, account.MonthOf(noon))); diff != "" {
			t.Error(diff)
		}
		if asked != 2 {
			t.Errorf("the source was asked %d times, want twice", asked)
		}
	})
}
