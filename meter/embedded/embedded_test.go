package embedded_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"pokt.ai/internal/account"
	"pokt.ai/internal/secret"
	"pokt.ai/internal/store"
	"pokt.ai/meter"
	"pokt.ai/meter/embedded"
	"pokt.ai/meter/spool"
)

func openStore(t testing.TB, path string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{DSN: secret.New("sqlite:" + path)}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func openSpool(t testing.TB, dir string) *spool.Spool {
	t.Helper()
	cfg := spool.DefaultConfig()
	cfg.Dir = dir
	cfg.Gateway = "gw-1"
	s, err := spool.Open(cfg, zerolog.Nop(), metrics.NewSet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// seal returns one segment of events.
func seal(t testing.TB, s *spool.Spool, events ...meter.Event) *spool.Segment {
	t.Helper()
	for i := range events {
		if err := s.Append(&events[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	segment, err := s.Oldest()
	if err != nil {
		t.Fatal(err)
	}
	return segment
}

const (
	org = account.OrgID(77)
	key = account.KeyID(88)
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func usage(t testing.TB, db *store.DB, of account.OrgID, by store.UsageBy) []store.UsageGroup {
	t.Helper()
	groups, err := db.Usage(t.Context(), store.UsageQuery{
		Org: of, Since: noon.Add(-24 * time.Hour), Until: noon.Add(24 * time.Hour), By: by,
	})
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

func TestCallsBecomeUsage(t *testing.T) {
	db := openStore(t, filepath.Join(t.TempDir(), "db"))
	s := openSpool(t, filepath.Join(t.TempDir(), "spool"))
	eth, base := s.Intern("eth"), s.Intern("base")
	call, logs := s.Intern("eth_call"), s.Intern("eth_getLogs")
	event := func(after time.Duration, chain, method meter.Name, outcome meter.Outcome, cu uint32) meter.Event {
		return meter.Event{
			TimeMicros: noon.Add(after).UnixMicro(), Org: uint64(org), Key: uint64(key), Chain: chain, Method: method,
			Outcome: outcome, CU: cu, LatencyMicros: 1000, RequestBytes: 100, ResponseBytes: 500,
		}
	}
	stranger := event(0, eth, call, meter.Unauthorized, 0)
	stranger.Org, stranger.Key = 0, 0
	segment := seal(t, s,
		event(0, eth, call, meter.Answered, 26),
		event(59*time.Second, eth, call, meter.Answered, 26), // the same minute
		event(60*time.Second, eth, call, meter.Answered, 26), // the next
		event(61*time.Second, eth, logs, meter.RPCError, 60),
		event(62*time.Second, base, call, meter.RateLimited, 0),
		stranger,
	)
	sink := embedded.New(db, zerolog.Nop())
	if err := sink.Store(t.Context(), segment); err != nil {
		t.Fatal(err)
	}

	group := func(name string, calls, cu int64) store.UsageGroup {
		return store.UsageGroup{
			Name: name, Calls: calls, CU: cu,
			LatencyMicros: 1000 * calls, RequestBytes: 100 * calls, ResponseBytes: 500 * calls,
		}
	}
	for by, want := range map[store.UsageBy][]store.UsageGroup{
		store.ByMethod: {group("eth_call", 4, 78), group("eth_getLogs", 1, 60)},
		store.ByChain:  {group("eth", 4, 138), group("base", 1, 0)},
		store.ByStatus: {group("answered", 3, 78), group("rate_limited", 1, 0), group("rpc_error", 1, 60)},
		store.ByKey:    {group(key.String(), 5, 138)},
	} {
		if diff := cmp.Diff(want, usage(t, db, org, by)); diff != "" {
			t.Errorf("usage by %s (-want +got):\n%s", by, diff)
		}
	}
	if diff := cmp.Diff([]store.UsageGroup{group("unauthorized", 1, 0)}, usage(t, db, 0, store.ByStatus)); diff != "" {
		t.Errorf("calls of nobody (-want +got):\n%s", diff)
	}

	// Minutes are kept apart.
	first, err := db.Usage(t.Context(), store.UsageQuery{Org: org, Since: noon, Until: noon.Add(time.Minute), By: store.Total})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]store.UsageGroup{group("", 2, 52)}, first); diff != "" {
		t.Errorf("the first minute (-want +got):\n%s", diff)
	}
}

func TestSegmentCountsOnce(t *testing.T) {
	db := openStore(t, filepath.Join(t.TempDir(), "db"))
	s := openSpool(t, filepath.Join(t.TempDir(), "spool"))
	segment := seal(t, s, meter.Event{TimeMicros: noon.UnixMicro(), Org: uint64(org), CU: 20, Outcome: meter.Answered})
	sink := embedded.New(db, zerolog.Nop())
	for range 3 {
		if err := sink.Store(t.Context(), segment); err != nil {
			t.Fatal(err)
		}
	}
	if got := usage(t, db, org, store.Total); len(got) != 1 || got[0].Calls != 1 || got[0].CU != 20 {
		t.Errorf("usage %+v, want one call of 20 CU", got)
	}
}

// TestTwoGatewaysWithOneID must not lose the second one's calls silently.
func TestTwoGatewaysWithOneID(t *testing.T) {
	db := openStore(t, filepath.Join(t.TempDir(), "db"))
	s := openSpool(t, filepath.Join(t.TempDir(), "spool"))
	segment := seal(t, s, meter.Event{TimeMicros: noon.UnixMicro(), Org: uint64(org), CU: 20, Outcome: meter.Answered})
	sink := embedded.New(db, zerolog.Nop())
	if err := sink.Store(t.Context(), segment); err != nil {
		t.Fatal(err)
	}
	other := *segment
	other.SHA256[0] ^= 1
	if err := sink.Store(t.Context(), &other); !errors.Is(err, account.ErrConflict) {
		t.Errorf("another segment of the same name: %v", err)
	}
}

// BenchmarkStore measures a full segment of one gateway with a hundred keys.
func BenchmarkStore(b *testing.B) {
	db := openStore(b, filepath.Join(b.TempDir(), "db"))
	s := openSpool(b, filepath.Join(b.TempDir(), "spool"))
	methods := []meter.Name{s.Intern("eth_call"), s.Intern("eth_getLogs"), s.Intern("eth_blockNumber")}
	events := make([]meter.Event, spool.DefaultConfig().SealRows)
	for i := range events {
		events[i] = meter.Event{
			TimeMicros: noon.UnixMicro() + int64(i), Org: uint64(i % 10), Key: uint64(i % 100),
			Method: methods[i%3], CU: 20, Outcome: meter.Answered,
		}
	}
	segment := seal(b, s, events...)
	sink := embedded.New(db, zerolog.Nop())
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		again := *segment
		again.Name = time.Duration(n).String() // a name is stored once
		n++
		if err := sink.Store(b.Context(), &again); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(segment.Rows)/b.Elapsed().Seconds(), "rows/s")
}
