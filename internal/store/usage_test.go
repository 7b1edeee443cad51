package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
)

// row is calls answered in the minute of clock.
func row(org account.OrgID, clock, method string, calls int64) store.UsageRow {
	return store.UsageRow{
		Minute: day(clock).UnixMicro(), Org: org.String(), Key: "key_a", Chain: "eth", Method: method, Outcome: "answered",
		Calls: calls, CU: 10 * calls, LatencyMicros: 100 * calls, RequestBytes: 2 * calls, ResponseBytes: 3 * calls,
	}
}

// group is the sums of that many calls made by row.
func group(name string, calls int64) store.UsageGroup {
	return store.UsageGroup{
		Name: name, Calls: calls, CU: 10 * calls, LatencyMicros: 100 * calls,
		RequestBytes: 2 * calls, ResponseBytes: 3 * calls,
	}
}

func segment(name string) store.SegmentInfo {
	return store.SegmentInfo{
		Name: name, Rows: 1, FirstEvent: day("10:00:00"), LastEvent: day("10:00:01"),
		SHA256: [32]byte{1}, StoredAt: day("10:00:02"),
	}
}

func add(t testing.TB, db *store.DB, name string, rows ...store.UsageRow) {
	t.Helper()
	added, err := db.AddUsage(t.Context(), segment(name), rows)
	must(t, err)
	if !added {
		t.Fatalf("segment %s was not added", name)
	}
}

func usage(t testing.TB, db *store.DB, q store.UsageQuery) []store.UsageGroup {
	t.Helper()
	groups, err := db.Usage(t.Context(), q)
	must(t, err)
	return groups
}

func TestUsageGroups(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db := d.open(t)
		org, other := account.NewOrgID(), account.NewOrgID()
		refused := row(org, "10:30:00", "eth_call", 2)
		refused.Key, refused.Outcome = "key_b", "rate_limited"
		polygon := row(org, "10:30:00", "eth_call", 3)
		polygon.Chain = "polygon"
		nobody := row(0, "10:30:00", "eth_call", 9)
		nobody.Key = ""
		add(t, db, "s1", row(org, "10:30:00", "eth_call", 4), refused, polygon, nobody, row(other, "10:30:00", "eth_call", 100))
		// A later segment adds to what is there; rows of one minute may come in
		// several pieces.
		add(t, db, "s2", row(org, "10:30:00", "eth_call", 1), row(org, "10:30:59", "eth_call", 1), row(org, "10:31:00", "eth_chainId", 11), row(org, "10:31:00", "Zz", 11))

		for by, want := range map[store.UsageBy][]store.UsageGroup{
			store.ByMethod: {group("Zz", 11), group("eth_call", 11), group("eth_chainId", 11)},
			store.ByKey:    {group("key_a", 31), group("key_b", 2)},
			store.ByChain:  {group("eth", 30), group("polygon", 3)},
			store.ByStatus: {group("answered", 31), group("rate_limited", 2)},
			store.Total:    {group("", 33)},
		} {
			got := usage(t, db, store.UsageQuery{Org: org, Since: day("00:00:00"), Until: day("23:59:00"), By: by})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("by %q: %s", by, diff)
			}
		}
		got := usage(t, db, store.UsageQuery{Since: day("00:00:00"), Until: day("23:59:00")})
		if diff := cmp.Diff([]store.UsageGroup{group("", 9)}, got); diff != "" {
			t.Errorf("calls without a known key: %s", diff)
		}
		if got := usage(t, db, store.UsageQuery{Org: account.NewOrgID(), Until: day("23:59:00")}); got != nil {
			t.Errorf("organisation without calls: %v", got)
		}
		if _, err := db.Usage(t.Context(), store.UsageQuery{Org: org, By: "colour"}); err == nil {
			t.Error("an unknown grouping was taken")
		}
	})
}

