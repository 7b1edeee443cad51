package clickhouse_test

import (
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"pokt.ai/meter/clickhouse"
	"pokt.ai/meter/spool"
)

// direct is a connection behind the package's back.
func direct(t testing.TB, cfg clickhouse.Config) driver.Conn {
	t.Helper()
	options := &ch.Options{
		Addr: cfg.Addresses,
		Auth: ch.Auth{Database: cfg.Database, Username: cfg.User, Password: cfg.Password.Reveal()},
	}
	if cfg.Protocol == clickhouse.HTTP {
		options.Protocol = ch.HTTP
	}
	conn, err := ch.Open(options)
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close()) })
	return conn
}

func exec(t testing.TB, conn driver.Conn, statement string) {
	t.Helper()
	if err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func count(t testing.TB, conn driver.Conn, query string) uint64 {
	t.Helper()
	var n uint64
	if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// from and to are around all calls of tests.
var from, to = noon.Add(-12 * time.Hour), noon.Add(36 * time.Hour)

// wantOnce fails unless the segments, and nothing else, are stored once: in the
// manifest, in events and in each rollup.
func wantOnce(t testing.TB, cfg clickhouse.Config, segments ...*spool.Segment) {
	t.Helper()
	type name struct {
		gateway    string
		epoch, seq uint64
	}
	want := make(map[name]*spool.Segment)
	for _, s := range segments {
		want[name{s.Gateway, s.Epoch, s.Seq}] = s
	}
	db := open(t, cfg)
	for got, err := range db.Segments(t.Context(), from, to) {
		must(t, err)
		n := name{got.Gateway, got.Epoch, uint64(got.Seq)}
		s := want[n]
		if s == nil {
			t.Errorf("stored and never handed over: %+v", got)
			continue
		}
		delete(want, n)
		if got.Manifests != 1 || got.Rows != uint64(s.Rows) || got.EventRows != uint64(s.Rows) ||
			got.CU != uint64(s.CU) || got.EventCU != uint64(s.CU) {
			t.Errorf("segment %s of %d rows and %d CU is stored as %+v", s.Name, s.Rows, s.CU, got)
		}
	}
	for _, s := range want {
		t.Errorf("segment %s is not stored", s.Name)
	}
	wantRollups(t, db)
	var rows, cu int64
	for _, s := range segments {
		rows, cu = rows+s.Rows, cu+s.CU
	}
	conn := direct(t, cfg)
	for _, table := range []string{"usage_minute", "usage_hour", "usage_day"} {
		if n := count(t, conn, "SELECT sum(calls) FROM "+table); n != uint64(rows) {
			t.Errorf("%s has %d calls, want %d", table, n, rows)
		}
		if n := count(t, conn, "SELECT sum(cu) FROM "+table); n != uint64(cu) {
			t.Errorf("%s has %d CU, want %d", table, n, cu)
		}
	}
}

// wantRollups fails unless the rollups show what the calls come to.
func wantRollups(t testing.TB, db *clickhouse.DB) {
	t.Helper()
	for difference, err := range db.RollupDifferences(t.Context(), from, to.Add(24*time.Hour)) {
		must(t, err)
		t.Errorf("rollup differs: %+v", difference)
		return // one says enough
	}
}

func collect[T any](t testing.TB, seq func(func(T, error) bool)) []T {
	t.Helper()
	var all []T
	for v, err := range seq {
		must(t, err)
		all = append(all, v)
	}
	return all
}

func wantEqual[T any](t testing.TB, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
