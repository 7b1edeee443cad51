package rating

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
	"pokt.ai/meter"
)

// A Sink is a Source that also knows the segments it has stored.
type Sink interface {
	Source
	// Segments yields the segments stored of an epoch, in the order of their
	// numbers, and ends with the first error. Of those whose events lie between
	// from and until it counts the events, if it keeps them.
	Segments(ctx context.Context, gateway string, epoch uint64, from, until time.Time) iter.Seq2[meter.SegmentTotal, error]
}

// A Report is what Verify found. Counts are of calls.
type Report struct {
	From, Until time.Time
	Epochs      []EpochReport
	Hours       []HourReport
	Differences Differences
}

// An EpochReport follows what a gateway took between one start and the next.
// Accepted, Spooled and Acked are what it reported last.
type EpochReport struct {
	Gateway  string
	Epoch    uint64
	Ended    account.EpochEnd
	Accepted int64 // by the recorder
	Dropped  int64 // of them, for want of room in the spool
	Spooled  int64 // in sealed segments
	Stored   int64 // in segments that the sink has
	Waiting  int64 // accepted and, as far as is known, still with the gateway
}

// An HourReport follows what is stored of an hour. Charged and Rated are the same
// calls if the hour is closed.
type HourReport struct {
	Hour    time.Time
	Closed  bool
	Stored  int64
	Charged int64 // of the stored: those that are charged
	Rated   int64 // in the ledger
	CU      int64 // stored
	Amount  account.Micros
}

// Verify follows every call from the recorder to the ledger and names each place
// where two counts are not the same: what a gateway accepted, sealed and had
// stored, segment by segment, for the epochs that touch the time from from to
// until; what is stored and rated for each hour in it. It changes nothing.
//
// What is still on its way, in a gateway that is running or in an hour that is
// open, is no difference.
func Verify(ctx context.Context, db *store.DB, sink Sink, from, until time.Time) (*Report, error) {
	rep := &Report{From: account.HourOf(from), Until: account.HourOf(until.Add(time.Hour - 1))}
	gateways, err := db.Gateways(ctx)
	if err != nil {
		return nil, err
	}
	holder := make(map[string]account.Gateway)
	for _, g := range gateways {
		holder[g.ID] = g
	}
	epochs, err := db.Epochs(ctx, rep.From, rep.Until)
	if err != nil {
		return nil, err
	}
	for _, e := range epochs {
		g := holder[e.Gateway]
		c := epochCheck{epoch: e, gone: !g.RetiredAt.IsZero() || g.Spool != e.Spool, found: &rep.Differences}
		for s, err := range sink.Segments(ctx, e.Gateway, e.Number, rep.From, rep.Until) {
			if err != nil {
				return nil, fmt.Errorf("verify %s: %w", c.name(), err)
			}
			c.segment(&s)
		}
		rep.Epochs = append(rep.Epochs, c.finish())
	}
	if err := rep.hours(ctx, db, sink); err != nil {
		return nil, fmt.Errorf("verify hours: %w", err)
	}
	return rep, nil
}

// hours compares what the rows of each hour say, what the sink keeps as their
// total, and what is in the ledger.
func (rep *Report) hours(ctx context.Context, db *store.DB, sink Sink) error {
	// The head first: an hour that is closed while this runs counts as open.
	head, err := db.LedgerHead(ctx)
	if err != nil {
		return err
	}
	closed, err := db.ClosedHours(ctx, rep.From, rep.Until)
	if err != nil {
		return err
	}
	hours := make(map[int64]*hourCheck)
	of := func(hour time.Time) *hourCheck {
		h := hours[hour.Unix()]
		if h == nil {
			h = &hourCheck{hour: hour.UTC(), found: &rep.Differences}
			hours[hour.Unix()] = h
		}
		return h
	}
	for _, c := range closed {
		of(c.Hour).kept = c
	}
	for t, err := range sink.Totals(ctx, rep.From, rep.Until) {
		if err != nil {
			return err
		}
		of(t.Hour).add(&t)
	}
	totals, err := sink.Hours(ctx, rep.From, rep.Until)
	if err != nil {
		return err
	}
	for _, t := range totals {
		h := of(t.Hour)
		h.total.Calls += t.Calls
		h.total.Charged += t.Charged
		h.total.CU += t.CU
	}
	for _, unix := range slices.Sorted(maps.Keys(hours)) {
		h := hours[unix]
		if h.closed = h.hour.Before(head.ClosedUntil); h.closed {
			rows, err := db.LedgerOfHour(ctx, h.hour)
			if err != nil {
				return err
			}
			h.addLedger(rows)
		}
		rep.Hours = append(rep.Hours, h.finish())
	}
	return nil
}

// An hourCheck gathers what is known of one hour.
type hourCheck struct {
	hour   time.Time
	closed bool
	found  *Differences

	rows   meter.HourTotal // added up from the sink's totals
	free   int64           // compute units of calls that are not charged
	total  meter.HourTotal // as the sink says
	ledger store.ClosedHour
	kept   store.ClosedHour // as the store keeps for the ledger
}

func (h *hourCheck) add(t *meter.Total) {
	h.rows.Calls += t.Calls
	h.rows.CU += t.CU
	if meter.Charged(t.Outcome) {
		h.rows.Charged += t.Calls
	} else {
		h.free += t.CU
	}
}

func (h *hourCheck) addLedger(rows []store.LedgerRow) {
	for _, r := range rows {
		h.ledger.Calls += r.Calls
		h.ledger.CU += r.CU
		h.ledger.Amount += r.Amount
	}
}

func (h *hourCheck) finish() HourReport {
	name := hourName(h.hour)
	if a, b := h.rows, h.total; a.Calls != b.Calls || a.Charged != b.Charged || a.CU != b.CU {
		h.found.add(name, "%d calls (%d charged, %d CU) are stored row by row, and %d (%d, %d CU) in total",
			a.Calls, a.Charged, a.CU, b.Calls, b.Charged, b.CU)
	}
	if h.free != 0 {
		h.found.add(name, "calls that are not charged have %d CU", h.free)
	}
	if h.closed {
		if stored, rated := (quantity{h.rows.Charged, h.rows.CU}), (quantity{h.ledger.Calls, h.ledger.CU}); stored != rated {
			h.found.add(name, "%v are stored and %v rated", stored, rated)
		}
		if k := h.kept; k.Calls != h.ledger.Calls || k.CU != h.ledger.CU || k.Amount != h.ledger.Amount {
			h.found.add(name, "the ledger's rows are %d calls, %d CU, %s and their sum is kept as %d, %d, %s",
				h.ledger.Calls, h.ledger.CU, h.ledger.Amount, k.Calls, k.CU, k.Amount)
		}
	}
	return HourReport{
		Hour: h.hour, Closed: h.closed, Stored: h.rows.Calls, Charged: h.rows.Charged,
		Rated: h.ledger.Calls, CU: h.rows.CU, Amount: h.ledger.Amount,
	}
}
