package clickhouse

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// The migrations, in the order of their numbers. Each statement ends with a
// semicolon at the end of a line, and does nothing when it is carried out again
// (IF NOT EXISTS): several gateways may migrate at once, or one may die between
// two statements.
//
//go:embed migrations/*.sql
var migrations embed.FS

const createMigrations = `CREATE TABLE IF NOT EXISTS migrations
(
    version    UInt32                     COMMENT 'number of the file',
    name       String                     COMMENT 'its name',
    applied_at DateTime('UTC') DEFAULT now() COMMENT 'when, by the clock of this server'
)
ENGINE = MergeTree
ORDER BY version`

// Migrate makes the database and its tables what this program needs. It may run
// in several processes at once.
func (db *DB) Migrate(ctx context.Context) error {
	if err := db.createDatabase(ctx); err != nil {
		return fmt.Errorf("create database %s: %w", db.cfg.Database, err)
	}
	if err := db.conn.Exec(ctx, createMigrations); err != nil {
		return fmt.Errorf("create the table of migrations: %w", err)
	}
	var done []uint32
	if err := db.conn.QueryRow(ctx, `SELECT groupUniqArray(version) FROM migrations`).Scan(&done); err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	applied := make(map[uint32]bool, len(done))
	for _, version := range done {
		applied[version] = true
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	for _, name := range names { // sorted by Glob
		if err := db.apply(ctx, name, applied); err != nil {
			return fmt.Errorf("apply %s: %w", name, err)
		}
	}
	return db.configure(ctx)
}

// createDatabase connects to the server's default database, because the one that
// is not there yet refuses connections.
func (db *DB) createDatabase(ctx context.Context) error {
	conn, err := ch.Open(db.cfg.options("default"))
	if err != nil {
		return err
	}
	defer conn.Close()
	// Asked first: whoever made it may not have let the user make databases.
	var there uint64
	err = conn.QueryRow(with(ctx, nil, ch.Parameters{"name": db.cfg.Database}),
		`SELECT count() FROM system.databases WHERE name = {name:String}`).Scan(&there)
	if err != nil || there > 0 {
		return err
	}
	return conn.Exec(ctx, `CREATE DATABASE IF NOT EXISTS `+db.cfg.Database)
}

func (db *DB) apply(ctx context.Context, path string, applied map[uint32]bool) error {
	name := strings.TrimPrefix(path, "migrations/")
	number, _, _ := strings.Cut(name, "_")
	version, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return err
	}
	if applied[uint32(version)] {
		return nil
	}
	text, err := migrations.ReadFile(path)
	if err != nil {
		return err
	}
	for statement := range strings.SplitSeq(string(text), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if err := db.conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	// Two gateways may both say so: no harm is in that.
	return db.conn.Exec(with(ctx, nil, ch.Parameters{"version": strconv.FormatUint(version, 10), "name": name}), `INSERT INTO migrations (version, name) SELECT {version:UInt32}, {name:String}`)
}

// deduplicated are the tables that a segment's INSERTs reach.
var deduplicated = []string{"events", "usage_minute", "usage_hour", "usage_day", "segments"}

// expiring are the tables whose rows are kept for RetentionDays.
var expiring = []string{"events", "usage_minute"}

// configure gives the tables what the configuration says of them.
func (db *DB) configure(ctx context.Context) error {
	engines := make(map[string]string)
	rows, err := db.conn.Query(ctx, `SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()`)
	if err != nil {
		return fmt.Errorf("read the tables: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, engine string
		if err := rows.Scan(&name, &engine); err != nil {
			return fmt.Errorf("read the tables: %w", err)
		}
		engines[name] = engine
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the tables: %w", err)
	}
	alter := func(table, change string) error {
		if err := db.conn.Exec(ctx, `ALTER TABLE `+table+` `+change); err != nil {
			return fmt.Errorf("alter table %s: %s: %w", table, change, err)
		}
		return nil
	}
	for _, table := range deduplicated {
		window := fmt.Sprintf("non_replicated_deduplication_window = %d", db.cfg.DedupWindow)
		if !strings.Contains(engines[table]+",", window+",") {
			if err := alter(table, "MODIFY SETTING "+window); err != nil {
				return err
			}
		}
	}
	for _, table := range expiring {
		ttl := fmt.Sprintf("TTL day + toIntervalDay(%d)", db.cfg.RetentionDays)
		var err error
		switch {
		case db.cfg.RetentionDays > 0 && !strings.Contains(engines[table], ttl):
			err = alter(table, "MODIFY "+ttl)
		case db.cfg.RetentionDays == 0 && strings.Contains(engines[table], " TTL "):
			err = alter(table, "REMOVE TTL")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ready migrates once, when the server first answers.
func (db *DB) ready(ctx context.Context) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.migrated {
		return nil
	}
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	db.migrated = true
	return nil
}
