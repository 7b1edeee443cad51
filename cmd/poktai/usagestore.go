package main

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"pokt.ai/gateway"
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
	return &usageStore{sink: ch, rated: ch, used: ch, report: clickhouseReporter{ch}, close: ch.Close}, nil
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
