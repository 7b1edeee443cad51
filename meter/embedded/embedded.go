// Package embedded is the meter.Sink of one machine: it adds the calls of a
// segment, summed by minute, to the database that also holds the accounts.
// Hours and the rule that a segment counts once are the job of internal/store.
package embedded

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
	"pokt.ai/meter"
	"pokt.ai/meter/spool"
)

// Store keeps usage. AddUsage adds the rows and the segment's name in one
// transaction, and returns false if it has the segment already.
type Store interface {
	AddUsage(ctx context.Context, segment store.SegmentInfo, rows []store.UsageRow) (added bool, err error)
}

// A Sink is safe for concurrent use.
type Sink struct {
	store Store
	log   zerolog.Logger
}

// New returns a Sink that adds usage to db.
func New(db Store, log zerolog.Logger) *Sink {
	return &Sink{store: db, log: log}
}

// Store adds the segment's calls to the usage, unless that was done before.
func (s *Sink) Store(ctx context.Context, segment *spool.Segment) error {
	added, err := s.store.AddUsage(ctx, store.SegmentInfo{
		Name:       segment.Name,
		Gateway:    segment.Gateway,
		Epoch:      segment.Epoch,
		Seq:        segment.Seq,
		Rows:       segment.Rows,
		CU:         segment.CU,
		FirstEvent: segment.First,
		LastEvent:  segment.Last,
		SHA256:     segment.SHA256,
		StoredAt:   time.Now(),
	}, sum(segment))
	if err != nil {
		return err
	}
	if !added {
		s.log.Info().Str("segment", segment.Name).Msg("meter: a segment that was stored before came again")
	}
	return nil
}

// A bucket is what the calls of one usage row have in common.
type bucket struct {
	minute        int64
	org, key      uint64
	chain, method meter.Name
	prices        meter.Name
	outcome       meter.Outcome
}

const minuteMicros = int64(time.Minute / time.Microsecond)

// sum returns a row for each bucket.
func sum(segment *spool.Segment) []store.UsageRow {
	var rows []store.UsageRow
	at := make(map[bucket]int)
	for e := range segment.Records() {
		b := bucket{
			minute: e.TimeMicros - e.TimeMicros%minuteMicros,
			org:    e.Org, key: e.Key,
			chain: e.Chain, method: e.Method, prices: e.Prices,
			outcome: e.Outcome,
		}
		i, ok := at[b]
		if !ok {
			i = len(rows)
			at[b] = i
			rows = append(rows, store.UsageRow{
				Minute:  b.minute,
				Org:     account.OrgID(e.Org).String(),
				Key:     account.KeyID(e.Key).String(),
				Chain:   segment.Text(e.Chain),
				Method:  segment.Text(e.Method),
				Outcome: e.Outcome.String(),
				Prices:  segment.Text(e.Prices),
				Charged: meter.Charged(e.Outcome.String()),
			})
		}
		r := &rows[i]
		r.Calls++
		r.CU += int64(e.CU)
		r.LatencyMicros += int64(e.LatencyMicros)
		r.RequestBytes += int64(e.RequestBytes)
		r.ResponseBytes += int64(e.ResponseBytes)
	}
	return rows
}