func TestUsageRange(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db, org := d.open(t), account.NewOrgID()
		// Powers of two, so that a sum tells which minutes are in it.
		minutes := []string{"09:59", "10:00", "10:29", "10:30", "10:59", "11:00", "11:30", "11:59", "12:00", "12:10"}
		var rows []store.UsageRow
		for i, m := range minutes {
			rows = append(rows, row(org, m+":00", "eth_call", 1<<i))
		}
		add(t, db, "s1", rows...)
		check := func(since, until string, want ...string) {
			t.Helper()
			var sum int64
			for _, g := range usage(t, db, store.UsageQuery{Org: org, Since: day(since), Until: day(until)}) {
				sum += g.Calls
			}
			var got []string
			for i, m := range minutes {
				if sum>>i&1 == 1 {
					got = append(got, m)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" || sum >= 1<<len(minutes) {
				t.Errorf("%s to %s: %d calls: %s", since, until, sum, diff)
			}
		}
		check("10:00:00", "11:00:00", "10:00", "10:29", "10:30", "10:59")                   // an hour
		check("10:30:00", "12:10:00", "10:30", "10:59", "11:00", "11:30", "11:59", "12:00") // an hour and parts around it
		check("10:29:59", "10:30:01", "10:29", "10:30")                                     // less than a minute
		check("10:30:00", "10:59:00", "10:30")                                              // part of an hour
		check("10:30:00", "11:30:00", "10:30", "10:59", "11:00")                            // parts of two hours
		check("09:00:00", "10:00:00", "09:59")
		check("11:00:00", "10:00:00") // backwards
		check("12:11:00", "13:00:00")

		if n, err := db.PruneMinutes(t.Context(), day("11:20:00")); err != nil || n != 5 {
			t.Errorf("pruned %d rows, %v; want the 5 before 11:00", n, err)
		}
		check("10:00:00", "12:00:00", "10:00", "10:29", "10:30", "10:59", "11:00", "11:30", "11:59")
		check("11:30:00", "12:00:00", "11:30", "11:59") // still by the minute
		// Whole hours where minutes are gone.
		check("10:30:00", "11:30:00", "10:00", "10:29", "10:30", "10:59", "11:00")
		check("10:15:00", "10:20:00", "10:00", "10:29", "10:30", "10:59")

		// A segment that was away for long is counted once in its hour.
		late := row(org, "09:59:00", "eth_call", 1<<10)
		minutes = append(minutes, "09:59 late")
		add(t, db, "s2", late)
		check("09:30:00", "10:00:00", "09:59", "09:59 late")
		if n, err := db.PruneMinutes(t.Context(), day("10:00:00")); err != nil || n != 1 {
			t.Errorf("pruned %d rows, %v; want the late one", n, err)
		}
		check("11:30:00", "12:00:00", "11:30", "11:59")
		check("10:15:00", "10:20:00", "10:00", "10:29", "10:30", "10:59") // pruning less is no way back
	})
}

// An answer is by the minute or by the hour, never of minutes half gone.
func TestUsageWhileMinutesArePruned(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db, pruner, org := d.open(t), d.open(t), account.NewOrgID()
		const hours = 24
		var rows []store.UsageRow
		for h := range hours {
			rows = append(rows, row(org, fmt.Sprintf("%02d:00:00", h), "a", 1), row(org, fmt.Sprintf("%02d:30:00", h), "a", 1))
		}
		add(t, db, "s1", rows...)
		var wg sync.WaitGroup
		defer wg.Wait()
		for h := range hours {
			since := day(fmt.Sprintf("%02d:30:00", h))
			wg.Go(func() {
				if _, err := pruner.PruneMinutes(t.Context(), since.Add(30*time.Minute)); err != nil {
					t.Error(err)
				}
			})
			for pruned := false; !pruned; {
				got := usage(t, db, store.UsageQuery{Org: org, Since: since, Until: since.Add(30 * time.Minute)})
				if len(got) != 1 {
					t.Fatalf("from %s: %v", since, got)
				}
				pruned = got[0].Calls == 2 // with the half hour before
			}
		}
	})
}

