package rating

import (
	"cmp"
	"slices"
	"time"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
	"pokt.ai/meter"
)

// A partKey is what the calls of one ledger row have in common.
type partKey struct {
	org                         account.OrgID
	hour                        int64 // Unix seconds
	line, chain, method, prices string
	key                         account.KeyID
}

type quantity struct{ calls, cu int64 }

// parts are the calls that become ledger rows.
type parts map[partKey]quantity

// add adds a total, if its calls are charged.
func (p parts) add(b *book, t *meter.Total) {
	if !meter.Charged(t.Outcome) {
		return
	}
	line, byMethod := b.at(t.Org, t.Hour).Line(t.Chain, t.Method)
	k := partKey{org: t.Org, hour: t.Hour.Unix(), line: line, chain: t.Chain, prices: t.Prices, key: t.Key}
	if byMethod {
		k.method = t.Method
	}
	q := p[k]
	p[k] = quantity{q.calls + t.Calls, q.cu + t.CU}
}

// addRow adds the calls of a ledger row, times sign.
func (p parts) addRow(r *store.LedgerRow, sign int64) {
	if r.Line == account.MinimumLine {
		return
	}
	k := partKey{org: r.Org, hour: r.Hour.Unix(), line: r.Line, chain: r.Chain, method: r.Method, prices: r.Prices, key: r.Key}
	q := p[k]
	p[k] = quantity{q.calls + sign*r.Calls, q.cu + sign*r.CU}
}

// A pricer goes through the ledger in the order of booking and knows the balances
// so far. It is all that decides what anything costs: closing an hour, looking
// ahead for caps and replaying come here.
type pricer struct {
	book     *book
	began    time.Time // the first hour of the ledger: months that were over then have no minimum
	balances map[balanceKey]quantityAmount
	spent    map[orgMonth]quantityAmount // all lines but the minimum
}

type orgMonth struct {
	org   account.OrgID
	month int64 // Unix seconds
}

type balanceKey struct {
	orgMonth
	line string
}

type quantityAmount struct {
	cu     int64
	amount account.Micros
}

func (q *quantityAmount) add(cu int64, amount account.Micros) {
	q.cu += cu
	q.amount += amount
}

func newPricer(b *book, began time.Time, balances ...store.Balance) *pricer {
	p := &pricer{book: b, began: began, balances: make(map[balanceKey]quantityAmount), spent: make(map[orgMonth]quantityAmount)}
	for _, b := range balances {
		p.move(orgMonth{b.Org, b.Month.Unix()}, b.Line, b.CU, b.Amount)
	}
	return p
}

// move moves one balance on.
func (p *pricer) move(of orgMonth, line string, cu int64, amount account.Micros) {
	k := balanceKey{of, line}
	b := p.balances[k]
	b.add(cu, amount)
	p.balances[k] = b
	if line != account.MinimumLine {
		s := p.spent[of]
		s.add(cu, amount)
		p.spent[of] = s
	}
}

// rows prices what is booked in an hour, and completes the minimum of months that
// are over. It depends on nothing but its arguments and what was booked before.
func (p *pricer) rows(booked time.Time, all parts) ([]store.LedgerRow, error) {
	rows := make([]store.LedgerRow, 0, len(all))
	for k, q := range all {
		rows = append(rows, store.LedgerRow{
			Org: k.org, Booked: booked, Hour: time.Unix(k.hour, 0).UTC(), Line: k.line, Chain: k.chain,
			Key: k.key, Method: k.method, Prices: k.prices, Calls: q.calls, CU: q.cu,
		})
	}
	slices.SortFunc(rows, compareRows)
	due := make(map[orgMonth]bool) // whose minimum to look at
	for i := range rows {
		row := &rows[i]
		if err := p.price(row); err != nil {
			return nil, err
		}
		if month := account.MonthOf(row.Hour); !lastHour(month).After(booked) && !lastHour(month).Before(p.began) {
			due[orgMonth{row.Org, month.Unix()}] = true
		}
	}
	if month := account.MonthOf(booked); lastHour(month).Equal(booked) {
		for org := range p.book.history {
			due[orgMonth{org, month.Unix()}] = true
		}
	}
	first := len(rows)
	for of := range due {
		row, err := p.minimum(of, booked)
		if err != nil {
			return nil, err
		}
		if row.Amount != 0 {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows[first:], compareRows)
	return rows, nil
}

// price sets the amount of a row: the cost after it less the cost before it.
func (p *pricer) price(row *store.LedgerRow) error {
	pricing := p.book.at(row.Org, row.Hour)
	of := orgMonth{row.Org, account.MonthOf(row.Hour).Unix()}
	used := p.balances[balanceKey{of, row.Line}].cu
	before, err := pricing.Cost(row.Line, used)
	if err != nil {
		return err
	}
	after, err := pricing.Cost(row.Line, used+row.CU)
	if err != nil {
		return err
	}
	if pricing != nil {
		row.Pricing = pricing.ID
	}
	row.Amount = after - before
	p.move(of, row.Line, row.CU, row.Amount)
	return nil
}

// minimum returns the row that brings a month that is over to its minimum. What
// was added before is taken back as far as usage has come late.
func (p *pricer) minimum(of orgMonth, booked time.Time) (store.LedgerRow, error) {
	month := time.Unix(of.month, 0).UTC()
	least, err := p.book.minimum(of.org, month)
	if err != nil {
		return store.LedgerRow{}, err
	}
	row := store.LedgerRow{Org: of.org, Booked: booked, Hour: lastHour(month), Line: account.MinimumLine}
	if pricing := p.book.at(of.org, row.Hour); pricing != nil {
		row.Pricing = pricing.ID
	}
	row.Amount = max(0, least-p.spent[of].amount) - p.balances[balanceKey{of, row.Line}].amount
	p.move(of, row.Line, 0, row.Amount)
	return row, nil
}

func lastHour(month time.Time) time.Time { return month.AddDate(0, 1, 0).Add(-time.Hour) }

// compareRows is the order in which rows of one booked hour are priced.
func compareRows(a, b store.LedgerRow) int {
	return cmp.Or(
		cmp.Compare(a.Org, b.Org),
		a.Hour.Compare(b.Hour),
		cmp.Compare(a.Line, b.Line),
		cmp.Compare(a.Chain, b.Chain),
		cmp.Compare(a.Key, b.Key),
		cmp.Compare(a.Method, b.Method),
		cmp.Compare(a.Prices, b.Prices),
	)
}
