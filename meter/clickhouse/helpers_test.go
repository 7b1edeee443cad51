package clickhouse_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"

	"pokt.ai/internal/secret"
	"pokt.ai/internal/testclickhouse"
	"pokt.ai/meter"
	"pokt.ai/meter/clickhouse"
	"pokt.ai/meter/spool"
)

// onBoth runs a test over each protocol that the shared server speaks.
func onBoth(t *testing.T, test func(t *testing.T, cfg clickhouse.Config)) {
	server := testclickhouse.Shared(t)
	for _, protocol := range []clickhouse.Protocol{clickhouse.Native, clickhouse.HTTP} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			test(t, newDatabase(t, server, protocol))
		})
	}
}

// newDatabase is the configuration of a database that the test has to itself.
func newDatabase(t testing.TB, server testclickhouse.Server, protocol clickhouse.Protocol) clickhouse.Config {
	t.Helper()
	cfg := clickhouse.DefaultConfig()
	cfg.Protocol = protocol
	cfg.Addresses = []string{server.Native}
	if protocol == clickhouse.HTTP {
		cfg.Addresses = []string{server.HTTP}
	}
	if cfg.Addresses[0] == "" {
		t.Skipf("the server does not speak %s", protocol)
	}
	cfg.Database = "poktai_test_" + strings.ToLower(rand.Text())
	if server.User != "" {
		cfg.User = server.User
	}
	cfg.Password = secret.New(server.Password)
	cfg.Validate(func(key, message string) { t.Fatalf("config: %s: %s", key, message) })
	if !server.Disposable {
		t.Cleanup(func() {
			other := cfg
			other.Database = "default"
			// t.Context is over in cleanups.
			if err := direct(t, other).Exec(context.Background(), "DROP DATABASE IF EXISTS "+cfg.Database); err != nil {
				t.Error(err)
			}
		})
	}
	return cfg
}

func open(t testing.TB, cfg clickhouse.Config) *clickhouse.DB {
	t.Helper()
	db, err := clickhouse.New(cfg, zerolog.New(zerolog.NewTestWriter(t)))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// noon is when the calls of tests happen: close to now, or they would expire.
var noon = time.Now().UTC().Truncate(24 * time.Hour).Add(-12 * time.Hour)

// A house is the metering of one gateway.
type house struct {
	*spool.Spool
	next  uint64        // request id
	every time.Duration // between two calls
}

func newHouse(t testing.TB, gateway string, rows int) *house {
	t.Helper()
	cfg := spool.DefaultConfig()
	cfg.Dir = filepath.Join(t.TempDir(), "spool")
	cfg.Gateway = gateway
	cfg.SealRows = rows
	sp, err := spool.Open(cfg, zerolog.Nop(), metrics.NewSet())
	must(t, err)
	t.Cleanup(func() { must(t, sp.Close()) })
	return &house{Spool: sp, every: 2_345_678 * time.Microsecond}
}

// event is the call with that number, different from the others in every field.
// All are within two hours, in no order.
func (h *house) event(n uint64) spool.Record {
	chains, methods := []string{"eth", "base", "poktai-test"}, []string{"eth_call", "eth_getLogs", "eth_blockNumber", "eth_getBalance"}
	outcomes := []meter.Outcome{meter.Answered, meter.RPCError, meter.RateLimited}
	e := spool.Record{
		TimeMicros:    noon.UnixMicro() + int64(n*7919%3000)*h.every.Microseconds(),
		Org:           n % 5,
		Key:           n % 23,
		RequestID:     n,
		CU:            uint32(n%7) * 10,
		LatencyMicros: uint32(n % 100_000),
		RequestBytes:  uint32(n % 1000),
		ResponseBytes: uint32(n % 10_000),
		Chain:         h.Intern(chains[n%3]),
		Method:        h.Intern(methods[n%4]),
		Upstream:      h.Intern(fmt.Sprintf("node-%d", n%6)),
		Prices:        h.Intern("2026-01"),
		Outcome:       outcomes[n%3],
		Flags:         meter.Flags(n % 8),
	}
	if e.Outcome == meter.RPCError {
		e.RPCCode = -32000 - int16(n%100)
	}
	return e
}

// seal returns a sealed segment of n calls.
func (h *house) seal(t testing.TB, n int) *spool.Segment {
	t.Helper()
	for range n {
		e := h.event(h.next)
		must(t, h.Append(&e))
		h.next++
	}
	must(t, h.Flush(t.Context()))
	segment, err := h.Oldest()
	must(t, err)
	must(t, h.Delete(segment))
	return segment
}

func store(t testing.TB, db *clickhouse.DB, segments ...*spool.Segment) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, segment := range segments {
		if err := db.Store(ctx, segment); err != nil {
			t.Fatalf("store %s: %v", segment.Name, err)
		}
	}
}
