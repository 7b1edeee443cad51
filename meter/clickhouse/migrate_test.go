package clickhouse_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"pokt.ai/meter/clickhouse"
	"pokt.ai/meter/spool"
)

// TestGatewaysMigrateAtOnce a server that has nothing yet, and store.
func TestGatewaysMigrateAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
		var segments []*spool.Segment
		var wg sync.WaitGroup
		for _, gateway := range []string{"gw-1", "gw-2", "gw-3", "gw-4", "gw-5"} {
			segment := newHouse(t, gateway, 100).seal(t, 20)
			segments = append(segments, segment)
			db := open(t, cfg)
			wg.Go(func() {
				if err := db.Store(t.Context(), segment); err != nil {
					t.Errorf("store of %s: %v", segment.Gateway, err)
				}
			})
		}
		wg.Wait()
		wantOnce(t, cfg, segments...)
		must(t, open(t, cfg).Migrate(t.Context()))
		conn := direct(t, cfg)
		if n := count(t, conn, "SELECT uniqExact(version) FROM migrations"); n != 2 {
			t.Errorf("%d migrations are recorded, want 2", n)
		}
	})
}

// TestConfigurationReachesTheTables that are there already.
func TestConfigurationReachesTheTables(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
		must(t, open(t, cfg).Migrate(t.Context()))
		conn := direct(t, cfg)
		for _, step := range []struct{ days, window int }{{0, 500}, {30, 500}, {90, 50}, {0, 10_000}} {
			cfg.RetentionDays, cfg.DedupWindow = step.days, step.window
			must(t, open(t, cfg).Migrate(t.Context()))
			must(t, open(t, cfg).Migrate(t.Context()))
			for _, table := range []string{"events", "usage_minute", "usage_hour", "usage_day", "segments"} {
				sql := showCreate(t, conn, table)
				if want := "non_replicated_deduplication_window = " + strconv.Itoa(step.window); !strings.Contains(sql+",", want+",") {
					t.Errorf("%s has not %q:\n%s", table, want, sql)
				}
				expires := strings.Contains(sql, "\nTTL ")
				ttl := "\nTTL day + toIntervalDay(" + strconv.Itoa(step.days) + ")\n"
				kept := step.days == 0 || table != "events" && table != "usage_minute"
				if kept && expires || !kept && !strings.Contains(sql, ttl) {
					t.Errorf("with %d days %s is\n%s", step.days, table, sql)
				}
			}
		}
	})
}

// TestColumnsSayWhatTheyHold in the database itself.
func TestColumnsSayWhatTheyHold(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
		must(t, open(t, cfg).Migrate(t.Context()))
		n := count(t, direct(t, cfg), `SELECT count() FROM system.columns
			WHERE database = currentDatabase() AND table NOT LIKE '%_view' AND comment = ''`)
		if n != 0 {
			t.Errorf("%d columns have no comment", n)
		}
	})
}

func showCreate(t testing.TB, conn driver.Conn, table string) string {
	t.Helper()
	var sql string
	if err := conn.QueryRow(t.Context(), "SHOW CREATE TABLE "+table).Scan(&sql); err != nil {
		t.Fatalf("show create table %s: %v", table, err)
	}
	return sql
}

// TestCallsExpire: what is kept of them then is the totals by hour and day and
// the manifest, by which a segment that comes again is still known.
func TestCallsExpire(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg clickhouse.Config) {
		cfg.RetentionDays = 0
		segment := newHouse(t, "gw-1", 100).seal(t, 100)
		store(t, open(t, cfg), segment)
		conn := direct(t, cfg)
		want, err := open(t, cfg).Hours(t.Context(), from, until)
		must(t, err)

		cfg.RetentionDays = 1 // the calls are yesterday's
		db := open(t, cfg)
		must(t, db.Migrate(t.Context()))
		for _, table := range []string{"events", "usage_minute"} {
			await(t, func() bool {
				exec(t, conn, "OPTIMIZE TABLE "+table+" FINAL")
				return count(t, conn, "SELECT count() FROM "+table) == 0
			})
		}
		store(t, db, segment)
		got, err := db.Hours(t.Context(), from, until)
		must(t, err)
		wantEqual(t, "hours", want, got)
		if n := count(t, conn, "SELECT count() FROM events"); n != 0 {
			t.Errorf("%d expired calls came back", n)
		}
	})
}
