package clickhouse_test

import (
	"cmp"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"pokt.ai/internal/account"
	"pokt.ai/meter"
	"pokt.ai/meter/clickhouse"
	"pokt.ai/meter/spool"
)

func TestCallsAreStored(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
		db := open(t, cfg)
		one, two := newHouse(t, "gw-1", 1000), newHouse(t, "gw-2.eu_west", 1000)
		segments := []*spool.Segment{one.seal(t, 1000), one.seal(t, 1), two.seal(t, 777)}
		store(t, db, segments...)
		wantOnce(t, cfg, segments...)

		// Each call, in each field.
		const org = 3
		var want []clickhouse.Row
		for _, s := range segments {
			n := uint32(0)
			for r := range s.Records() {
				if r.Org == org {
					want = append(want, clickhouse.Row{
						Gateway: s.Gateway, Epoch: s.Epoch, Seq: uint32(s.Seq), Row: n,
						Time: time.UnixMicro(r.TimeMicros).UTC(), Key: r.Key, RequestID: r.RequestID,
						Chain: s.Text(r.Chain), Method: s.Text(r.Method), Upstream: s.Text(r.Upstream), Prices: s.Text(r.Prices),
						Outcome: r.Outcome.String(), Flags: uint8(r.Flags), RPCCode: r.RPCCode,
						CU: r.CU, LatencyMicros: r.LatencyMicros, RequestBytes: r.RequestBytes, ResponseBytes: r.ResponseBytes,
					})
				}
				n++
			}
		}
		wantEqual(t, "rows of an organisation", want, collect(t, db.Rows(t.Context(), org, from, until)))
		wantEqual(t, "totals", totals(segments, from, until), collect(t, db.Totals(t.Context(), from, until)))

		// A span is half-open.
		second := noon.Add(time.Hour)
		wantEqual(t, "totals before the second hour", totals(segments, from, second), collect(t, db.Totals(t.Context(), from, second)))
		wantEqual(t, "totals from the second hour on", totals(segments, second, until), collect(t, db.Totals(t.Context(), second, until)))

		var wantHours []meter.HourTotal
		for _, hour := range []time.Time{noon, second} {
			h := meter.HourTotal{Hour: hour}
			for _, t := range totals(segments, hour, hour.Add(time.Hour)) {
				h.Calls += t.Calls
				h.CU += t.CU
				if meter.Charged(t.Outcome) {
					h.Charged += t.Calls
				}
			}
			wantHours = append(wantHours, h)
		}
		gotHours, err := db.Hours(t.Context(), from, until)
		must(t, err)
		wantEqual(t, "hours", wantHours, gotHours)
		gotHours, err = db.Hours(t.Context(), from, second)
		must(t, err)
		wantEqual(t, "hours before the second", wantHours[:1], gotHours)

		// Segments that a span does not touch are not counted.
		got := collect(t, db.Segments(t.Context(), "gw-1", segments[0].Epoch, from, noon))
		if len(got) != 2 || got[0].Counted || got[0].Rows != 1000 || got[0].CountedRows != 0 {
			t.Errorf("segments without a count: %+v", got)
		}
	})
}

// totals is what Totals must yield, counted here.
func totals(segments []*spool.Segment, from, until time.Time) []meter.Total {
	sums := make(map[meter.Total]meter.Total)
	for _, s := range segments {
		for r := range s.Records() {
			at := time.UnixMicro(r.TimeMicros).UTC()
			if at.Before(from) || !at.Before(until) {
				continue
			}
			bucket := meter.Total{
				Hour: at.Truncate(time.Hour), Org: account.OrgID(r.Org), Key: account.KeyID(r.Key),
				Chain: s.Text(r.Chain), Method: s.Text(r.Method), Outcome: r.Outcome.String(), Prices: s.Text(r.Prices),
			}
			sum := bucket
			sum.Calls, sum.CU = sums[bucket].Calls+1, sums[bucket].CU+int64(r.CU)
			sums[bucket] = sum
		}
	}
	return slices.SortedFunc(maps.Values(sums), func(a, b meter.Total) int {
		return cmp.Or(a.Hour.Compare(b.Hour), cmp.Compare(a.Org, b.Org), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Chain, b.Chain),
			cmp.Compare(a.Method, b.Method), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Prices, b.Prices))
	})
}

// TestExtremeValues stores what the fields can hold, and a clock that steps back
// over a month's end within one segment.
func TestExtremeValues(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
		db := open(t, cfg)
		h := newHouse(t, "gw-1", 1000)
		month := time.Date(noon.Year(), noon.Month(), 1, 0, 0, 0, 0, time.UTC)
		times := []time.Time{month.Add(time.Hour), month.Add(-time.Hour), month, noon}
		for i, at := range times {
			e := spool.Record{
				TimeMicros: at.UnixMicro() + int64(i), Org: math.MaxUint64, Key: math.MaxUint64, RequestID: math.MaxUint64,
				CU: math.MaxUint32, LatencyMicros: math.MaxUint32, RequestBytes: math.MaxUint32, ResponseBytes: math.MaxUint32,
				Chain: spool.Other, Outcome: 255, Flags: 255, RPCCode: math.MinInt16,
			}
			must(t, h.Append(&e))
		}
		segment := h.seal(t, 0)
		store(t, db, segment)
		got := collect(t, db.Rows(t.Context(), math.MaxUint64, month.Add(-time.Hour), until))
		if len(got) != len(times) {
			t.Fatalf("%d rows, want %d", len(got), len(times))
		}
		for i, row := range got {
			want := clickhouse.Row{
				Gateway: "gw-1", Epoch: segment.Epoch, Seq: 1, Row: uint32(i), Time: times[i].Add(time.Duration(i) * time.Microsecond),
				Key: math.MaxUint64, RequestID: math.MaxUint64, Chain: "other", Outcome: "unknown", Flags: 255, RPCCode: math.MinInt16,
				CU: math.MaxUint32, LatencyMicros: math.MaxUint32, RequestBytes: math.MaxUint32, ResponseBytes: math.MaxUint32,
			}
			wantEqual(t, "row", want, row)
		}
		for d, err := range db.RollupDifferences(t.Context(), month.Add(-48*time.Hour), until) {
			must(t, err)
			t.Errorf("rollup differs: %+v", d)
		}
		// The day of the call is another than that of its segment.
		if got := collect(t, db.Totals(t.Context(), noon, noon.Add(time.Hour))); len(got) != 1 || got[0].Calls != 1 {
			t.Errorf("the last call's hour: %+v", got)
		}
	})
}

func TestSegmentComesAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
		segment := newHouse(t, "gw-1", 500).seal(t, 500)
		for range 3 {
			store(t, open(t, cfg), segment, segment) // by a new process each
		}
		wantOnce(t, cfg, segment)
	})
}

// TestManyStoreOneSegment at the same time, as after a split brain.
func TestManyStoreOneSegment(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
		segment := newHouse(t, "gw-1", 5000).seal(t, 5000)
		var wg sync.WaitGroup
		for range 8 {
			db := open(t, cfg)
			wg.Go(func() {
				if err := db.Store(t.Context(), segment); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		wantOnce(t, cfg, segment)
	})
}

func TestGatewaysShipAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
		var wg sync.WaitGroup
		var all []*spool.Segment
		for _, gateway := range []string{"gw-1", "gw-2", "gw-3"} {
			h := newHouse(t, gateway, 300)
			var segments []*spool.Segment
			for range 10 {
				segments = append(segments, h.seal(t, 300))
			}
			all = append(all, segments...)
			db := open(t, cfg)
			wg.Go(func() {
				for _, s := range segments {
					if err := db.Store(t.Context(), s); err != nil {
						t.Errorf("store %s: %v", s.Name, err)
					}
				}
			})
		}
		wg.Wait()
		wantOnce(t, cfg, all...)
	})
}

// TestTwoGatewaysWithOneID must not lose the second one's calls silently.
func TestTwoGatewaysWithOneID(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
		db := open(t, cfg)
		segment := newHouse(t, "gw-1", 100).seal(t, 100)
		store(t, db, segment)
		other := *segment
		other.SHA256[31] ^= 1
		if err := db.Store(t.Context(), &other); !errors.Is(err, account.ErrConflict) {
			t.Errorf("another content of the same name: %v", err)
		}
		wantOnce(t, cfg, segment)
	})
}

// TestRowsWereRemoved: with a part of a segment gone, neither what is there nor
// what is missing may be taken for the segment.
func TestRowsWereRemoved(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
		db := open(t, cfg)
		segment := newHouse(t, "gw-1", 100).seal(t, 100)
		store(t, db, segment)
		conn := direct(t, cfg)
		exec(t, conn, "ALTER TABLE events DELETE WHERE row >= 60 SETTINGS mutations_sync = 1")
		got := collect(t, db.Segments(t.Context(), "gw-1", segment.Epoch, from, until))
		if len(got) != 1 || got[0].Rows != 100 || got[0].CountedRows != 60 || got[0].CountedCU >= got[0].CU {
			t.Errorf("segments: %+v", got)
		}
		if got := collect(t, db.RollupDifferences(t.Context(), from, until)); len(got) == 0 {
			t.Error("the rollups show no difference")
		}
		exec(t, conn, "TRUNCATE TABLE segments")
		if err := db.Store(t.Context(), segment); err == nil {
			t.Error("a segment with a part of its rows was stored")
		}
		got = collect(t, db.Segments(t.Context(), "gw-1", segment.Epoch, from, until))
		if len(got) != 1 || got[0].Rows != 0 || got[0].CountedRows != 60 {
			t.Errorf("segments without a manifest: %+v", got)
		}
	})
}

// TestLargeSegmentIsOneBlock in each table: with more rows than ClickHouse cuts
// blocks at by itself, and with as many buckets as rows.
func TestLargeSegmentIsOneBlock(t *testing.T) {
	for _, tc := range []struct {
		name string
		rows int
		key  func(n uint64) uint64
	}{
		{"many rows", 1 << 20, func(uint64) uint64 { return 1 }},
		{"many buckets", 120_000, func(n uint64) uint64 { return n }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("it takes seconds")
			}
			onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
				db := open(t, cfg)
				h := newHouse(t, "gw-1", tc.rows)
				h.every = time.Millisecond
				for n := range uint64(tc.rows) {
					e := h.event(n)
					e.Key = tc.key(n)
					must(t, h.Append(&e))
				}
				segment := h.seal(t, 0)
				store(t, db, segment)
				conn := direct(t, cfg)
				for _, table := range []string{"events", "usage_minute", "usage_hour", "usage_day", "segments"} {
					n := count(t, conn, `SELECT uniqExactIf(min_block_number, min_block_number = max_block_number)
						FROM system.parts WHERE database = currentDatabase() AND table = '`+table+`'`)
					if n != 1 {
						t.Errorf("%s got %d blocks, want 1", table, n)
					}
				}
				exec(t, conn, "TRUNCATE TABLE segments")
				store(t, db, segment)
				wantOnce(t, cfg, segment)
			})
		})
	}
}
