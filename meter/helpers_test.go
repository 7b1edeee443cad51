package meter_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"

	"pokt.ai/meter"
	"pokt.ai/meter/spool"
)

// sink stores a segment once, as a Sink must, unless script says otherwise for
// the attempt.
type sink struct {
	script func(ctx context.Context, attempt int) (store bool, err error)

	mu       sync.Mutex
	attempts []time.Time
	order    []string
	calls    map[uint64]int // by request id
}

func (s *sink) Store(ctx context.Context, segment *spool.Segment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = append(s.attempts, time.Now())
	store, err := true, error(nil)
	if s.script != nil {
		store, err = s.script(ctx, len(s.attempts))
	}
	if !store {
		return err
	}
	for _, name := range s.order {
		if name == segment.Name {
			return err
		}
	}
	s.order = append(s.order, segment.Name)
	if s.calls == nil {
		s.calls = make(map[uint64]int)
	}
	for e := range segment.Records() {
		s.calls[e.RequestID]++
	}
	return err
}

var errDown = errors.New("the sink is down")

// house is a recorder and a shipper on one spool.
type house struct {
	cfg      meter.Config
	spool    *spool.Spool
	recorder *meter.Recorder
	shipper  *meter.Shipper
	set      *metrics.Set
}

func newHouse(t testing.TB, to meter.Sink) *house {
	t.Helper()
	cfg := meter.DefaultConfig()
	cfg.Spool.Dir = filepath.Join(t.TempDir(), "spool")
	cfg.Spool.Gateway = "gw-1"
	cfg.Spool.SealRows = 100
	cfg.Validate(func(key, message string) { t.Fatalf("config: %s: %s", key, message) })
	h := &house{cfg: cfg}
	h.open(t, to)
	t.Cleanup(func() {
		if err := h.spool.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *house) open(t testing.TB, to meter.Sink) {
	t.Helper()
	h.set = metrics.NewSet()
	log := zerolog.New(zerolog.NewTestWriter(t))
	sp, err := spool.Open(h.cfg.Spool, log, h.set)
	if err != nil {
		t.Fatal(err)
	}
	h.spool = sp
	h.recorder = meter.NewRecorder(sp, h.set)
	h.shipper = meter.NewShipper(h.cfg.Ship, sp, to, log, h.set)
}

// record records calls 1 to last and seals what is left of them.
func (h *house) record(t testing.TB, last uint64) {
	t.Helper()
	for id := uint64(1); id <= last; id++ {
		e := meter.Event{RequestID: id, CU: 20, Outcome: meter.Answered, TimeMicros: time.Now().UnixMicro()}
		if err := h.recorder.Record(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.spool.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wantOnce fails unless each call from 1 to last is stored once.
func (s *sink) wantOnce(t testing.TB, last uint64) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := uint64(1); id <= last; id++ {
		if s.calls[id] != 1 {
			t.Fatalf("call %d is stored %d times", id, s.calls[id])
		}
	}
	if len(s.calls) != int(last) {
		t.Errorf("%d calls are stored, want %d", len(s.calls), last)
	}
}

func value(t testing.TB, set *metrics.Set, name string) float64 {
	t.Helper()
	var b bytes.Buffer
	set.WritePrometheus(&b)
	for line := range strings.Lines(b.String()) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no metric %q", name)
	return 0
}
