package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"pokt.ai/internal/account"
)

// A LedgerRow is what calls of one hour cost that have everything else in
// common.
type LedgerRow struct {
	Org    account.OrgID
	Booked time.Time // the hour with which it was closed
	Hour   time.Time // the hour in which the calls were made: Booked, or before it if they came late

	Line    string // of the pricing
	Chain   string
	Key     account.KeyID
	Method  string // empty unless the price depends on it
	Prices  string // version of the price table that CU comes from
	Pricing string // id; empty: they cost nothing

	Calls, CU int64
	Amount    account.Micros
}

// A LedgerHead is the state of the ledger. Whoever closes an hour reads it first,
// before anything that the rows of the hour depend on.
type LedgerHead struct {
	ClosedFrom  time.Time // the first hour that was closed; zero: none is
	ClosedUntil time.Time // hours from ClosedFrom on and before it are closed
	pricesSeq   int64
}

// LedgerHead returns the state of the ledger.
func (db *DB) LedgerHead(ctx context.Context) (LedgerHead, error) {
	var h LedgerHead
	var from, until int64
	if err := db.read.QueryRowContext(ctx, `SELECT closed_from_us, closed_until_us, prices_seq FROM ledger_head`).Scan(
		&from, &until, &h.pricesSeq); err != nil {
		return LedgerHead{}, fmt.Errorf("read the ledger's state: %w", err)
	}
	h.ClosedFrom, h.ClosedUntil = fromMicros(from), fromMicros(until)
	return h, nil
}

// A Closing is an hour that is over, with all that is booked in it.
type Closing struct {
	Head LedgerHead // as read before the rows were made
	Hour time.Time  // Head.ClosedUntil, or any if that is zero
	Rows []LedgerRow
	At   time.Time // when this is done
}

// CloseHour adds the rows of c to the ledger and closes its hour, both or
// neither. It returns false, and changes nothing, if the ledger or any prices
// have changed since c.Head was read: then the rows were made of what is not true
// any more.
func (db *DB) CloseHour(ctx context.Context, c Closing) (closed bool, err error) {
	err = db.inTx(ctx, func(t *tx) error {
		if !c.Head.ClosedUntil.IsZero() && !c.Hour.Equal(c.Head.ClosedUntil) {
			return fmt.Errorf("the next hour is %s", c.Head.ClosedUntil.Format(time.RFC3339))
		}
		// Of two who close an hour at once, one waits here for the other and then
		// finds another head.
		r, err := t.ExecContext(ctx, `
			UPDATE ledger_head SET closed_until_us = $1, closed_from_us = CASE WHEN closed_until_us = 0 THEN $2 ELSE closed_from_us END
			WHERE closed_until_us = $3 AND prices_seq = $4`,
			micros(c.Hour.Add(time.Hour)), micros(c.Hour), micros(c.Head.ClosedUntil), c.Head.pricesSeq)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		closed = true
		for _, row := range c.Rows {
			if !row.Booked.Equal(c.Hour) || row.Hour.After(row.Booked) {
				return fmt.Errorf("a row of %s is booked in %s", row.Hour.Format(time.RFC3339), row.Booked.Format(time.RFC3339))
			}
		}
		if err := insertLedger(ctx, t, c.Rows); err != nil {
			return err
		}
		if err := sumHours(ctx, t, c); err != nil {
			return err
		}
		return sumMonths(ctx, t, c.Rows)
	})
	if err != nil {
		return false, fmt.Errorf("close the hour %s: %w", c.Hour.Format(time.RFC3339), err)
	}
	return closed, nil
}

const ledgerColumns = `org_id, booked_us, hour_us, line, chain, key_id, method, prices, pricing_id, calls, cu, amount_micros`

