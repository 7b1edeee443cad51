package obs

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// A Histogram counts durations in buckets that double from 64 us to 134 s, as
// Prometheus's histograms do. Those of the metrics package take a lock for every
// observation, which the calls of a chain would all share. It is safe for
// concurrent use.
type Histogram struct {
	buckets [histogramBuckets]atomic.Uint64 // not cumulative; the last is +Inf
	micros  atomic.Uint64
}

const (
	histogramBuckets = 23
	firstBits        = 6 // 2^6 us
)

// NewHistogram returns a Histogram that set writes as name, which may have
// labels: `poktai_x_seconds{chain="dev"}`. It replaces the one of that name, and
// begins at zero.
func NewHistogram(set *metrics.Set, name string) *Histogram {
	h := &Histogram{}
	family, labels, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
	if labels != "" {
		labels += ","
	}
	for i := range h.buckets {
		replace(set, fmt.Sprintf("%s_bucket{%sle=%q}", family, labels, upperBound(i)), func() float64 { return h.upTo(i) })
	}
	labels = strings.TrimSuffix(labels, ",")
	replace(set, fmt.Sprintf("%s_count{%s}", family, labels), func() float64 { return h.upTo(histogramBuckets - 1) })
	replace(set, fmt.Sprintf("%s_sum{%s}", family, labels), func() float64 { return float64(h.micros.Load()) / 1e6 })
	return h
}

func replace(set *metrics.Set, name string, value func() float64) {
	set.UnregisterMetric(name)
	set.NewGauge(name, value)
}

// Observe counts one duration.
func (h *Histogram) Observe(d time.Duration) {
	micros := uint64(max(d.Microseconds(), 0))
	at := 0
	if micros > 1<<firstBits {
		at = min(bits.Len64(micros-1)-firstBits, histogramBuckets-1)
	}
	h.buckets[at].Add(1)
	h.micros.Add(micros)
}

func (h *Histogram) upTo(last int) float64 {
	var n uint64
	for i := range h.buckets[:last+1] {
		n += h.buckets[i].Load()
	}
	return float64(n)
}

// upperBound is the largest duration of a bucket, in seconds.
func upperBound(i int) string {
	if i == histogramBuckets-1 {
		return "+Inf"
	}
	return strconv.FormatFloat(float64(uint64(1)<<(firstBits+i))/1e6, 'g', -1, 64)
}
