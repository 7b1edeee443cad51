package store_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"pokt.ai/internal/secret"
	"pokt.ai/internal/store"
)

func TestConfig(t *testing.T) {
	faults := func(dsn string) (got []string) {
		store.Config{DSN: secret.New(dsn)}.Validate(func(key, message string) { got = append(got, key+": "+message) })
		return got
	}
	for _, dsn := range []string{
		"sqlite:x.db", "sqlite:/var/lib/poktai/x.db",
		"postgres://u:p@h/d", "postgresql://u:p@h:5433/d?sslmode=disable",
		store.DefaultConfig().DSN.Reveal(),
	} {
		if got := faults(dsn); got != nil {
			t.Errorf("%s: %v", dsn, got)
		}
	}
	for _, dsn := range []string{"", "sqlite:", "sqlite::memory:", "x.db", "mysql://u:p@h/d", "postgres://u:p@h:port/d"} {
		got := faults(dsn)
		if len(got) != 1 || !strings.HasPrefix(got[0], "dsn: ") {
			t.Errorf("%q: %v", dsn, got)
		}
	}
}

func TestErrorsHoldNoPassword(t *testing.T) {
	const password = "hunter2"
	for _, dsn := range []string{
		"postgres://user:" + password + "@127.0.0.1:1/d", // nobody listens
		"postgres://user:" + password + "@127.0.0.1:port/d",
		"postgres://user:" + password + "@127.0.0.1/d?sslmode=maybe",
		"postgres://user:" + password + "@127.0.0.1/d?connect_timeout=soon",
		"postgres://user:a/" + password + "@127.0.0.1/d",
		"postgres://user:a#" + password + "@127.0.0.1/d",
		"postgres://user:a?" + password + "@127.0.0.1/d",
		"postgres://user:a@" + password + "@127.0.0.1:port/d",
		"postgres://user:a%" + password + "@127.0.0.1/d",
		"postgres://user: " + password + "@127.0.0.1/d",
		"postgres:user:" + password + "@127.0.0.1/d",
		"postgres://127.0.0.1:1/d?user=u&password=" + password,
		"postgres://127.0.0.1/d?sslmode=maybe&user=u&password=" + password,
		"postgres://127.0.0.1/d?sslpassword=" + password + "&sslmode=maybe",
		"postgres user=u password=" + password,
		"user=u password='" + password + "'",
		"mysql://user:" + password + "@127.0.0.1/d",
	} {
		cfg := store.Config{DSN: secret.New(dsn)}
		db, err := store.Open(t.Context(), cfg, zerolog.Nop())
		if err == nil {
			must(t, db.Close())
			t.Errorf("%s: opened", dsn)
			continue
		}
		if strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", dsn, err)
		}
		cfg.Validate(func(_, message string) {
			if strings.Contains(message, password) {
				t.Errorf("%s: %s", dsn, message)
			}
		})
	}
}

func TestSQLiteMakesItsFolderAndKeepsItsFilesPrivate(t *testing.T) {
	root := t.TempDir()
	// Characters that mean something in a URI are part of the name.
	path := filepath.Join(root, "data", "what? 100%25 #1.db")
	d := database{dsn: "sqlite:" + path}
	newOrg(t, d.open(t), "acme")

	got := map[string]fs.FileMode{}
	must(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		must(t, err)
		info, err := e.Info()
		must(t, err)
		if name, err := filepath.Rel(root, path); err == nil && name != "." {
			got[name] = info.Mode().Perm()
		}
		return nil
	}))
	name := filepath.Join("data", filepath.Base(path))
	want := map[string]fs.FileMode{"data": 0o700, name: 0o600, name + "-wal": 0o600, name + "-shm": 0o600}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	if _, err := store.Open(t.Context(), store.Config{DSN: secret.New("sqlite:" + root)}, zerolog.Nop()); err == nil {
		t.Error("opened a folder")
	}
	if err := os.WriteFile(filepath.Join(root, "text"), []byte("not a database, but long enough to be taken for one"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(t.Context(), store.Config{DSN: secret.New("sqlite:" + filepath.Join(root, "text"))}, zerolog.Nop())
	if err == nil || !strings.Contains(err.Error(), filepath.Join(root, "text")) {
		t.Errorf("opened a text, or did not name it: %v", err)
	}
}

func TestPing(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db := d.open(t)
		must(t, db.Ping(t.Context()))
		must(t, db.Close())
		must(t, db.Close()) // twice is fine
		if err := db.Ping(t.Context()); err == nil {
			t.Error("a closed store answers")
		}
	})
}

// What was acknowledged is there for the next process.
func TestReopen(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db := d.open(t)
		org := newOrg(t, db, "acme")
		must(t, db.Close())
		got, err := d.open(t).Org(t.Context(), org.ID)
		must(t, err)
		if diff := cmp.Diff(org, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestProcessesStartAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				db, err := store.Open(t.Context(), store.Config{DSN: secret.New(d.dsn)}, zerolog.Nop())
				if err != nil {
					t.Error(err)
					return
				}
				defer db.Close()
				if err := db.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
				if err := db.CheckSchema(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func TestSchemaOfAnotherVersion(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db, ctx := d.connect(t), t.Context()
		if err := db.CheckSchema(ctx); err == nil || !strings.Contains(err.Error(), "run poktai migrate") {
			t.Errorf("an empty database: %v", err)
		}
		must(t, db.Migrate(ctx))
		must(t, db.CheckSchema(ctx))
		must(t, db.Migrate(ctx)) // again changes nothing

		d.exec(t, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, TRUE)`)
		for what, err := range map[string]error{"check": db.CheckSchema(ctx), "migrate": db.Migrate(ctx)} {
			if err == nil || !strings.Contains(err.Error(), "version 999") {
				t.Errorf("%s of a newer schema: %v", what, err)
			}
		}
	})
}

// SQLite lets one connection write at a time and tells the others that the
// database is locked. Callers never hear of it.
func TestManyWriters(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		stores := []*store.DB{d.open(t), d.open(t), d.open(t)}
		org := newOrg(t, stores[0], "acme")
		const each = 10
		var wg sync.WaitGroup
		for i := range 4 * len(stores) {
			db := stores[i%len(stores)]
			wg.Go(func() {
				for range each {
					k := keyOf(org.ID)
					if err := db.CreateKey(t.Context(), k); err != nil {
						t.Error(err)
					}
					if err := db.RevokeKey(t.Context(), k.ID, day("11:00:00")); err != nil {
						t.Error(err)
					}
					if g, err := db.GrantByHash(t.Context(), k.Hash); err != nil || g.Key.RevokedAt.IsZero() {
						t.Errorf("read %v, %v after it was revoked", g.Key, err)
					}
				}
			})
		}
		wg.Wait()
		keys, err := stores[0].Keys(t.Context(), org.ID)
		must(t, err)
		if want := 4 * len(stores) * each; len(keys) != want {
			t.Errorf("%d keys, want %d", len(keys), want)
		}
	})
}
