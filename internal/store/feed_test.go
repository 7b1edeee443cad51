package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"pokt.ai/internal/account"
	"pokt.ai/internal/secret"
	"pokt.ai/internal/store"
)

// A watcher shows what Watch says, in its order.
type watcher struct{ said chan any } // store.Change or bool

// watch starts Watch and ends it with the test.
func watch(t *testing.T, db *store.DB) watcher {
	t.Helper()
	w := watcher{said: make(chan any, 10_000)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- db.Watch(ctx, func(c store.Change) { w.said <- c }, func(up bool) { w.said <- up })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch returned %v", err)
		}
	})
	return w
}

// expect waits for each of want and fails on anything else.
func (w watcher) expect(t *testing.T, want ...any) {
	t.Helper()
	for i, want := range want {
		select {
		case got := <-w.said:
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("news %d: %s", i, diff)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("news %d: want %v, heard nothing", i, want)
		}
	}
}

var allChanged = store.Change{Kind: store.AllChanged}

func keyChanged(k account.Key) store.Change {
	return store.Change{Kind: store.KeyChanged, Hash: k.Hash}
}

// Each change is seen by the process that made it and by another one.
func TestWatch(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		here, there := d.open(t), d.open(t)
		org := newOrg(t, here, "acme")
		watchers := []watcher{watch(t, here), watch(t, here), watch(t, there)}
		all := func(news ...any) {
			t.Helper()
			for _, w := range watchers {
				w.expect(t, news...)
			}
		}
		all(allChanged, true)

		old, next := keyOf(org.ID), keyOf(org.ID)
		must(t, here.CreateKey(t.Context(), old))
		all(keyChanged(old))
		must(t, there.RotateKey(t.Context(), old.ID, next, day("20:00:00")))
		all(keyChanged(old), keyChanged(next))
		must(t, here.RevokeKey(t.Context(), next.ID, day("11:00:00")))
		all(keyChanged(next))
		must(t, there.PutPlan(t.Context(), freePlan()))
		all(allChanged)

		// Nothing comes of what changes nothing or fails.
		must(t, here.RevokeKey(t.Context(), next.ID, day("11:00:00")))
		if err := here.CreateKey(t.Context(), old); !errors.Is(err, account.ErrConflict) {
			t.Fatal(err)
		}
		if err := here.RotateKey(t.Context(), next.ID, keyOf(org.ID), day("20:00:00")); !errors.Is(err, account.ErrConflict) {
			t.Fatal(err)
		}
		add(t, here, "s1", row(org.ID, "10:00:00", "eth_call", 1))
		must(t, here.PutPlan(t.Context(), freePlan()))
		all(allChanged) // and nothing before it
	})
}

// The command line revokes a key beside a running gateway.
func TestWatchSeesAnotherProcess(t *testing.T) {
	const dsnEnv, keyEnv = "POKTAI_TEST_CHILD_DSN", "POKTAI_TEST_CHILD_KEY"
	if dsn := os.Getenv(dsnEnv); dsn != "" { // this is that process
		id, err := account.ParseKeyID(os.Getenv(keyEnv))
		must(t, err)
		must(t, database{dsn: dsn}.connect(t).RevokeKey(t.Context(), id, day("11:00:00")))
		return
	}
	onBoth(t, func(t *testing.T, d database) {
		db := d.open(t)
		k := newKey(t, db, newOrg(t, db, "acme").ID)
		w := watch(t, db)
		w.expect(t, allChanged, true)
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWatchSeesAnotherProcess$")
		child.Env = append(os.Environ(), dsnEnv+"="+d.dsn, keyEnv+"="+k.ID.String())
		if out, err := child.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		w.expect(t, keyChanged(k))
	})
}

