package rating

import (
	"context"
	"errors"
	"math/bits"
	"time"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
)

// percents are the shares of a quota or spend cap at which an organisation is
// alerted, each once a month.
var percents = [...]int64{50, 80, 100}

// watchCaps compares what organisations have used this month with their quotas
// and spend caps, calls of open hours included. It raises alerts, and caps those
// that are at the end of either until the month is over.
func (r *Rater) watchCaps(ctx context.Context, now time.Time) error {
	// Before usage: SetCapped refuses if somebody has decided on later usage.
	bounds, err := r.db.Bounds(ctx)
	if err != nil || len(bounds) == 0 {
		return err
	}
	month := account.MonthOf(now)
	use, err := r.used(ctx, month)
	if err != nil {
		return err
	}
	alerts, err := r.db.Alerts(ctx, month)
	if err != nil {
		return err
	}
	raised := make(map[alertID]bool, len(alerts))
	for _, a := range alerts {
		raised[alertID{a.Org, a.Kind, a.Percent}] = true
	}
	var errs []error
	for _, b := range bounds {
		u := use.spent[orgMonth{b.Org, month.Unix()}]
		errs = append(errs,
			r.alert(ctx, raised, store.Alert{Org: b.Org, Month: month, Kind: store.QuotaAlert, Used: u.cu, Bound: b.MonthlyCU, RaisedAt: now}),
			r.alert(ctx, raised, store.Alert{Org: b.Org, Month: month, Kind: store.SpendAlert, Used: int64(u.amount), Bound: int64(b.SpendCap), RaisedAt: now}),
			r.cap(ctx, b, u, month))
	}
	return errors.Join(errs...)
}

type alertID struct {
	org     account.OrgID
	kind    store.AlertKind
	percent int64
}

// used prices what was used in a month so far: the balances of closed hours, and
// then the open ones, as they would be closed now.
func (r *Rater) used(ctx context.Context, month time.Time) (*pricer, error) {
	for {
		head, err := r.db.LedgerHead(ctx)
		if err != nil {
			return nil, err
		}
		p, err := r.usedAfter(ctx, head, month)
		if err != nil {
			return nil, err
		}
		// An hour that was closed meanwhile may be counted twice or not at all.
		again, err := r.db.LedgerHead(ctx)
		if err != nil {
			return nil, err
		}
		if again == head {
			return p, nil
		}
	}
}

func (r *Rater) usedAfter(ctx context.Context, head store.LedgerHead, month time.Time) (*pricer, error) {
	b, err := readBook(ctx, r.db)
	if err != nil {
		return nil, err
	}
	balances, err := r.db.Balances(ctx, month)
	if err != nil {
		return nil, err
	}
	open := make(parts)
	from, until := later(head.ClosedUntil, month), month.AddDate(0, 1, 0)
	for t, err := range r.source.Totals(ctx, from, until) {
		if err != nil {
			return nil, err
		}
		open.add(b, &t)
	}
	p := newPricer(b, head.ClosedFrom, balances...)
	if _, err := p.rows(from, open); err != nil {
		return nil, err
	}
	return p, nil
}

// alert raises the alerts of the percentages that were reached and not yet raised.
func (r *Rater) alert(ctx context.Context, raised map[alertID]bool, a store.Alert) error {
	var errs []error
	for _, percent := range percents {
		if a.Percent = percent; a.Bound == 0 || !reached(a) || raised[alertID{a.Org, a.Kind, percent}] {
			continue
		}
		ok, err := r.db.RaiseAlert(ctx, a)
		errs = append(errs, err)
		if ok {
			r.log.Info().Stringer("org", a.Org).Str("kind", string(a.Kind)).Int64("percent", percent).Msg("rating: raised an alert")
		}
	}
	return errors.Join(errs...)
}

// reached reports whether Used is at least Percent of Bound, exactly.
func reached(a store.Alert) bool {
	if a.Used < 0 {
		return false
	}
	usedHi, usedLo := bits.Mul64(uint64(a.Used), 100)
	boundHi, boundLo := bits.Mul64(uint64(a.Bound), uint64(a.Percent))
	return usedHi > boundHi || usedHi == boundHi && usedLo >= boundLo
}

// cap tells the edge if an organisation has reached its quota or spend cap, or
// has not any more because that was raised.
func (r *Rater) cap(ctx context.Context, b store.OrgBounds, u quantityAmount, month time.Time) error {
	var until time.Time
	if b.MonthlyCU > 0 && u.cu >= b.MonthlyCU || b.SpendCap > 0 && u.amount >= b.SpendCap {
		until = month.AddDate(0, 1, 0)
	}
	if until.Equal(b.CappedUntil) || until.IsZero() && !b.CappedUntil.After(month) {
		return nil // as it is, or a cap that has ended by itself
	}
	changed, err := r.db.SetCapped(ctx, b.Org, b.CappedUntil, until)
	if changed {
		r.log.Info().Stringer("org", b.Org).Time("until", until).Msg("rating: changed a cap")
	}
	return err
}
