package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/internal/store"
)

func claim(t *testing.T, db *store.DB, n int, now time.Time) (keys []string, items []store.OutboxItem) {
	t.Helper()
	items, err := db.Claim(t.Context(), "mail", n, time.Minute, now)
	must(t, err)
	for _, item := range items {
		keys = append(keys, item.Key)
	}
	return keys, items
}

func TestOutbox(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db, ctx := d.open(t), t.Context()
		must(t, db.Enqueue(ctx, "mail", "b", []byte("first"), day("10:00:00")))
		must(t, db.Enqueue(ctx, "mail", "b", []byte("second"), day("10:00:01")))
		must(t, db.Enqueue(ctx, "mail", "a", nil, day("10:00:02")))
		must(t, db.Enqueue(ctx, "mail", "later", nil, day("10:10:00")))
		must(t, db.Enqueue(ctx, "stripe", "b", nil, day("10:00:00")))
		expect := func(n int, clock string, want ...string) []store.OutboxItem {
			t.Helper()
			keys, items := claim(t, db, n, day(clock))
			if diff := cmp.Diff(want, keys); diff != "" {
				t.Errorf("at %s: %s", clock, diff)
			}
			return items
		}

		items := expect(1, "10:05:00", "b") // the oldest one
		want := store.OutboxItem{Topic: "mail", Key: "b", Payload: []byte("first"), CreatedAt: day("10:00:00"), Attempts: 1}
		if diff := cmp.Diff([]store.OutboxItem{want}, items); diff != "" {
			t.Error(diff)
		}
		overdue := items[0]
		expect(9, "10:05:59", "a") // the other is leased
		items = expect(9, "10:06:00", "b")
		if items[0].Attempts != 2 {
			t.Errorf("attempt %d, want 2", items[0].Attempts)
		}
		must(t, db.Retry(ctx, overdue, day("10:06:01"), "too late to say so"))
		expect(9, "10:06:30")
		must(t, db.Retry(ctx, items[0], day("10:06:40"), "mailbox full"))
		items = expect(1, "10:06:40", "b")
		if items[0].LastError != "mailbox full" {
			t.Errorf("last error %q", items[0].LastError)
		}

		must(t, db.Done(ctx, items[0], day("10:06:41")))
		must(t, db.Done(ctx, items[0], day("10:06:42"))) // again changes nothing
		must(t, db.Enqueue(ctx, "mail", "b", []byte("third"), day("10:07:00")))
		expect(9, "10:30:00", "a", "later")
	})
}

func TestItemsAreClaimedByOneWorker(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		stores := []*store.DB{d.open(t), d.open(t)}
		want := map[string]int{}
		for i := range 40 {
			key := fmt.Sprint("item", i)
			must(t, stores[0].Enqueue(t.Context(), "mail", key, nil, day("10:00:00")))
			want[key] = 1
		}
		var (
			wg      sync.WaitGroup
			mu      sync.Mutex
			claimed = map[string]int{}
		)
		for i := range 8 {
			wg.Go(func() {
				// A worker that lost all rows to others gets none, so ask until
				// nothing is left.
				for {
					items, err := stores[i%2].Claim(t.Context(), "mail", 3, time.Minute, day("11:00:00"))
					mu.Lock()
					for _, item := range items {
						claimed[item.Key]++
					}
					all := len(claimed) == len(want)
					mu.Unlock()
					if err != nil {
						t.Error(err)
					}
					if err != nil || all {
						return
					}
				}
			})
		}
		wg.Wait()
		if diff := cmp.Diff(want, claimed); diff != "" {
			t.Error(diff)
		}
	})
}