func insertLedger(ctx context.Context, t *tx, rows []LedgerRow) error {
	return writeRows(ctx, t, `INSERT INTO ledger (`+ledgerColumns+`, month_us) VALUES `, "", rows, func(r *LedgerRow) []any {
		return []any{
			r.Org.String(), micros(r.Booked), micros(r.Hour), r.Line, r.Chain, r.Key.String(), r.Method, r.Prices,
			r.Pricing, r.Calls, r.CU, int64(r.Amount), micros(account.MonthOf(r.Hour)),
		}
	})
}

// sumHours keeps closed_hours. Every hour between the first and the last has a
// row, also without calls.
func sumHours(ctx context.Context, t *tx, c Closing) error {
	sums := map[int64]*ClosedHour{micros(c.Hour): {}}
	for _, r := range c.Rows {
		sum := sums[micros(r.Hour)]
		if sum == nil {
			sum = new(ClosedHour)
			sums[micros(r.Hour)] = sum
		}
		sum.Calls += r.Calls
		sum.CU += r.CU
		sum.Amount += r.Amount
	}
	for _, hour := range slices.Sorted(maps.Keys(sums)) {
		sum := sums[hour]
		if _, err := t.ExecContext(ctx, `
			INSERT INTO closed_hours (hour_us, closed_us, calls, cu, amount_micros) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (hour_us) DO UPDATE SET calls = closed_hours.calls + excluded.calls,
				cu = closed_hours.cu + excluded.cu, amount_micros = closed_hours.amount_micros + excluded.amount_micros`,
			hour, micros(c.At), sum.Calls, sum.CU, int64(sum.Amount)); err != nil {
			return err
		}
	}
	return nil
}

func sumMonths(ctx context.Context, t *tx, rows []LedgerRow) error {
	return writeRows(ctx, t, `INSERT INTO org_months (org_id, month_us, line, cu, amount_micros) VALUES `,
		` ON CONFLICT (org_id, month_us, line) DO UPDATE SET
			cu = org_months.cu + excluded.cu, amount_micros = org_months.amount_micros + excluded.amount_micros`,
		BalancesOf(rows), func(b *Balance) []any {
			return []any{b.Org.String(), micros(b.Month), b.Line, b.CU, int64(b.Amount)}
		})
}

// A Balance is the sum of an organisation's ledger rows of one line, by the month
// in which the calls were made.
type Balance struct {
	Org    account.OrgID
	Month  time.Time
	Line   string
	CU     int64
	Amount account.Micros
}

// BalancesOf returns the balances of rows, in the order of organisation, month
// and line.
func BalancesOf(rows []LedgerRow) []Balance {
	list := make([]Balance, 0, len(rows))
	for _, r := range rows {
		list = append(list, Balance{Org: r.Org, Month: account.MonthOf(r.Hour), Line: r.Line, CU: r.CU, Amount: r.Amount})
	}
	slices.SortStableFunc(list, compareBalances)
	n := 0
	for _, b := range list {
		if n > 0 && compareBalances(list[n-1], b) == 0 {
			list[n-1].CU += b.CU
			list[n-1].Amount += b.Amount
			continue
		}
		list[n] = b
		n++
	}
	return list[:n]
}

func compareBalances(a, b Balance) int {
	return cmp.Or(cmp.Compare(a.Org, b.Org), a.Month.Compare(b.Month), cmp.Compare(a.Line, b.Line))
}

// Balances returns the balances of a month, in the order of organisation and
// line.
func (db *DB) Balances(ctx context.Context, month time.Time) ([]Balance, error) {
	list, err := all(ctx, db, scanBalance, `SELECT org_id, month_us, line, cu, amount_micros FROM org_months WHERE month_us = $1`, micros(month))
	if err != nil {
		return nil, fmt.Errorf("read balances of %s: %w", month.Format("2006-01"), err)
	}
	slices.SortFunc(list, compareBalances)
	return list, nil
}