func TestUsedCUAndLastEvent(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db, ctx, org := d.open(t), t.Context(), account.NewOrgID()
		last, err := db.LastEvent(ctx)
		must(t, err)
		if !last.IsZero() {
			t.Errorf("last event of an empty store: %s", last)
		}
		add(t, db, "s1", row(org, "09:59:00", "a", 1), row(org, "10:00:00", "b", 2), row(org, "10:59:00", "c", 4), row(org, "11:00:00", "d", 8),
			row(account.NewOrgID(), "10:00:00", "a", 16))
		old := segment("s0")
		old.LastEvent = day("08:00:00")
		if _, err := db.AddUsage(ctx, old, nil); err != nil {
			t.Fatal(err)
		}

		cu, err := db.UsedCU(ctx, org, day("10:00:00"), day("11:00:00"))
		must(t, err)
		if cu != 60 {
			t.Errorf("%d CU, want 60", cu)
		}
		cu, err = db.UsedCU(ctx, account.NewOrgID(), day("10:00:00"), day("11:00:00"))
		must(t, err)
		if cu != 0 {
			t.Errorf("%d CU of an organisation without calls", cu)
		}
		last, err = db.LastEvent(ctx)
		must(t, err)
		if !last.Equal(day("10:00:01")) {
			t.Errorf("last event %s", last)
		}
	})
}

func TestSegmentIsAddedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		stores, org := []*store.DB{d.open(t), d.open(t)}, account.NewOrgID()
		// Some share a minute and more share an hour.
		rows := make([]store.UsageRow, 200)
		for i := range rows {
			rows[i] = row(org, fmt.Sprintf("10:%02d:00", i%7), fmt.Sprint("m", i%40), 1)
		}
		var (
			wg    sync.WaitGroup
			mu    sync.Mutex
			added = map[string]int{}
		)
		for i := range 12 {
			name := fmt.Sprint("s", i%3)
			rows := slices.Clone(rows)
			rand.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
			wg.Go(func() {
				ok, err := stores[i%2].AddUsage(t.Context(), segment(name), rows)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("segment %s: %v", name, err)
				}
				if ok {
					added[name]++
				}
			})
		}
		wg.Wait()
		if diff := cmp.Diff(map[string]int{"s0": 1, "s1": 1, "s2": 1}, added); diff != "" {
			t.Error(diff)
		}
		for _, until := range []string{"10:07:00", "11:00:00"} { // minutes, hours
			got := usage(t, stores[0], store.UsageQuery{Org: org, Since: day("10:00:00"), Until: day(until)})
			if diff := cmp.Diff([]store.UsageGroup{group("", 600)}, got); diff != "" {
				t.Errorf("until %s: %s", until, diff)
			}
		}

		impostor := segment("s0")
		impostor.SHA256 = [32]byte{2}
		if added, err := stores[0].AddUsage(t.Context(), impostor, rows); added || !errors.Is(err, account.ErrConflict) {
			t.Errorf("another segment of that name: %v, %v", added, err)
		}
	})
}

// A segment and its rows are stored together or not at all.
func TestAddUsageIsAtomic(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db, org := d.open(t), account.NewOrgID()
		rename := func(from, to string) { d.exec(t, "ALTER TABLE "+from+" RENAME TO "+to) }
		rename("usage_hour", "elsewhere") // the last table that is written
		if added, err := db.AddUsage(t.Context(), segment("s1"), []store.UsageRow{row(org, "10:00:00", "a", 1)}); err == nil || added {
			t.Fatalf("added %v, %v, and a table is missing", added, err)
		} else if !strings.Contains(err.Error(), `"s1"`) {
			t.Errorf("the error does not name the segment: %v", err)
		}
		rename("elsewhere", "usage_hour")
		add(t, db, "s1", row(org, "10:00:00", "a", 1))
		for _, until := range []string{"10:01:00", "11:00:00"} { // minutes, hours
			got := usage(t, db, store.UsageQuery{Org: org, Since: day("10:00:00"), Until: day(until)})
			if diff := cmp.Diff([]store.UsageGroup{group("", 1)}, got); diff != "" {
				t.Errorf("until %s: %s", until, diff)
			}
		}
	})
}

