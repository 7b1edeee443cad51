// Package rating turns stored usage into the ledger: it closes each hour once all
// gateways have stored what they recorded in it, prices it by what each
// organisation pays, and books what comes late in the next hour. It proves the
// ledger (Verify, Replay), raises alerts and caps organisations that have used up
// what they may.
//
// What a price is, and how it is rounded, is the job of internal/account; that an
// hour is closed once, whoever tries, that of internal/store. Sending invoices
// and mail is nobody's job here: alerts wait in the store's outbox.
package rating

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"

	"pokt.ai/internal/store"
	"pokt.ai/meter"
)

// A Source answers what is stored. It must keep what it answers for as long as
// LateWindow.
type Source interface {
	// Hours returns the hours from from on and before until that have calls.
	Hours(ctx context.Context, from, until time.Time) ([]meter.HourTotal, error)
	// Totals yields the totals of those hours, in any order and in any number of
	// pieces, and ends with the first error. Those of outcomes that are not
	// charged may be left out only if nobody is to verify them.
	Totals(ctx context.Context, from, until time.Time) iter.Seq2[meter.Total, error]
}

// Config is the configuration of rating.
type Config struct {
	// Every is the time between two looks at what can be closed and at caps.
	// Default 1m; it must be set.
	Every time.Duration `yaml:"every"`
	// LateWindow is how far back an hour may get calls that came late and have
	// them charged; what is older is found by verify and replay alone. Default
	// 1488h (62 days); it must be set.
	LateWindow time.Duration `yaml:"late_window"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Every: time.Minute, LateWindow: 62 * 24 * time.Hour}
}

// Validate reports every fault with the key it is in.
func (c Config) Validate(report func(key, message string)) {
	if c.Every <= 0 {
		report("every", "must be positive")
	}
	if c.LateWindow < time.Hour {
		report("late_window", "must be at least 1h")
	}
}

// A Rater closes hours and watches caps. Several may run, in one process or in
// many: of two that close an hour, one does. It is safe for concurrent use.
type Rater struct {
	cfg    Config
	source Source
	db     *store.DB
	log    zerolog.Logger

	hours, lateCalls, lateCU, failures *metrics.Counter
	closedUntil, watermark, missing    *metrics.Gauge
}

// New returns a Rater of what source has stored.
func New(cfg Config, source Source, db *store.DB, log zerolog.Logger, set *metrics.Set) *Rater {
	return &Rater{
		cfg:         cfg,
		source:      source,
		db:          db,
		log:         log,
		hours:       set.NewCounter("poktai_rating_hours_closed_total"),
		lateCalls:   set.NewCounter("poktai_rating_late_calls_total"),
		lateCU:      set.NewCounter("poktai_rating_late_cu_total"),
		failures:    set.NewCounter("poktai_rating_errors_total"),
		closedUntil: set.NewGauge("poktai_rating_closed_until_seconds", nil),
		watermark:   set.NewGauge("poktai_rating_watermark_seconds", nil),
		missing:     set.NewGauge("poktai_rating_missing_hours", nil),
	}
}

// Run rates until ctx ends, and then returns nil. What fails is tried again.
func (r *Rater) Run(ctx context.Context) error {
	tick := time.NewTicker(r.cfg.Every)
	defer tick.Stop()
	for {
		if err := r.Pass(ctx, time.Now()); err != nil && ctx.Err() == nil {
			r.failures.Inc()
			r.log.Error().Err(err).Msg("rating: a pass failed, trying again")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Pass closes every hour that can be closed at now, and then looks at quotas and
// spend caps. It may be interrupted anywhere and repeated.
func (r *Rater) Pass(ctx context.Context, now time.Time) error {
	var err error
	for closed := true; closed && err == nil; {
		closed, err = r.closeNext(ctx, now)
	}
	if err != nil {
		err = fmt.Errorf("close hours: %w", err)
	}
	// Caps go on if an hour cannot be closed: they look at open hours as well.
	return errors.Join(err, r.watchCaps(ctx, now))
}
