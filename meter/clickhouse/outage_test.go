package clickhouse_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"

	"pokt.ai/internal/testclickhouse"
	"pokt.ai/meter"
	"pokt.ai/meter/clickhouse"
	"pokt.ai/meter/spool"
)

// A witness is a sink that remembers what was handed over.
type witness struct {
	meter.Sink

	mu       sync.Mutex
	attempts int
	seen     map[string]*spool.Segment
}

func (w *witness) Store(ctx context.Context, segment *spool.Segment) error {
	w.mu.Lock()
	w.attempts++
	w.seen[segment.Name] = segment
	w.mu.Unlock()
	return w.Sink.Store(ctx, segment)
}

func (w *witness) tried() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.attempts
}

func (w *witness) segments() (all []*spool.Segment, rows int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.seen {
		all = append(all, s)
		rows += s.Rows
	}
	return all, rows
}

// A shipping house ships what it records, to a server that may go away.
type shipping struct {
	*house
	*witness
	shipper *meter.Shipper
}

// newShipping returns a house that ships until the test ends.
func newShipping(t testing.TB, gateway string, cfg clickhouse.Config) *shipping {
	t.Helper()
	log := zerolog.Nop() // an outage says much
	m := meter.DefaultConfig()
	m.Spool.Dir = filepath.Join(t.TempDir(), "spool")
	m.Spool.Gateway = gateway
	m.Spool.SealRows = 500
	m.Ship = meter.ShipConfig{Timeout: 20 * time.Second, RetryMax: 200 * time.Millisecond}
	sp, err := spool.Open(m.Spool, log, metrics.NewSet())
	must(t, err)
	db, err := clickhouse.New(cfg, log)
	must(t, err)
	s := &shipping{
		house:   &house{Spool: sp, every: time.Second},
		witness: &witness{Sink: db, seen: make(map[string]*spool.Segment)},
	}
	s.shipper = meter.NewShipper(m.Ship, sp, s.witness, log, metrics.NewSet())
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.shipper.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		must(t, sp.Close())
		must(t, db.Close())
	})
	return s
}

func (s *shipping) record(t testing.TB, n int) {
	t.Helper()
	for range n {
		e := s.event(s.next)
		must(t, s.Append(&e))
		s.next++
	}
}

// drain returns when all that was recorded is stored.
func (s *shipping) drain(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, s.Flush(ctx))
	must(t, s.shipper.Drain(ctx))
}

func (s *shipping) wantAll(t testing.TB, cfg clickhouse.Config) {
	t.Helper()
	segments, rows := s.segments()
	if rows != int64(s.next) {
		t.Errorf("%d rows were handed over, %d recorded", rows, s.next)
	}
	wantOnce(t, cfg, segments...)
}

// TestServerIsDown at start, and again later for longer than one segment lasts.
func TestServerIsDown(t *testing.T) {
	onEngines(t, func(t *testing.T, engine *testclickhouse.Engine, cfg clickhouse.Config) {
		s := newShipping(t, "gw-1", cfg)
		s.record(t, 2000)
		await(t, func() bool { return s.tried() > 2 })
		engine.Start(t)
		s.drain(t)
		s.wantAll(t, cfg)

		engine.Kill(t)
		failed := s.tried()
		s.record(t, 8000)
		await(t, func() bool { return s.tried() > failed+2 })
		engine.Start(t)
		s.record(t, 777)
		s.drain(t)
		s.wantAll(t, cfg)
	})
}

// TestServerIsKilled in the middle of INSERTs, and finds on disk what it had
// taken: rows in some tables and not in others, and blocks that it knows again.
func TestServerIsKilled(t *testing.T) {
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	onEngines(t, func(t *testing.T, engine *testclickhouse.Engine, cfg clickhouse.Config) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		engine.Start(t)
		one, two := newShipping(t, "gw-1", cfg), newShipping(t, "gw-2", cfg)
		for range rounds {
			one.record(t, 3000)
			two.record(t, 3000)
			tried := one.tried() + two.tried()
			await(t, func() bool { return one.tried()+two.tried() > tried })
			select {
			case <-time.After(time.Duration(random.Int64N(int64(400 * time.Millisecond)))):
			case <-t.Context().Done():
			}
			engine.Kill(t)
			engine.Start(t)
		}
		one.drain(t)
		two.drain(t)
		segments, rows := one.segments()
		more, moreRows := two.segments()
		if recorded := int64(one.next + two.next); rows+moreRows != recorded {
			t.Errorf("%d rows were handed over, %d recorded", rows+moreRows, recorded)
		}
		t.Logf("%d segments in %d attempts", len(segments)+len(more), one.tried()+two.tried())
		wantOnce(t, cfg, append(segments, more...)...)
	})
}
