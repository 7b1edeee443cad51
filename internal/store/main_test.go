package store_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"pokt.ai/internal/account"
	"pokt.ai/internal/secret"
	"pokt.ai/internal/store"
)

// postgresEnv names a Postgres server whose role may create databases, as in
// "postgres://postgres@127.0.0.1:5432/postgres".
const postgresEnv = "POKTAI_TEST_POSTGRES"

// A database is one that a test has to itself.
type database struct {
	driver string
	dsn    string // as in store.Config
	raw    string // as the driver wants it
}

// onBoth runs a test on SQLite and on Postgres.
func onBoth(t *testing.T, test func(t *testing.T, d database)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, newSQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, newPostgres(t))
	})
}

func newSQLite(t testing.TB) database {
	path := filepath.Join(t.TempDir(), "poktai.db")
	return database{driver: "sqlite", dsn: "sqlite:" + path, raw: path + "?_pragma=busy_timeout(30000)"}
}

func newPostgres(t testing.TB) database {
	t.Helper()
	server := os.Getenv(postgresEnv)
	if server == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not set: nothing was tested on Postgres", postgresEnv)
		}
		t.Skipf("NOT TESTED ON POSTGRES: %s is not set", postgresEnv)
	}
	u, err := url.Parse(server)
	must(t, err)
	name := "poktai_test_" + strings.ToLower(rand.Text())
	execPostgres(t, server, `CREATE DATABASE `+name)
	t.Cleanup(func() { execPostgres(t, server, `DROP DATABASE `+name+` WITH (FORCE)`) })
	u.Path = "/" + name
	return database{driver: "pgx", dsn: u.String(), raw: u.String()}
}

func execPostgres(t testing.TB, dsn, statement string) {
	t.Helper()
	ctx := context.Background() // t.Context is over in cleanups
	conn, err := pgx.Connect(ctx, dsn)
	must(t, err)
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// exec runs a statement behind the store's back.
func (d database) exec(t testing.TB, statement string) {
	t.Helper()
	if err := d.tryExec(t, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// tryExec is exec of what may fail.
func (d database) tryExec(t testing.TB, statement string) error {
	t.Helper()
	db, err := sql.Open(d.driver, d.raw)
	must(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), statement)
	return err
}

// connect opens the database without touching its schema. Two stores of one
// database are what two processes have.
func (d database) connect(t testing.TB) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{DSN: secret.New(d.dsn)}, zerolog.New(zerolog.NewTestWriter(t)))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

// open opens and migrates the database.
func (d database) open(t testing.TB) *store.DB {
	t.Helper()
	db := d.connect(t)
	must(t, db.Migrate(t.Context()))
	return db
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// day is a time on the day that the tests play on.
func day(clock string) time.Time {
	t, err := time.Parse(time.DateTime, "2026-03-14 "+clock)
	if err != nil {
		panic(err)
	}
	return t
}

func freePlan() account.Plan {
	return account.Plan{
		ID: "free", Name: "Free",
		Limits:    account.Limits{CallsPerSecond: 25, CallsBurst: 50, CUPerSecond: 500},
		MonthlyCU: 1_000_000,
		CreatedAt: day("08:00:00"),
	}
}

// newOrg stores an organisation with the free plan.
func newOrg(t testing.TB, db *store.DB, name string) account.Org {
	t.Helper()
	must(t, db.PutPlan(t.Context(), freePlan()))
	o := account.Org{ID: account.NewOrgID(), Name: name, Plan: "free", CreatedAt: day("09:00:00")}
	must(t, db.CreateOrg(t.Context(), o))
	return o
}

// keyOf makes a key and does not store it.
func keyOf(org account.OrgID) account.Key {
	k := account.Key{
		ID: account.NewKeyID(), Org: org, Name: "web", Env: account.Live, Pepper: 1,
		Prefix: "pokt_live_abcd", LastFour: "wxyz", CreatedAt: day("10:00:00"),
	}
	rand.Read(k.Hash[:])
	return k
}

func newKey(t testing.TB, db *store.DB, org account.OrgID) account.Key {
	t.Helper()
	k := keyOf(org)
	must(t, db.CreateKey(t.Context(), k))
	return k
}
