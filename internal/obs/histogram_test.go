package obs_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"pokt.ai/internal/obs"
)

func TestHistogramIsOneOfPrometheus(t *testing.T) {
	set := metrics.NewSet()
	h := obs.NewHistogram(set, `poktai_test_seconds{chain="dev"}`)
	for _, d := range []time.Duration{0, 64 * time.Microsecond, 65 * time.Microsecond, time.Millisecond, time.Second, time.Hour} {
		h.Observe(d)
	}
	var b bytes.Buffer
	set.WritePrometheus(&b)
	for _, want := range []string{
		`poktai_test_seconds_bucket{chain="dev",le="6.4e-05"} 2`,
		`poktai_test_seconds_bucket{chain="dev",le="0.000128"} 3`,
		`poktai_test_seconds_bucket{chain="dev",le="0.001024"} 4`,
		`poktai_test_seconds_bucket{chain="dev",le="1.048576"} 5`,
		`poktai_test_seconds_bucket{chain="dev",le="134.217728"} 5`,
		`poktai_test_seconds_bucket{chain="dev",le="+Inf"} 6`,
		`poktai_test_seconds_count{chain="dev"} 6`,
		`poktai_test_seconds_sum{chain="dev"} 3601.001129`,
	} {
		if !strings.Contains(b.String(), want+"\n") {
			t.Errorf("no line %s in\n%s", want, b.String())
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	h := obs.NewHistogram(metrics.NewSet(), "poktai_test_seconds")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.Observe(700 * time.Microsecond)
		}
	})
}
