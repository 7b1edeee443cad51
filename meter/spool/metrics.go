package spool

import (
	"time"

	"github.com/VictoriaMetrics/metrics"
)

type instruments struct {
	rowsSealed, rowsRecovered *metrics.Counter
	rowsShed, rowsDropped     *metrics.Counter
	badSlots, badSegments     *metrics.Counter
	sealErrors, syncErrors    *metrics.Counter
	namesRefused              *metrics.Counter
	sealDuration              *metrics.Histogram
}

func newInstruments(set *metrics.Set) *instruments {
	return &instruments{
		rowsSealed:    set.NewCounter("poktai_spool_rows_sealed_total"),
		rowsRecovered: set.NewCounter("poktai_spool_rows_recovered_total"),
		rowsShed:      set.NewCounter("poktai_spool_rows_shed_total"),
		rowsDropped:   set.NewCounter("poktai_spool_rows_dropped_total"),
		badSlots:      set.NewCounter("poktai_spool_bad_slots_total"),
		badSegments:   set.NewCounter("poktai_spool_bad_segments_total"),
		sealErrors:    set.NewCounter("poktai_spool_seal_errors_total"),
		syncErrors:    set.NewCounter("poktai_spool_sync_errors_total"),
		namesRefused:  set.NewCounter("poktai_spool_names_refused_total"),
		sealDuration:  set.NewHistogram("poktai_spool_seal_duration_seconds"),
	}
}

// measure exposes the state of s.
func (s *Spool) measure(set *metrics.Set) {
	gauge := func(name string, value func() float64) {
		set.NewGauge(name, func() float64 {
			s.mu.Lock()
			defer s.mu.Unlock()
			return value()
		})
	}
	gauge("poktai_spool_segments", func() float64 { return float64(len(s.sealed)) })
	gauge("poktai_spool_bytes", func() float64 { return float64(s.bytes) })
	gauge("poktai_spool_max_bytes", func() float64 { return float64(s.cfg.MaxBytes) })
	gauge("poktai_spool_oldest_segment_age_seconds", func() float64 {
		if len(s.sealed) == 0 {
			return 0
		}
		return time.Since(s.sealed[0].at).Seconds()
	})
	gauge("poktai_spool_full", func() float64 {
		if s.full || s.current.Load() == nil {
			return 1
		}
		return 0
	})
}
