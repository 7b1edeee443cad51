package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	sqlite3 "modernc.org/sqlite/lib"

	"pokt.ai/internal/secret"
)

// Config says where the database is.
type Config struct {
	// DSN is "sqlite:PATH", for everything on one machine, or
	// "postgres://USER:PASSWORD@HOST:PORT/DATABASE". The change feed needs a
	// session of its own: give the address of Postgres itself or of a pooler in
	// session mode. Default "sqlite:data/poktai.db"; empty is refused.
	DSN secret.Text `yaml:"dsn"`
}

// DefaultConfig is a SQLite file under ./data.
func DefaultConfig() Config {
	return Config{DSN: secret.New("sqlite:data/poktai.db")}
}

// Validate reports what is wrong with c.
func (c Config) Validate(report func(key, message string)) {
	if _, err := c.target(); err != nil {
		report("dsn", err.Error())
	}
}

// A target is a parsed DSN: one of the two.
type target struct {
	postgres   *pgx.ConnConfig
	sqlitePath string
}

// target's errors hold nothing of the DSN that could be a password.
func (c Config) target() (target, error) {
	dsn := c.DSN.Reveal()
	switch scheme, rest, _ := strings.Cut(dsn, ":"); scheme {
	case "sqlite":
		// Each connection to ":memory:" would be a database of its own.
		if rest == "" || rest == ":memory:" {
			return target{}, errors.New("sqlite: wants the path of a file")
		}
		return target{sqlitePath: filepath.Clean(rest)}, nil
	case "postgres", "postgresql":
		// pgx masks the password in its own errors by guessing where it ends,
		// which only a URL that parses makes certain.
		if _, err := url.Parse(dsn); err != nil {
			return target{}, errors.New("not a valid URL; in a user name or password write % / ? # @ : as %25 %2F %3F %23 %40 %3A")
		}
		cfg, err := pgx.ParseConfig(dsn)
		if err != nil {
			return target{}, errors.New(err.Error()) // not wrapped: the pgx error carries the DSN
		}
		return target{postgres: cfg}, nil
	default:
		return target{}, errors.New(`starts with neither "sqlite:" nor "postgres://"`)
	}
}

func openPostgres(ctx context.Context, cfg *pgx.ConnConfig) (*DB, error) {
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "poktai"
	}
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(16)
	pool.SetMaxIdleConns(4)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	if err := pool.PingContext(ctx); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return &DB{dialect: postgresDialect(), feed: &postgresFeed{cfg: cfg}, write: pool, read: pool}, nil
}

const (
	// Longer than any transaction of ours. It only matters between processes,
	// and ends early with the context of the statement.
	sqliteBusyTimeout = 30 * time.Second
	sqliteReaders     = 5 // one of them is the feed's
)

func openSQLite(ctx context.Context, path string) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// SQLite gives its -wal and -shm files the permissions of the file. A file
	// that exists is not opened here: closing it would drop the locks that
	// other connections of this process hold (https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case err == nil:
		err = f.Close()
	case errors.Is(err, fs.ErrExist):
		err = nil
	}
	if err != nil {
		return nil, err
	}

	write, err := sql.Open("sqlite", sqliteName(path, url.Values{
		// Take the write lock at BEGIN: a transaction that reads first and
		// then cannot get it fails at once, whatever the busy timeout.
		"_txlock": {"immediate"},
		"_pragma": {
			"journal_mode(wal)",
			// With NORMAL a power failure may undo a commit. The shipper
			// deletes a segment's file once AddUsage has returned, so a
			// commit must be on the disk by then.
			"synchronous(full)",
			"foreign_keys(1)",
		},
	}))
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", sqliteName(path, url.Values{"_pragma": {"query_only(1)"}}))
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(sqliteReaders)
	read.SetMaxIdleConns(sqliteReaders)

	db := &DB{dialect: sqliteDialect(), feed: &sqliteFeed{read: read}, write: write, read: read}
	// The writer comes first, because it switches a new file to WAL.
	for _, pool := range []*sql.DB{write, read} {
		if err := pingSQLite(ctx, pool); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
		}
	}
	return db, nil
}

func sqliteName(path string, params url.Values) string {
	params.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", sqliteBusyTimeout.Milliseconds()))
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + params.Encode()
}

// pingSQLite retries when two processes switch a new file to WAL at once: the
// second is told "busy" without the busy timeout, as waiting would deadlock.
func pingSQLite(ctx context.Context, pool *sql.DB) error {
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		err := pool.PingContext(ctx)
		if !isSQLite(err, sqlite3.SQLITE_BUSY) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-retry.C:
		}
	}
}
