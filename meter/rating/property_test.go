package rating_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
	"pokt.ai/meter/rating"
)

// TestLedgerIsThePriceOfAllCalls runs random months: calls of some organisations
// go through some gateways, in segments that are stored sooner or later or behind
// the watermark, while raters close hours, two at a time, and are interrupted.
// However it comes, each organisation pays for each month what its calls cost as
// a whole, every call is charged once, and replaying gives the same ledger.
func TestLedgerIsThePriceOfAllCalls(t *testing.T) {
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			onBoth(t, func(t *testing.T, h *house) {
				w := &world{house: h, random: rand.New(rand.NewPCG(seed, 0))}
				w.live(t)
				w.check(t)
			})
		})
	}
}

// A world is 30 hours around the end of a month.
type world struct {
	*house
	random   *rand.Rand
	pricings map[account.OrgID]account.Pricing
	segments []*shipment
	all      []calls
}

// A shipment is a segment on its way.
type shipment struct {
	gateway string
	calls   []calls
	first   time.Time
	stored  time.Time
	hidden  bool // from the watermark: it comes late
	done    bool
}

var (
	monthEnd = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	begin    = monthEnd.Add(-15 * time.Hour)
	end      = monthEnd.Add(15 * time.Hour)
)

func (w *world) between(least, most int) int { return least + w.random.IntN(most-least+1) }

func (w *world) pricing(id string) account.Pricing {
	rate := func() account.Rate {
		r := account.Rate{Included: int64(w.between(0, 3)) * 1000}
		for i := range w.between(0, 2) {
			r.Tiers = append(r.Tiers, account.Tier{UpTo: r.Included + int64(1+i)*int64(w.between(500, 3000)), PerMillion: account.Micros(w.between(0, 3_000_000))})
		}
		slices.SortFunc(r.Tiers, func(a, b account.Tier) int { return int(a.UpTo - b.UpTo) })
		r.Tiers = slices.CompactFunc(r.Tiers, func(a, b account.Tier) bool { return a.UpTo == b.UpTo })
		r.Tiers = append(r.Tiers, account.Tier{PerMillion: account.Micros(w.between(1, 2_500_000))})
		return r
	}
	p := account.Pricing{ID: id, Base: rate(), Minimum: account.Micros(w.between(0, 2) * w.between(0, 20_000))}
	for _, o := range []account.Override{{Chain: "solana"}, {Method: "eth_getLogs"}, {Chain: "base", Method: "eth_getLogs"}} {
		if w.between(0, 1) == 0 {
			o.Rate = rate()
			p.Overrides = append(p.Overrides, o)
		}
	}
	p.Validate(func(key, message string) { panic(key + " " + message) })
	return p
}

func (w *world) call(at time.Time, orgs []account.OrgID) calls {
	pick := func(from ...string) string { return from[w.random.IntN(len(from))] }
	return calls{
		at: at, org: orgs[w.random.IntN(len(orgs))], key: account.KeyID(w.between(1, 3)),
		chain: pick("eth", "base", "solana"), method: pick("eth_call", "eth_getLogs", "eth_chainId"),
		outcome: pick("answered", "answered", "rpc_error", "rate_limited"), prices: pick("v1", "v2"),
		n: int64(w.between(1, 30)),
	}
}

