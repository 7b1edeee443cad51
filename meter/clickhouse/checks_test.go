package clickhouse_test

import (
	"fmt"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"pokt.ai/meter"
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

// from and until are around all calls of tests.
var from, until = noon.Add(-12 * time.Hour), noon.Add(36 * time.Hour)

// wantOnce fails unless the segments, and nothing else, are stored once: in the
// manifest, in events and in each rollup.
func wantOnce(t testing.TB, cfg clickhouse.Config, segments ...*spool.Segment) {
	t.Helper()
	type epoch struct {
		gateway string
		number  uint64
	}
	want := make(map[epoch]map[uint64]meter.SegmentTotal)
	for _, s := range segments {
		e := epoch{s.Gateway, s.Epoch}
		if want[e] == nil {
			want[e] = make(map[uint64]meter.SegmentTotal)
		}
		want[e][s.Seq] = total(s)
	}
	db := open(t, cfg)
	for e, segments := range want {
		got := make(map[uint64]meter.SegmentTotal)
		for s, err := range db.Segments(t.Context(), e.gateway, e.number, from, until) {
			must(t, err)
			if _, twice := got[s.Seq]; twice {
				t.Errorf("segment %d of %v is in the manifest twice", s.Seq, e)
			}
			got[s.Seq] = s
		}
		wantEqual(t, fmt.Sprint("segments of ", e), segments, got)
	}
	wantRollups(t, db)
	var rows, cu int64
	for _, s := range segments {
		rows, cu = rows+s.Rows, cu+s.CU
	}
	conn := direct(t, cfg)
	if n := count(t, conn, "SELECT count() FROM events"); n != uint64(rows) {
		t.Errorf("events has %d rows, want %d", n, rows)
	}
	if n := count(t, conn, "SELECT count() FROM segments"); n != uint64(len(segments)) {
		t.Errorf("segments has %d rows, want %d", n, len(segments))
	}
	for _, table := range []string{"usage_minute", "usage_hour", "usage_day"} {
		if n := count(t, conn, "SELECT sum(calls) FROM "+table); n != uint64(rows) {
			t.Errorf("%s has %d calls, want %d", table, n, rows)
		}
		if n := count(t, conn, "SELECT sum(cu) FROM "+table); n != uint64(cu) {
			t.Errorf("%s has %d CU, want %d", table, n, cu)
		}
	}
}

// total is what Segments must say of a segment that is stored.
func total(s *spool.Segment) meter.SegmentTotal {
	return meter.SegmentTotal{
		Gateway: s.Gateway, Epoch: s.Epoch, Seq: s.Seq, Rows: s.Rows, CU: s.CU, First: s.First, Last: s.Last,
		Counted: true, CountedRows: s.Rows, CountedCU: s.CU,
	}
}

// wantRollups fails unless the rollups show what the calls come to.
func wantRollups(t testing.TB, db *clickhouse.DB) {
	t.Helper()
	for difference, err := range db.RollupDifferences(t.Context(), from, until.Add(24*time.Hour)) {
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
