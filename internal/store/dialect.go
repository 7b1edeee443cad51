package store

import (
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A dialect is what differs between the databases, apart from the feed and
// from how they are opened.
type dialect struct {
	goose     goose.Dialect
	migrators func() ([]goose.ProviderOption, error) // how they wait for each other
	snapshot  *sql.TxOptions                         // of a transaction that reads one state of the database
	isUnique  func(error) bool
	isForeign func(error) bool
	// appendOnly are statements that make the database itself refuse to change
	// or delete rows of the ledger. No syntax for it is common to both.
	appendOnly []string
}

func sqliteDialect() dialect {
	return dialect{
		goose: goose.DialectSQLite3,
		migrators: func() ([]goose.ProviderOption, error) {
			return nil, nil // Migrate itself deals with the loser of a race
		},
		snapshot: &sql.TxOptions{ReadOnly: true},
		isUnique: func(err error) bool {
			return isSQLite(err, sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
		},
		isForeign: func(err error) bool {
			return isSQLite(err, sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY)
		},
		appendOnly: []string{
			`CREATE TRIGGER ledger_update BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END`,
			`CREATE TRIGGER ledger_delete BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END`,
		},
	}
}

func postgresDialect() dialect {
	return dialect{
		goose: goose.DialectPostgres,
		migrators: func() ([]goose.ProviderOption, error) {
			locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
			return []goose.ProviderOption{goose.WithSessionLocker(locker)}, err
		},
		snapshot:  &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead},
		isUnique:  func(err error) bool { return isPostgres(err, "23505") },
		isForeign: func(err error) bool { return isPostgres(err, "23503") },
		appendOnly: []string{
			`CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
				$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$`,
			`CREATE TRIGGER ledger_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
				FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()`,
		},
	}
}

func isSQLite(err error, codes ...int) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, code := range codes {
		if e.Code() == code {
			return true
		}
	}
	return false
}

// isPostgres compares with a code of
// https://www.postgresql.org/docs/current/errcodes-appendix.html.
func isPostgres(err error, code string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == code
}