// live lets it all happen.
func (w *world) live(t *testing.T) {
	w.pricings = make(map[account.OrgID]account.Pricing)
	var orgs []account.OrgID
	for i := range 3 {
		p := w.pricing(fmt.Sprint("p", i))
		org := w.newOrg(t, fmt.Sprint("org-", i), p)
		w.pricings[org] = p
		orgs = append(orgs, org)
	}
	gateways := []string{"gw-1", "gw-2", "gw-3"}
	for _, g := range gateways {
		for at := begin.Add(time.Duration(w.random.Int64N(int64(time.Hour)))); at.Before(end); {
			s := &shipment{gateway: g, first: at, hidden: w.between(0, 9) == 0}
			for range w.between(1, 8) {
				// Clocks step back now and then.
				c := w.call(at.Add(-time.Duration(w.random.Int64N(int64(time.Minute)))), orgs)
				if c.at.Before(s.first) {
					s.first = c.at
				}
				s.calls = append(s.calls, c)
				at = at.Add(time.Duration(w.random.Int64N(int64(20 * time.Minute))))
			}
			s.stored = at.Add(time.Duration(w.random.Int64N(int64(10 * time.Minute))))
			if s.hidden {
				s.stored = s.stored.Add(time.Duration(w.random.Int64N(int64(8 * time.Hour))))
			}
			w.segments = append(w.segments, s)
			w.all = append(w.all, s.calls...)
		}
	}
	other := newRater(t, openStore(t, w.dsn))
	for now := begin; now.Before(end.Add(12 * time.Hour)); now = now.Add(time.Duration(1 + w.random.Int64N(int64(2*time.Hour)))) {
		w.advance(t, now, gateways)
		w.rate(t, now, w.rater, other)
	}
	w.advance(t, end.Add(24*time.Hour), gateways)
	w.pass(t, end.Add(24*time.Hour))
}

// advance stores what is due and lets the gateways report.
func (w *world) advance(t *testing.T, now time.Time, gateways []string) {
	marks := make(map[string]time.Time)
	for _, g := range gateways {
		marks[g] = now
	}
	for _, s := range w.segments {
		switch {
		case s.done:
		case !s.stored.After(now):
			w.store(t, s.calls...)
			s.done = true
		case !s.hidden && s.first.Before(marks[s.gateway]):
			marks[s.gateway] = s.first
		}
	}
	for _, g := range gateways {
		w.report(t, g, marks[g])
	}
}

// rate lets raters pass at once, some of them not to the end.
func (w *world) rate(t *testing.T, now time.Time, raters ...*rating.Rater) {
	var wg sync.WaitGroup
	for _, r := range raters {
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		interrupted := w.between(0, 2) == 0
		if interrupted {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(w.random.Int64N(int64(5*time.Millisecond))))
		}
		wg.Go(func() {
			defer cancel()
			if err := r.Pass(ctx, now); err != nil && !interrupted {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

type orgMonth struct {
	org   account.OrgID
	month time.Time
}

func (w *world) check(t *testing.T) {
	t.Helper()
	w.wantEqual(t)

	type line struct {
		orgMonth
		name string
	}
	used := make(map[line]int64)
	var charged, cu int64
	for _, c := range w.all {
		r := c.row()
		if !r.Charged {
			continue
		}
		p := w.pricings[c.org]
		name, _ := p.Line(c.chain, c.method)
		used[line{orgMonth{c.org, account.MonthOf(c.at)}, name}] += r.CU
		charged += r.Calls
		cu += r.CU
	}
	want := make(map[orgMonth]account.Micros)
	for l, n := range used {
		p := w.pricings[l.org]
		cost, err := p.Cost(l.name, n)
		must(t, err)
		want[l.orgMonth] += cost
	}
	last := account.MonthOf(monthEnd.Add(-1)) // the month that is over
	for org, p := range w.pricings {
		want[orgMonth{org, last}] = max(want[orgMonth{org, last}], p.Minimum)
	}

	got := make(map[orgMonth]account.Micros)
	var rows []store.LedgerRow
	for _, r := range w.ledger(t, begin.Add(-2*time.Hour).Truncate(time.Hour), w.closedUntil(t)) {
		got[orgMonth{r.Org, account.MonthOf(r.Hour)}] += r.Amount
		charged -= r.Calls
		cu -= r.CU
		rows = append(rows, r)
	}
	if charged != 0 || cu != 0 {
		t.Errorf("%d calls and %d CU are missing in the ledger", charged, cu)
	}
	for k, amount := range want {
		if got[k] != amount {
			t.Errorf("%s pays %s for %s, its calls cost %s", k.org, got[k], k.month.Format("2006-01"), amount)
		}
	}
	late := 0
	for _, r := range rows {
		if r.Hour.Before(r.Booked) && r.Line != account.MinimumLine {
			late++
		}
	}
	if len(rows) < 100 || late == 0 {
		t.Errorf("only %d rows, %d of them late: this shows nothing", len(rows), late)
	}
	t.Logf("%d segments, %d rows, %d of them late", len(w.segments), len(rows), late)
}
