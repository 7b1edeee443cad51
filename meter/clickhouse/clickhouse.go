// Package clickhouse keeps usage in ClickHouse: a row a call, a manifest row a
// segment, and totals by minute, hour and day. DB.Store is a meter.Sink; the
// other methods read what verification, rating and export need. The package
// knows no prices and decides nothing about money.
//
// A segment is stored once, however often it is handed over and by whom, because
// it is one INSERT of one block:
//
//   - The manifest is asked first, and written last: a segment that is in it is
//     stored, with its rollups.
//   - Without a row there, the segment's rows are counted. ClickHouse takes a
//     block whole or not at all, so there are none, and the segment is inserted,
//     or all, and only what came after them is missing.
//   - The INSERT carries the segment's identity as its deduplication token, which
//     each table remembers for the last DedupWindow blocks. A segment of which
//     some tables may be missing is inserted again within that window, and only
//     those tables take it.
package clickhouse

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/rs/zerolog"
)

const dialTimeout = 5 * time.Second

// A DB is a ClickHouse database. It is safe for concurrent use.
type DB struct {
	cfg  Config
	log  zerolog.Logger
	conn driver.Conn

	columns sync.Pool // of *columns

	mu       sync.Mutex
	migrated bool // by this process
}

// New returns the database of cfg without connecting to it. Close it.
func New(cfg Config, log zerolog.Logger) (*DB, error) {
	conn, err := ch.Open(cfg.options(cfg.Database))
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	db := &DB{cfg: cfg, log: log, conn: conn}
	db.columns.New = func() any { return new(columns) }
	return db, nil
}

// Close closes the connections.
func (db *DB) Close() error { return db.conn.Close() }

func (c Config) options(database string) *ch.Options {
	o := &ch.Options{
		Addr:        c.Addresses,
		Auth:        ch.Auth{Database: database, Username: c.User, Password: c.Password.Reveal()},
		Compression: &ch.Compression{Method: ch.CompressionLZ4},
		DialTimeout: dialTimeout,
		// How long one answer may take is for the context of each call to say.
		ReadTimeout: time.Hour,
	}
	if c.Protocol == HTTP {
		o.Protocol = ch.HTTP
	}
	if c.TLS {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return o
}

// with adds settings and parameters of a query to ctx.
func with(ctx context.Context, settings ch.Settings, parameters ch.Parameters) context.Context {
	return ch.Context(ctx, ch.WithSettings(settings), ch.WithParameters(parameters))
}
