package rating

import (
	"context"
	"fmt"
	"time"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
)

// closeNext closes the next hour if it is over for every gateway. It reports
// false if there is none to close.
func (r *Rater) closeNext(ctx context.Context, now time.Time) (closed bool, err error) {
	// The head before all that the rows depend on: CloseHour refuses them if it
	// has changed meanwhile. The watermarks before the usage: what is stored
	// behind them is complete.
	head, err := r.db.LedgerHead(ctx)
	if err != nil {
		return false, err
	}
	safe, err := r.safe(ctx, now)
	if err != nil {
		return false, err
	}
	r.closedUntil.Set(float64(head.ClosedUntil.Unix()))
	hour := head.ClosedUntil
	if hour.IsZero() {
		if hour, err = r.firstHour(ctx, safe); err != nil || hour.IsZero() {
			return false, err
		}
	}
	if hour.Add(time.Hour).After(safe) {
		return false, nil
	}
	if head.ClosedFrom.IsZero() {
		head.ClosedFrom = hour
	}
	rows, err := r.bill(ctx, head.ClosedFrom, hour)
	if err != nil {
		return false, fmt.Errorf("hour %s: %w", hour.Format(time.RFC3339), err)
	}
	closed, err = r.db.CloseHour(ctx, store.Closing{Head: head, Hour: hour, Rows: rows, At: now})
	if err != nil {
		return false, err
	}
	if !closed {
		// Somebody else has closed it, or prices have changed: look again.
		return true, nil
	}
	r.hours.Inc()
	r.closedUntil.Set(float64(hour.Add(time.Hour).Unix()))
	r.report(hour, rows)
	return true, nil
}

// safe returns the time before which everything is stored: now, or the watermark
// of the gateway that is furthest behind.
func (r *Rater) safe(ctx context.Context, now time.Time) (time.Time, error) {
	gateways, err := r.db.Gateways(ctx)
	if err != nil {
		return time.Time{}, err
	}
	safe, behind := now, ""
	for _, g := range gateways {
		if g.RetiredAt.IsZero() && g.Watermark.Before(safe) {
			safe, behind = g.Watermark, g.ID
		}
	}
	r.watermark.Set(float64(safe.Unix()))
	if now.Sub(safe) > waitsLong {
		r.log.Warn().Str("gateway", behind).Time("watermark", safe).
			Msg("rating: hours stay open until this gateway has stored what it recorded, or is retired")
	}
	return safe, nil
}

// waitsLong is how far a gateway may be behind before it is named.
const waitsLong = time.Hour

// firstHour returns the hour of the first calls, or zero if there are none before
// safe.
func (r *Rater) firstHour(ctx context.Context, safe time.Time) (time.Time, error) {
	hours, err := r.source.Hours(ctx, time.Unix(0, 0).UTC(), safe)
	if err != nil || len(hours) == 0 {
		return time.Time{}, err
	}
	first := hours[0].Hour
	for _, h := range hours {
		if h.Hour.Before(first) {
			first = h.Hour
		}
	}
	return first, nil
}

// bill returns what is booked in an hour: its own calls, and those that have come
// since for hours before it.
func (r *Rater) bill(ctx context.Context, began, hour time.Time) ([]store.LedgerRow, error) {
	b, err := readBook(ctx, r.db)
	if err != nil {
		return nil, err
	}
	all := make(parts)
	if err := addTotals(ctx, r.source, b, hour, all); err != nil {
		return nil, err
	}
	months := map[time.Time]bool{account.MonthOf(hour): true}
	late, err := r.lateHours(ctx, hour)
	if err != nil {
		return nil, err
	}
	for _, h := range late {
		months[account.MonthOf(h)] = true
		if err := r.addLate(ctx, b, h, all); err != nil {
			return nil, fmt.Errorf("late calls of %s: %w", h.Format(time.RFC3339), err)
		}
	}
	var balances []store.Balance
	for month := range months {
		list, err := r.db.Balances(ctx, month)
		if err != nil {
			return nil, err
		}
		balances = append(balances, list...)
	}
	return newPricer(b, began, balances...).rows(hour, all)
}

func addTotals(ctx context.Context, source Source, b *book, hour time.Time, to parts) error {
	for t, err := range source.Totals(ctx, hour, hour.Add(time.Hour)) {
		if err != nil {
			return err
		}
		to.add(b, &t)
	}
	return nil
}

// lateHours returns the hours before hour that have more calls than were charged.
func (r *Rater) lateHours(ctx context.Context, hour time.Time) ([]time.Time, error) {
	from := account.HourOf(hour.Add(-r.cfg.LateWindow))
	stored, err := r.source.Hours(ctx, from, hour)
	if err != nil {
		return nil, err
	}
	rated, err := r.db.ClosedHours(ctx, from, hour)
	if err != nil {
		return nil, err
	}
	open := make(map[int64]quantity) // by hour: stored and not charged
	for _, h := range stored {
		open[h.Hour.Unix()] = quantity{h.Charged, h.CU}
	}
	for _, h := range rated {
		q := open[h.Hour.Unix()]
		open[h.Hour.Unix()] = quantity{q.calls - h.Calls, q.cu - h.CU}
	}
	var late []time.Time
	missing := 0
	for unix, q := range open {
		h := time.Unix(unix, 0).UTC()
		if q.calls > 0 || q.cu > 0 {
			late = append(late, h)
		}
		if q.calls < 0 || q.cu < 0 {
			// What was charged is not there any more. Nothing that is stored ever
			// goes, so this is damage: nobody gets money back for it by itself.
			missing++
			r.log.Error().Time("hour", h).Int64("calls", -q.calls).Int64("cu", -q.cu).
				Msg("rating: calls that were charged are not stored any more; run poktai meter verify")
		}
	}
	r.missing.Set(float64(missing))
	return late, nil
}

// addLate adds what is stored of an hour and was not charged.
func (r *Rater) addLate(ctx context.Context, b *book, hour time.Time, to parts) error {
	all := make(parts)
	if err := addTotals(ctx, r.source, b, hour, all); err != nil {
		return err
	}
	rows, err := r.db.LedgerOfHour(ctx, hour)
	if err != nil {
		return err
	}
	for i := range rows {
		all.addRow(&rows[i], -1)
	}
	for k, q := range all {
		switch {
		case q == quantity{}:
		case q.calls < 0 || q.cu < 0:
			r.log.Error().Stringer("org", k.org).Stringer("key", k.key).Str("chain", k.chain).Time("hour", hour).
				Int64("calls", -q.calls).Int64("cu", -q.cu).Msg("rating: calls that were charged are not stored any more; run poktai meter verify")
		default:
			to[k] = q
		}
	}
	return nil
}

// report counts and logs what was booked.
func (r *Rater) report(hour time.Time, rows []store.LedgerRow) {
	var calls, cu, lateCalls, lateCU int64
	var amount account.Micros
	for _, row := range rows {
		calls += row.Calls
		cu += row.CU
		amount += row.Amount
		if row.Hour.Before(hour) {
			lateCalls += row.Calls
			lateCU += row.CU
		}
	}
	r.lateCalls.AddInt64(lateCalls)
	r.lateCU.AddInt64(lateCU)
	r.log.Info().Time("hour", hour).Int("rows", len(rows)).Int64("calls", calls).Int64("cu", cu).
		Int64("late_calls", lateCalls).Stringer("amount", amount).Msg("rating: closed an hour")
}
