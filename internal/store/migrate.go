package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the schema to the version of this binary. Several processes
// may call it at once. It refuses a schema that is newer.
func (db *DB) Migrate(ctx context.Context) error {
	p, err := db.migrator()
	if err != nil {
		return fmt.Errorf("migrate database: %w", err)
	}
	for {
		before, target, err := p.GetVersions(ctx)
		if err != nil {
			return fmt.Errorf("migrate database: %w", err)
		}
		if before > target {
			return newerSchema(before, target)
		}
		done, err := p.Up(ctx)
		for _, m := range done {
			db.log.Info().Int64("version", m.Source.Version).Dur("took", m.Duration).Msg("migrated database")
		}
		if err == nil {
			return nil
		}
		// Another process may have applied the same version first. Then there
		// is progress, and what is left may be tried again.
		after, _, verr := p.GetVersions(ctx)
		if verr != nil || after == before {
			return fmt.Errorf("migrate database from version %d: %w", before, err)
		}
	}
}

// CheckSchema returns an error unless the schema is the one of this binary.
func (db *DB) CheckSchema(ctx context.Context) error {
	p, err := db.migrator()
	if err != nil {
		return fmt.Errorf("check database schema: %w", err)
	}
	current, target, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("check database schema: %w", err)
	case current > target:
		return newerSchema(current, target)
	case current < target:
		return fmt.Errorf("database schema is at version %d and this binary needs %d: run poktai migrate", current, target)
	}
	return nil
}

func newerSchema(current, target int64) error {
	return fmt.Errorf("database schema is at version %d and this binary knows %d: use a newer poktai", current, target)
}

func (db *DB) migrator() (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	opts, err := db.dialect.migrators()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(db.dialect.goose, db.write, dir, append(opts,
		goose.WithDisableGlobalRegistry(true), goose.WithGoMigrations(db.protectLedger()))...)
}

// protectLedger is the migration that differs between the databases.
func (db *DB) protectLedger() *goose.Migration {
	return goose.NewGoMigration(3, &goose.GoFunc{RunTx: func(ctx context.Context, t *sql.Tx) error {
		for _, statement := range db.dialect.appendOnly {
			if _, err := t.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}}, nil)
}
