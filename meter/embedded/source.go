package embedded

import (
	"context"
	"iter"
	"time"

	"pokt.ai/internal/store"
	"pokt.ai/meter"
)

// A Source answers what a Sink has stored, to be rated and verified. It keeps no
// events, so that hours and segments are what is counted.
type Source struct{ db *store.DB }

// NewSource returns a Source of what was added to db.
func NewSource(db *store.DB) *Source { return &Source{db: db} }

// Hours returns the hours from from on and before until that have calls.
func (s *Source) Hours(ctx context.Context, from, until time.Time) ([]meter.HourTotal, error) {
	hours, err := s.db.UsageHours(ctx, from, until)
	if err != nil {
		return nil, err
	}
	list := make([]meter.HourTotal, 0, len(hours))
	for _, h := range hours {
		list = append(list, meter.HourTotal{Hour: h.Hour, Calls: h.Calls, Charged: h.Charged, CU: h.CU})
	}
	return list, nil
}

// Totals yields the totals of those hours, and ends with the first error.
func (s *Source) Totals(ctx context.Context, from, until time.Time) iter.Seq2[meter.Total, error] {
	return func(yield func(meter.Total, error) bool) {
		for u, err := range s.db.UsageTotals(ctx, from, until) {
			t := meter.Total{
				Hour: u.Hour, Org: u.Org, Key: u.Key, Chain: u.Chain, Method: u.Method,
				Outcome: u.Outcome, Prices: u.Prices, Calls: u.Calls, CU: u.CU,
			}
			if !yield(t, err) {
				return
			}
		}
	}
}

// Segments yields the segments stored of an epoch in the order of their numbers,
// and ends with the first error.
func (s *Source) Segments(ctx context.Context, gateway string, epoch uint64, _, _ time.Time) iter.Seq2[meter.SegmentTotal, error] {
	return func(yield func(meter.SegmentTotal, error) bool) {
		for info, err := range s.db.EpochSegments(ctx, gateway, epoch) {
			t := meter.SegmentTotal{
				Gateway: info.Gateway, Epoch: info.Epoch, Seq: info.Seq,
				Rows: info.Rows, CU: info.CU, First: info.FirstEvent, Last: info.LastEvent,
			}
			if !yield(t, err) {
				return
			}
		}
	}
}
