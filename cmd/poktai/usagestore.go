package main

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"pokt.ai/gateway"
	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
	"pokt.ai/meter"
	"pokt.ai/meter/clickhouse"
	"pokt.ai/meter/embedded"
	"pokt.ai/meter/rating"
)

// usageStore is where usage is kept, as each of those who need it sees it.
type usageStore struct {
	sink   meter.Sink
	rated  rating.Sink
	used   gateway.Usage
	report reporter
	close  func() error
}

// Close closes the connections that are its own.
func (u *usageStore) Close() error { return u.close() }

// reporter answers `poktai usage`.
type reporter interface {
	Usage(ctx context.Context, q store.UsageQuery) ([]store.UsageGroup, error)
	LastEvent(ctx context.Context) (time.Time, error)
}

// openUsage returns the usage store of a configuration. It does not connect.
func openUsage(cfg meterSettings, db *store.DB, log zerolog.Logger) (*usageStore, error) {
	if cfg.Sink == sinkEmbedded {
		return &usageStore{
			sink: embedded.New(db, log), rated: embedded.NewSource(db), used: db, report: db,
			close: func() error { return nil },
		}, nil
	}
	ch, err := clickhouse.New(cfg.ClickHouse, log)
	if err != nil {
		return nil, err
	}
	return &usageStore{sink: ch, rated: ch, used: rated{db}, report: clickhouseReporter{ch}, close: ch.Close}, nil
}

type clickhouseReporter struct{ *clickhouse.DB }

func (r clickhouseReporter) Usage(ctx context.Context, q store.UsageQuery) ([]store.UsageGroup, error) {
	found, err := r.DB.Usage(ctx, q.Org, q.Since, q.Until, string(q.By))
	if err != nil {
		return nil, err
	}
	groups := make([]store.UsageGroup, len(found))
	for i, g := range found {
		groups[i] = store.UsageGroup{
			Name: g.Name, Calls: g.Calls, CU: g.CU, LatencyMicros: g.LatencyMicros,
			RequestBytes: g.RequestBytes, ResponseBytes: g.ResponseBytes,
		}
	}
	return groups, nil
}

// rated tells from the ledger what was used, so that keys can be used while
// ClickHouse is away. It knows the hours that are closed: what was used in those
// that are open, by gateways that have stopped since, is found when they close,
// and the organisation is then capped.
type rated struct{ db *store.DB }

func (r rated) UsedCU(ctx context.Context, org account.OrgID, from, _ time.Time) (int64, error) {
	balances, err := r.db.Balances(ctx, from)
	if err != nil {
		return 0, err
	}
	var cu int64
	for _, b := range balances {
		if b.Org == org {
			cu += b.CU
		}
	}
	return cu, nil
}
