package rating

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
)

// A ReplayReport is what re-rating closed hours gave.
type ReplayReport struct {
	From, Until time.Time
	Rows        int // of the ledger, that were compared
	Calls, CU   int64
	Amount      account.Micros
	Differences Differences
}

// ErrOpen is returned for hours that are not closed.
var ErrOpen = errors.New("hours are not closed yet")

// Replay rates the hours from from on and before until once more and compares
// that with the ledger, row by row. It changes nothing.
//
// What is stored of each hour, asked of source, must be what was charged for it,
// whenever it was booked. And what was booked in each hour, priced again in the
// order of booking, must give the same rows with the same amounts.
func Replay(ctx context.Context, db *store.DB, source Source, from, until time.Time) (*ReplayReport, error) {
	rep := &ReplayReport{From: account.HourOf(from), Until: account.HourOf(until)}
	head, err := db.LedgerHead(ctx)
	if err != nil {
		return nil, err
	}
	if rep.Until.After(head.ClosedUntil) {
		return nil, fmt.Errorf("replay until %s: %w: they are until %s", rep.Until.Format(time.RFC3339), ErrOpen, head.ClosedUntil.Format(time.RFC3339))
	}
	b, err := readBook(ctx, db)
	if err != nil {
		return nil, err
	}
	balances, err := db.BalancesAt(ctx, rep.From)
	if err != nil {
		return nil, err
	}
	p := newPricer(b, head.ClosedFrom, balances...)
	for hour := rep.From; hour.Before(rep.Until); hour = hour.Add(time.Hour) {
		if err := rep.quantities(ctx, db, source, b, hour); err != nil {
			return nil, fmt.Errorf("replay %s: %w", hourName(hour), err)
		}
		if hour.Before(head.ClosedFrom) {
			continue // nothing is booked there, though late calls may be charged for it
		}
		if err := rep.amounts(ctx, db, p, hour); err != nil {
			return nil, fmt.Errorf("replay %s: %w", hourName(hour), err)
		}
	}
	if !rep.Until.Equal(head.ClosedUntil) {
		return rep, nil
	}
	found, err := unlikeBalances(ctx, db, p)
	if err != nil {
		return nil, err
	}
	again, err := db.LedgerHead(ctx)
	if err == nil && again.ClosedUntil.Equal(head.ClosedUntil) { // else they have moved on
		for _, d := range found.List {
			rep.Differences.add(d.Where, "%s", d.What)
		}
	}
	return rep, err
}

// quantities compares what is stored of an hour with what was charged for it.
func (rep *ReplayReport) quantities(ctx context.Context, db *store.DB, source Source, b *book, hour time.Time) error {
	stored, charged := make(parts), make(parts)
	if err := addTotals(ctx, source, b, hour, stored); err != nil {
		return err
	}
	rows, err := db.LedgerOfHour(ctx, hour)
	if err != nil {
		return err
	}
	for i := range rows {
		charged.addRow(&rows[i], 1)
	}
	keys := make(map[partKey]bool)
	for k := range stored {
		keys[k] = true
	}
	for k := range charged {
		keys[k] = true
	}
	for _, k := range slices.SortedFunc(maps.Keys(keys), comparePartKeys) {
		if stored[k] != charged[k] {
			rep.Differences.add(k.String(), "%v are stored and %v charged", stored[k], charged[k])
		}
	}
	return nil
}

// amounts prices what was booked in an hour again.
func (rep *ReplayReport) amounts(ctx context.Context, db *store.DB, p *pricer, booked time.Time) error {
	ledger, err := db.LedgerBooked(ctx, booked)
	if err != nil {
		return err
	}
	all := make(parts)
	for i := range ledger {
		all.addRow(&ledger[i], 1)
		rep.Rows++
		rep.Calls += ledger[i].Calls
		rep.CU += ledger[i].CU
		rep.Amount += ledger[i].Amount
	}
	again, err := p.rows(booked, all)
	if err != nil {
		return err
	}
	slices.SortFunc(ledger, compareRows)
	slices.SortFunc(again, compareRows)
	for len(ledger) > 0 || len(again) > 0 {
		switch order := compareFirst(ledger, again); {
		case order < 0:
			rep.Differences.add(rowName(&ledger[0]), "the ledger has %s and replaying it gives no such row", ledger[0].Amount)
			ledger = ledger[1:]
		case order > 0:
			rep.Differences.add(rowName(&again[0]), "replaying gives %s and the ledger has no such row", again[0].Amount)
			again = again[1:]
		default:
			if ledger[0].Amount != again[0].Amount || ledger[0].Pricing != again[0].Pricing {
				rep.Differences.add(rowName(&again[0]), "the ledger has %s by %q and replaying it gives %s by %q",
					ledger[0].Amount, ledger[0].Pricing, again[0].Amount, again[0].Pricing)
			}
			ledger, again = ledger[1:], again[1:]
		}
	}
	return nil
}

func compareFirst(a, b []store.LedgerRow) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return compareRows(a[0], b[0])
}

// unlikeBalances compares the sums that the next hour would go on from.
func unlikeBalances(ctx context.Context, db *store.DB, p *pricer) (found Differences, err error) {
	months := make(map[int64]bool)
	for k := range p.balances {
		months[k.month] = true
	}
	for _, unix := range slices.Sorted(maps.Keys(months)) {
		month := time.Unix(unix, 0).UTC()
		list, err := db.Balances(ctx, month)
		if err != nil {
			return found, err
		}
		kept := newPricer(p.book, p.began, list...)
		for k, want := range p.balances {
			if got := kept.balances[k]; k.month == unix && got != want {
				found.add(fmt.Sprintf("balance of %s in %s, line %s", k.org, month.Format("2006-01"), k.line),
					"%d CU for %s are kept, the ledger's rows are %d CU for %s", got.cu, got.amount, want.cu, want.amount)
			}
		}
	}
	return found, nil
}

func comparePartKeys(a, b partKey) int { return compareRows(a.row(), b.row()) }

func (k partKey) row() store.LedgerRow {
	return store.LedgerRow{
		Org: k.org, Hour: time.Unix(k.hour, 0).UTC(), Line: k.line, Chain: k.chain, Key: k.key, Method: k.method, Prices: k.prices,
	}
}

func (k partKey) String() string {
	row := k.row()
	return rowName(&row)
}

func rowName(r *store.LedgerRow) string {
	name := fmt.Sprintf("%s, %s, line %s", hourName(r.Hour), r.Org, r.Line)
	for _, part := range []struct{ label, text string }{
		{"chain", r.Chain}, {"key", r.Key.String()}, {"method", r.Method}, {"prices", r.Prices},
	} {
		if part.text != "" {
			name += ", " + part.label + " " + part.text
		}
	}
	if r.Hour.Before(r.Booked) && !r.Booked.IsZero() {
		name += ", booked in " + hourName(r.Booked)
	}
	return name
}