// BalancesAt returns the balances of all months, added up from the ledger rows
// that were booked before that hour.
func (db *DB) BalancesAt(ctx context.Context, hour time.Time) ([]Balance, error) {
	list, err := all(ctx, db, scanBalance, `
		SELECT org_id, month_us, line, CAST(SUM(cu) AS BIGINT), CAST(SUM(amount_micros) AS BIGINT)
		FROM ledger WHERE booked_us < $1 GROUP BY org_id, month_us, line`, micros(hour))
	if err != nil {
		return nil, fmt.Errorf("add up the ledger before %s: %w", hour.Format(time.RFC3339), err)
	}
	slices.SortFunc(list, compareBalances)
	return list, nil
}

func scanBalance(s scanner) (b Balance, err error) {
	var org string
	var month, amount int64
	if err := s.Scan(&org, &month, &b.Line, &b.CU, &amount); err != nil {
		return b, err
	}
	b.Month, b.Amount = fromMicros(month), account.Micros(amount)
	b.Org, err = orgID(org)
	return b, err
}

// A ClosedHour is the sums of the ledger rows of one hour, those that came late
// included.
type ClosedHour struct {
	Hour      time.Time
	ClosedAt  time.Time
	Calls, CU int64
	Amount    account.Micros
}

// ClosedHours returns the hours from from on and before until that have ledger
// rows or are closed without any, oldest first.
func (db *DB) ClosedHours(ctx context.Context, from, until time.Time) ([]ClosedHour, error) {
	list, err := all(ctx, db, scanClosedHour, `SELECT hour_us, closed_us, calls, cu, amount_micros FROM closed_hours
		WHERE hour_us >= $1 AND hour_us < $2 ORDER BY hour_us`, micros(from), micros(until))
	if err != nil {
		return nil, fmt.Errorf("read closed hours: %w", err)
	}
	return list, nil
}

func scanClosedHour(s scanner) (h ClosedHour, err error) {
	var hour, closed, amount int64
	err = s.Scan(&hour, &closed, &h.Calls, &h.CU, &amount)
	h.Hour, h.ClosedAt, h.Amount = fromMicros(hour), fromMicros(closed), account.Micros(amount)
	return h, err
}

// LedgerOfHour returns the rows of the calls that were made in an hour, whenever
// they were booked.
func (db *DB) LedgerOfHour(ctx context.Context, hour time.Time) ([]LedgerRow, error) {
	return db.ledger(ctx, `hour_us`, hour)
}

// LedgerBooked returns the rows that were booked in an hour.
func (db *DB) LedgerBooked(ctx context.Context, hour time.Time) ([]LedgerRow, error) {
	return db.ledger(ctx, `booked_us`, hour)
}

func (db *DB) ledger(ctx context.Context, column string, hour time.Time) ([]LedgerRow, error) {
	list, err := all(ctx, db, scanLedger, `SELECT `+ledgerColumns+` FROM ledger WHERE `+column+` = $1`, micros(hour))
	if err != nil {
		return nil, fmt.Errorf("read the ledger of %s: %w", hour.Format(time.RFC3339), err)
	}
	return list, nil
}

func scanLedger(s scanner) (r LedgerRow, err error) {
	var org, key string
	var booked, hour, amount int64
	if err := s.Scan(&org, &booked, &hour, &r.Line, &r.Chain, &key, &r.Method, &r.Prices, &r.Pricing, &r.Calls, &r.CU, &amount); err != nil {
		return r, err
	}
	r.Booked, r.Hour, r.Amount = fromMicros(booked), fromMicros(hour), account.Micros(amount)
	var errOrg, errKey error
	r.Org, errOrg = orgID(org)
	r.Key, errKey = keyID(key)
	return r, errors.Join(errOrg, errKey)
}

// orgID and keyID read what String wrote, "" included.
func orgID(s string) (account.OrgID, error) {
	if s == "" {
		return 0, nil
	}
	return account.ParseOrgID(s)
}

func keyID(s string) (account.KeyID, error) {
	if s == "" {
		return 0, nil
	}
	return account.ParseKeyID(s)
}