// What Watch announced can be read by then.
func TestChangeIsSeenAfterItsCommit(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		here, there := d.open(t), d.open(t)
		org := newOrg(t, here, "acme")
		w := watch(t, here)
		w.expect(t, allChanged, true)
		for range 10 {
			k := newKey(t, there, org.ID)
			w.expect(t, keyChanged(k))
			if _, err := here.GrantByHash(t.Context(), k.Hash); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// lines is a log to be read line by line.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

func TestWatchBeforeTheServerAnswers(t *testing.T) {
	t.Parallel()
	d := newPostgres(t)
	d.open(t)
	proxy := newProxy(t, d)
	u, err := url.Parse(proxy.database(t).dsn)
	must(t, err)
	u.User = url.UserPassword(u.User.Username(), "hunter2") // the tests' server takes any
	log := make(lines, 100)
	db, err := store.Open(t.Context(), store.Config{DSN: secret.New(u.String())}, zerolog.New(log))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })

	proxy.cut()
	w := watch(t, db)
	for range 2 {
		if line := <-log; !strings.Contains(line, "change feed is interrupted") || strings.Contains(line, "hunter2") {
			t.Errorf("logged %s", line)
		}
	}
	proxy.mend(t)
	w.expect(t, allChanged, true) // and no false, as there was no true
}

func TestFeedReconnects(t *testing.T) {
	t.Parallel()
	d := newPostgres(t)
	db := d.open(t)
	org := newOrg(t, db, "acme")
	w := watch(t, db)
	w.expect(t, allChanged, true)
	for range 3 {
		d.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'poktai feed'`)
		w.expect(t, false, allChanged, true)
		k := newKey(t, db, org.ID)
		w.expect(t, keyChanged(k))
	}
}

// A network that swallows everything breaks no connection: only silence tells.
func TestFeedNoticesDeadConnection(t *testing.T) {
	t.Parallel()
	d := newPostgres(t)
	direct := d.open(t)
	org := newOrg(t, direct, "acme")
	proxy := newProxy(t, d)
	w := watch(t, proxy.database(t).connect(t))
	w.expect(t, allChanged, true)
	proxy.freeze()
	newKey(t, direct, org.ID)
	w.expect(t, false, allChanged, true) // over a new connection
	k := newKey(t, direct, org.ID)
	w.expect(t, keyChanged(k))
}

// The server goes away in the middle of writes and comes back: every segment is
// counted once, the pool recovers, and the feed says that it was away.
func TestPostgresGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	d := newPostgres(t)
	proxy := newProxy(t, d)
	db := proxy.database(t).open(t)
	w := watch(t, db)
	w.expect(t, allChanged, true)

	const segments = 60
	org := account.NewOrgID()
	reached := make(chan int, segments)
	done := make(chan error, 1)
	go func() {
		for i := range segments {
			reached <- i
			// As the shipper does: again until it is stored. Its answer may
			// be lost after the commit, which is why it may be false.
			for {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				_, err := db.AddUsage(ctx, segment(fmt.Sprint("s", i)), []store.UsageRow{row(org, "10:00:00", "eth_call", 1)})
				cancel()
				if err == nil {
					break
				}
				if t.Context().Err() != nil {
					done <- err
					return
				}
			}
		}
		done <- nil
	}()
	for i := range reached {
		if i == segments/2 {
			break
		}
	}
	proxy.cut()
	d.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name LIKE 'poktai%'`)
	w.expect(t, false)
	proxy.mend(t)
	w.expect(t, allChanged, true)
	must(t, <-done)
	got := usage(t, db, store.UsageQuery{Org: org, Until: day("23:00:00")})
	if diff := cmp.Diff([]store.UsageGroup{group("", segments)}, got); diff != "" {
		t.Error(diff)
	}
}

// On SQLite old changes are deleted. A watcher that was held up for so long
// cannot know what they were.
func TestFeedOutOfReach(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	here, there := d.open(t), d.open(t)
	w := watch(t, here)
	w.expect(t, allChanged, true)
	d.exec(t, `BEGIN;
		INSERT INTO changes (seq, payload) SELECT MAX(seq) + 5000, 'all' FROM changes;
		DELETE FROM changes WHERE seq < (SELECT MAX(seq) FROM changes);
		COMMIT`)
	w.expect(t, false, allChanged, true)
	k := newKey(t, there, newOrg(t, there, "acme").ID)
	w.expect(t, allChanged, keyChanged(k))
}

// What another version of the program announces could be anything.
func TestUnknownChange(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db := d.open(t)
		w := watch(t, db)
		w.expect(t, allChanged, true)
		announce := `SELECT pg_notify('poktai_changes', 'region:eu')`
		if d.driver == "sqlite" {
			announce = `INSERT INTO changes (seq, payload) SELECT MAX(seq) + 1, 'region:eu' FROM changes`
		}
		d.exec(t, announce)
		w.expect(t, allChanged)
	})
}