// rows/s is what a segment of 2,000 different rows costs, each in two tables,
// when they are new and when they are there.
func BenchmarkAddUsage(b *testing.B) {
	for name, database := range map[string]func(testing.TB) database{"sqlite": newSQLite, "postgres": newPostgres} {
		b.Run(name, func(b *testing.B) {
			db, org := database(b).open(b), account.NewOrgID()
			var rows []store.UsageRow
			for i := range 2000 {
				r := row(org, "10:00:00", fmt.Sprint("method", i%20), 1)
				r.Key = account.KeyID(1 + i/20).String()
				rows = append(rows, r)
			}
			n := 0
			for b.Loop() {
				if n%2 == 0 {
					for i := range rows {
						rows[i].Minute += int64(time.Minute / time.Microsecond)
					}
				}
				n++
				add(b, db, fmt.Sprint(n), rows...)
			}
			b.ReportMetric(float64(n*len(rows))/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// What is rated: hours with everything that a price may depend on.
func TestUsageTotals(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db, org, key := d.open(t), account.NewOrgID(), account.NewKeyID()
		with := func(clock, outcome, prices string, calls int64) store.UsageRow {
			r := row(org, clock, "eth_call", calls)
			r.Key, r.Outcome, r.Prices, r.Charged = key.String(), outcome, prices, outcome == "answered"
			if !r.Charged {
				r.CU = 0
			}
			return r
		}
		nobody := row(0, "10:00:00", "", 9)
		nobody.Key, nobody.Outcome, nobody.CU = "", "unauthorized", 0
		seg := segment("gw-1-0000000000007-00000002")
		seg.Gateway, seg.Epoch, seg.Seq = "gw-1", 7, 2
		for range 2 { // the second time changes nothing
			_, err := db.AddUsage(t.Context(), seg, []store.UsageRow{
				with("10:00:00", "answered", "v1", 1), with("10:59:59", "answered", "v1", 2),
				with("10:30:00", "answered", "v2", 4), with("10:30:00", "rate_limited", "v2", 8), nobody,
				with("11:00:00", "answered", "v2", 16),
			})
			must(t, err)
		}
		first := segment("gw-1-0000000000007-00000001")
		first.Gateway, first.Epoch, first.Seq = "gw-1", 7, 1
		_, err := db.AddUsage(t.Context(), first, []store.UsageRow{with("10:10:00", "answered", "v1", 32)})
		must(t, err)

		total := func(clock, outcome, prices string, calls, cu int64) store.UsageTotal {
			return store.UsageTotal{
				Hour: hour(clock), Org: org, Key: key, Chain: "eth", Method: "eth_call", Outcome: outcome, Prices: prices, Calls: calls, CU: cu,
			}
		}
		got := make(map[int64]store.UsageTotal) // the numbers of calls tell them apart
		for u, err := range db.UsageTotals(t.Context(), hour("10"), hour("12")) {
			must(t, err)
			got[u.Calls] = u
		}
		if diff := cmp.Diff(map[int64]store.UsageTotal{
			35: total("10", "answered", "v1", 35, 350), 4: total("10", "answered", "v2", 4, 40),
			8: total("10", "rate_limited", "v2", 8, 0), 16: total("11", "answered", "v2", 16, 160),
			9: {Hour: hour("10"), Chain: "eth", Outcome: "unauthorized", Calls: 9},
		}, got); diff != "" {
			t.Errorf("totals: %s", diff)
		}
		hours, err := db.UsageHours(t.Context(), hour("10"), hour("11"))
		must(t, err)
		if diff := cmp.Diff([]store.UsageHour{{Hour: hour("10"), Calls: 56, Charged: 39, CU: 390}}, hours); diff != "" {
			t.Errorf("hours: %s", diff)
		}
		var numbers []uint64
		for s, err := range db.EpochSegments(t.Context(), "gw-1", 7) {
			must(t, err)
			numbers = append(numbers, s.Seq)
		}
		if diff := cmp.Diff([]uint64{1, 2}, numbers); diff != "" {
			t.Errorf("segments: %s", diff)
		}
	})
}
