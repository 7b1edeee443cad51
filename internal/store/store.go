// Package store holds all SQL of the product: organisations, plans, keys, usage
// rollups, outboxes and the feed of what changed. The same statements run on
// SQLite, for one machine, and on Postgres, for several.
//
// It keeps values and guards their invariants. What the values mean, what a key
// may do or whether it has expired, is decided by its callers.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/rs/zerolog"

	"pokt.ai/internal/account"
)

// DB is an open database. It is safe for concurrent use. Whoever opened it
// closes it, after every Watch has returned.
//
// Its errors say what was attempted and wrap account.ErrNotFound or
// account.ErrConflict where that is the cause.
type DB struct {
	dialect dialect
	feed    feed
	// On SQLite one connection writes and the others read: SQLite lets one
	// transaction write at a time, and waiting in the pool for the connection
	// is fair and cancellable where waiting for the lock is not. On Postgres
	// both are the same pool.
	write, read *sql.DB
	log         zerolog.Logger
}

// Open connects to the database of cfg. It does not touch the schema: call
// Migrate or CheckSchema next.
func Open(ctx context.Context, cfg Config, log zerolog.Logger) (*DB, error) {
	t, err := cfg.target()
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	var db *DB
	if t.postgres != nil {
		db, err = openPostgres(ctx, t.postgres)
	} else {
		db, err = openSQLite(ctx, t.sqlitePath)
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.log = log
	return db, nil
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if _, err := db.read.ExecContext(ctx, `SELECT 1`); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// Close waits for running statements and closes all connections.
func (db *DB) Close() error {
	if db.read == db.write {
		return db.write.Close()
	}
	return errors.Join(db.read.Close(), db.write.Close())
}

// A tx is a transaction that writes.
type tx struct {
	*sql.Tx
	feed feed
}

// announce puts c into the change feed, to be seen if the transaction commits.
func (t *tx) announce(ctx context.Context, c Change) error {
	return t.feed.announce(ctx, t.Tx, c)
}

// inTx runs fn in a transaction that commits if fn returns nil.
func (db *DB) inTx(ctx context.Context, fn func(*tx) error) error {
	sqlTx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer sqlTx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	if err := fn(&tx{Tx: sqlTx, feed: db.feed}); err != nil {
		return db.kind(err)
	}
	return sqlTx.Commit()
}

// kind adds to an error of a driver the kind that callers branch on.
func (db *DB) kind(err error) error {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return account.ErrNotFound
	case db.dialect.isUnique(err):
		return fmt.Errorf("%w: %w", account.ErrConflict, err)
	case db.dialect.isForeign(err):
		return fmt.Errorf("%w: %w", account.ErrNotFound, err)
	}
	return err
}

// all reads every row of a query with scan.
func all[T any](ctx context.Context, db *DB, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	var list []T
	for v, err := range each(ctx, db, scan, query, args...) {
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// each yields every row of a query with scan, and ends with the first error.
func each[T any](ctx context.Context, db *DB, scan func(scanner) (T, error), query string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if err := eachRow(ctx, db.read, scan, func(v T) bool { return yield(v, nil) }, query, args...); err != nil {
			var none T
			yield(none, err)
		}
	}
}

func eachRow[T any](ctx context.Context, pool *sql.DB, scan func(scanner) (T, error), yield func(T) bool, query string, args ...any) error {
	rows, err := pool.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return err
		}
		if !yield(v) {
			return nil
		}
	}
	return rows.Err()
}

// A scanner is a *sql.Row or *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// micros and fromMicros carry times through the database, where 0 is none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
