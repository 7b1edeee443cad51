package clickhouse_test

import (
	"context"
	"testing"
	"time"

	"pokt.ai/internal/testclickhouse"
	"pokt.ai/meter"
	"pokt.ai/meter/clickhouse"
	"pokt.ai/meter/spool"
)

// insertBytes is less than an INSERT of insertRows rows takes on the wire, and
// more than any other request.
const (
	insertRows  = 5000
	insertBytes = 16 << 10
)

// throughProxy is cfg by way of a proxy.
func throughProxy(t testing.TB, cfg clickhouse.Config) (*proxy, clickhouse.Config) {
	t.Helper()
	p := newProxy(t, cfg.Addresses[0])
	cfg.Addresses = []string{p.address()}
	return p, cfg
}

// loseAnswer stores a segment without hearing that it is stored.
func loseAnswer(t testing.TB, cfg clickhouse.Config, db *clickhouse.DB, p *proxy, segment *spool.Segment) {
	t.Helper()
	must(t, db.Migrate(t.Context()))
	p.silenceAfter(insertBytes)
	result := make(chan error, 1)
	go func() { result <- db.Store(t.Context(), segment) }()
	conn := direct(t, cfg)
	await(t, func() bool {
		select {
		case err := <-result:
			t.Fatalf("it was answered: %v", err)
		default:
		}
		return count(t, conn, "SELECT sum(calls) FROM usage_day") == uint64(segment.Rows)
	})
	p.cut()
	if err := <-result; err == nil {
		t.Fatal("stored, by a store that heard nothing")
	}
	if n := count(t, conn, "SELECT count() FROM events"); n != uint64(segment.Rows) {
		t.Fatalf("%d rows are stored, want %d: the test shows nothing", n, segment.Rows)
	}
	p.mend(t)
}

// TestAnswerIsLost is the doubling case: the server takes the INSERT and the
// connection is cut before it can say so.
func TestAnswerIsLost(t *testing.T) {
	for _, tc := range []struct {
		name       string
		window     int // blocks
		others     int // segments stored between the attempts
		newProcess bool
	}{
		{name: "tried again at once", window: 100},
		{name: "tried again by the next process", window: 100, newProcess: true},
		{name: "tried again after others", window: 100, others: 5},
		{name: "tried again past the window", window: 2, others: 5},
		{name: "tried again past the window by the next process", window: 2, others: 5, newProcess: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
				cfg.DedupWindow = tc.window
				p, proxied := throughProxy(t, cfg)
				db := open(t, proxied)
				segment := newHouse(t, "gw-1", insertRows).seal(t, insertRows)
				loseAnswer(t, cfg, db, p, segment)

				stored := []*spool.Segment{segment}
				other := newHouse(t, "gw-2", 100)
				for range tc.others {
					stored = append(stored, other.seal(t, 50))
				}
				store(t, open(t, cfg), stored[1:]...)
				if tc.newProcess {
					db = open(t, proxied)
				}
				store(t, db, segment)
				wantOnce(t, cfg, stored...)
			})
		})
	}
}

// TestSlowServer gives up on an INSERT that is carried out all the same.
func TestSlowServer(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
		p, proxied := throughProxy(t, cfg)
		db := open(t, proxied)
		must(t, db.Migrate(t.Context()))
		segment := newHouse(t, "gw-1", insertRows).seal(t, insertRows)
		p.silenceAfter(insertBytes)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			err := db.Store(ctx, segment)
			cancel()
			if err == nil {
				t.Fatal("stored, by a store that heard nothing")
			}
		}
		p.silenceAfter(0)
		store(t, db, segment)
		wantOnce(t, cfg, segment)
	})
}

// TestErrorBetweenTables has one of the rollups refuse the segment's block.
// Whichever tables had taken it, the next attempt must complete the others.
func TestErrorBetweenTables(t *testing.T) {
	for _, table := range []string{"usage_minute", "usage_hour", "usage_day", "segments"} {
		t.Run(table, func(t *testing.T) {
			onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
				db := open(t, cfg)
				must(t, db.Migrate(t.Context()))
				conn := direct(t, cfg)
				segment := newHouse(t, "gw-1", 500).seal(t, 500)
				exec(t, conn, "ALTER TABLE "+table+" ADD CONSTRAINT broken CHECK 1 = 2")
				for range 2 {
					if err := db.Store(t.Context(), segment); err == nil {
						t.Fatal("stored, although a table refused it")
					}
				}
				if n := count(t, conn, "SELECT count() FROM events"); n != 500 {
					t.Fatalf("%d rows are stored, want 500: the test shows nothing", n)
				}
				exec(t, conn, "ALTER TABLE "+table+" DROP CONSTRAINT broken")
				store(t, db, segment)
				wantOnce(t, cfg, segment)
			})
		})
	}
}

// TestErrorBetweenTablesPastTheWindow is what cannot be put right: too many other
// segments came between. The calls are there once, the manifest says so, and the
// rollup that lacks them is named.
func TestErrorBetweenTablesPastTheWindow(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
		cfg.DedupWindow = 2
		db := open(t, cfg)
		must(t, db.Migrate(t.Context()))
		conn := direct(t, cfg)
		segment := newHouse(t, "gw-1", 500).seal(t, 500)
		exec(t, conn, "ALTER TABLE usage_day ADD CONSTRAINT broken CHECK 1 = 2")
		if err := db.Store(t.Context(), segment); err == nil {
			t.Fatal("stored, although a table refused it")
		}
		exec(t, conn, "ALTER TABLE usage_day DROP CONSTRAINT broken")
		other := newHouse(t, "gw-2", 100)
		store(t, db, other.seal(t, 10), other.seal(t, 10), other.seal(t, 10), segment)

		got := collect(t, db.Segments(t.Context(), segment.Gateway, segment.Epoch, from, until))
		wantEqual(t, "segments", []meter.SegmentTotal{total(segment)}, got)
		var lacking uint64
		for d, err := range db.RollupDifferences(t.Context(), from, until.Add(24*time.Hour)) {
			must(t, err)
			if d.Rollup != "usage_day" {
				t.Errorf("%s differs", d.Rollup)
			}
			lacking += d.Events.Calls - d.Stored.Calls
		}
		if lacking != 500 {
			t.Errorf("the rollups lack %d calls, want 500", lacking)
		}
	})
}

// onEngines runs a test over each protocol on a server that it may kill.
func onEngines(t *testing.T, test func(t *testing.T, engine *testclickhouse.Engine, cfg clickhouse.Config)) {
	for _, protocol := range []clickhouse.Protocol{clickhouse.Native, clickhouse.HTTP} {
		t.Run(string(protocol), func(t *testing.T) {
			engine := testclickhouse.Stopped(t)
			test(t, engine, newDatabase(t, engine.Server, protocol))
		})
	}
}

// await returns when done does true.
func await(t testing.TB, done func() bool) {
	t.Helper()
	deadline, poll := time.NewTimer(time.Minute), time.NewTicker(10*time.Millisecond)
	defer deadline.Stop()
	defer poll.Stop()
	for !done() {
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatal("waited for a minute")
		}
	}
}
