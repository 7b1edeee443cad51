package meter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"

	"pokt.ai/meter/spool"
)

// A Sink stores segments. It must store a segment that it was handed before
// once only: the segment's name is its identity, and one name with two hashes is
// an error, because it means that two gateways share an id. When Store returns
// nil the segment is durable.
type Sink interface {
	Store(ctx context.Context, segment *spool.Segment) error
}

const retryMin = 100 * time.Millisecond

// A Shipper hands sealed segments to a Sink, oldest first, and deletes them once
// they are stored. A segment that the Sink refuses is tried again for ever: it
// is on disk, and those behind it wait, up to the spool's max_bytes. It is safe
// for concurrent use.
type Shipper struct {
	cfg   ShipConfig
	spool *spool.Spool
	sink  Sink
	log   zerolog.Logger

	turn sync.Mutex // one segment at a time

	segments, rows, failures *metrics.Counter
	duration                 *metrics.Histogram
}

// NewShipper returns a Shipper from sp to sink.
func NewShipper(cfg ShipConfig, sp *spool.Spool, sink Sink, log zerolog.Logger, set *metrics.Set) *Shipper {
	return &Shipper{
		cfg:      cfg,
		spool:    sp,
		sink:     sink,
		log:      log,
		segments: set.NewCounter("poktai_meter_segments_stored_total"),
		rows:     set.NewCounter("poktai_meter_rows_stored_total"),
		failures: set.NewCounter("poktai_meter_store_errors_total"),
		duration: set.NewHistogram("poktai_meter_store_duration_seconds"),
	}
}

// Run ships segments as they are sealed, until ctx ends or the spool is closed.
// It returns nil then.
func (s *Shipper) Run(ctx context.Context) error {
	for {
		if err := s.spool.Wait(ctx); err != nil {
			return nil
		}
		if err := s.Drain(ctx); err != nil {
			return nil
		}
	}
}

// Drain ships what is sealed, trying again until all of it is stored. It returns
// an error if ctx ends or the spool is closed before that.
func (s *Shipper) Drain(ctx context.Context) error {
	pause := retryMin
	for {
		shipped, err := s.shipOldest(ctx)
		switch {
		case err == nil && !shipped:
			return nil
		case err == nil:
			pause = retryMin
			continue
		case errors.Is(err, spool.ErrClosed):
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("drain the spool: %w", errors.Join(ctx.Err(), err))
		}
		s.failures.Inc()
		s.log.Error().Err(err).Msg("meter: store a segment, trying again")
		// Jitter, so that gateways that lost one sink do not come back to it
		// all at once.
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("drain the spool: %w", errors.Join(ctx.Err(), err))
		}
		pause = min(2*pause, s.cfg.RetryMax)
	}
}

// shipOldest stores one segment and deletes it. It reports false if there is
// none. The segment is read again for each attempt, so that an outage of the
// sink holds no memory.
func (s *Shipper) shipOldest(ctx context.Context) (bool, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	segment, err := s.spool.Oldest()
	if segment == nil {
		return false, err
	}
	start := time.Now()
	attempt, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	if err := s.sink.Store(attempt, segment); err != nil {
		return false, fmt.Errorf("store segment %s: %w", segment.Name, err)
	}
	s.duration.UpdateDuration(start)
	s.segments.Inc()
	s.rows.AddInt64(segment.Rows)
	if err := s.spool.Delete(segment); err != nil {
		return false, fmt.Errorf("delete segment %s: %w", segment.Name, err)
	}
	return true, nil
}
