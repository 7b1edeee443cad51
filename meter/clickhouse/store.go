package clickhouse

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"pokt.ai/internal/account"
	"pokt.ai/meter/spool"
)

// Store stores a segment with its rollups, unless that was done before; see the
// package comment. It makes the tables if this process has not seen them yet. A
// segment whose name is stored with another content is account.ErrConflict: two
// gateways share an id.
func (db *DB) Store(ctx context.Context, segment *spool.Segment) error {
	if segment.Seq > math.MaxUint32 {
		return fmt.Errorf("segment number %d is beyond what is stored as its number", segment.Seq)
	}
	if err := db.ready(ctx); err != nil {
		return err
	}
	hashes, rows, err := db.find(ctx, segment)
	if err != nil {
		return err
	}
	switch {
	case len(hashes) > 0:
		for _, hash := range hashes {
			if hash != hex.EncodeToString(segment.SHA256[:]) {
				return fmt.Errorf("%w: another content is stored under this name: do two gateways have the id %q?",
					account.ErrConflict, segment.Gateway)
			}
		}
		db.log.Info().Str("segment", segment.Name).Msg("meter: a segment that was stored before came again")
		return nil
	case rows == 0:
		err = db.insert(ctx, segment)
	case rows == uint64(segment.Rows):
		err = db.complete(ctx, segment)
	default:
		err = fmt.Errorf("%d of its %d rows are stored, and one INSERT stores all or none", rows, segment.Rows)
	}
	if err != nil {
		return err
	}
	return db.insertManifest(ctx, segment)
}

// find returns the hashes that the manifest has for the segment's name and the
// number of its rows in events.
func (db *DB) find(ctx context.Context, segment *spool.Segment) (hashes []string, rows uint64, err error) {
	const query = `SELECT
		(SELECT groupUniqArray(lower(hex(sha256))) FROM segments
			WHERE gateway = {gateway:String} AND epoch = {epoch:UInt64} AND seq = {seq:UInt32}),
		(SELECT count() FROM events WHERE day = {day:Date}
			AND gateway = {gateway:String} AND epoch = {epoch:UInt64} AND seq = {seq:UInt32})`
	if err := db.conn.QueryRow(with(ctx, nil, identity(segment)), query).Scan(&hashes, &rows); err != nil {
		return nil, 0, fmt.Errorf("ask whether it is stored: %w", err)
	}
	return hashes, rows, nil
}

// complete is called for a segment whose rows are in events although nobody was
// told so: the rollups may lack them. While the window is sure to know the
// segment's block it is inserted again, which adds what is missing.
func (db *DB) complete(ctx context.Context, segment *spool.Segment) error {
	// Every INSERT takes the next block number, here and thereby in the rollups,
	// where they may arrive in another order: hence half of the window.
	const query = `SELECT
		(SELECT max(max_block_number) FROM system.parts WHERE database = currentDatabase() AND table = 'events'),
		(SELECT min(toInt64(_block_number)) FROM events WHERE day = {day:Date}
			AND gateway = {gateway:String} AND epoch = {epoch:UInt64} AND seq = {seq:UInt32})`
	var newest, own int64
	if err := db.conn.QueryRow(with(ctx, nil, identity(segment)), query).Scan(&newest, &own); err != nil {
		return fmt.Errorf("ask how long ago its rows were stored: %w", err)
	}
	if 2*(newest-own) < int64(db.cfg.DedupWindow) {
		return db.insert(ctx, segment)
	}
	db.log.Warn().Str("segment", segment.Name).Int64("blocks_ago", newest-own).
		Msg("meter: rows of a segment were stored too long ago to repeat them: its rollups may lack them")
	return nil
}

// insert sends the segment as one INSERT of one block.
func (db *DB) insert(ctx context.Context, segment *spool.Segment) error {
	batch, err := db.conn.PrepareBatch(with(ctx, insertSettings(segment), nil), insertEvents)
	if err != nil {
		return fmt.Errorf("begin its INSERT: %w", err)
	}
	defer batch.Close()
	rows := db.columns.Get().(*columns)
	defer db.columns.Put(rows)
	if err := rows.addTo(batch, segment); err != nil {
		return fmt.Errorf("turn its rows: %w", err)
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert its rows: %w", err)
	}
	return nil
}

// insertSettings are what makes one INSERT one block in each table, and a
// repeated one no block in any.
func insertSettings(segment *spool.Segment) ch.Settings {
	rows := strconv.FormatInt(segment.Rows, 10)
	return ch.Settings{
		"async_insert":       "0", // it would mix segments, and answer before they are stored
		"insert_deduplicate": "1",
		// The hash is in it so that two gateways with one id both keep their rows,
		// and are found by the manifest, where the name alone would silently
		// drop the second one's.
		"insert_deduplication_token":                         token(segment),
		"deduplicate_blocks_in_dependent_materialized_views": "1",
		"materialized_views_ignore_errors":                   "0",
		"max_partitions_per_insert_block":                    "1",
		"throw_on_max_partitions_per_insert_block":           "1",

		// Nothing on the way cuts the block, and nothing waits for more rows.
		"max_block_size":                                     rows,
		"max_insert_block_size":                              rows,
		"min_insert_block_size_rows":                         rows,
		"min_insert_block_size_bytes":                        "0",
		"min_insert_block_size_rows_for_materialized_views":  rows,
		"min_insert_block_size_bytes_for_materialized_views": "0",
		"group_by_two_level_threshold":                       "0",
		"group_by_two_level_threshold_bytes":                 "0",
		"max_insert_threads":                                 "1",
		"max_threads":                                        "1",
		"parallel_view_processing":                           "0",
		// A view's block has each bucket once: there is nothing to merge in it.
		"optimize_on_insert": "0",
	}
}

// insertManifest says that the segment is stored.
func (db *DB) insertManifest(ctx context.Context, segment *spool.Segment) error {
	settings := ch.Settings{"async_insert": "0", "insert_deduplicate": "1", "insert_deduplication_token": token(segment)}
	batch, err := db.conn.PrepareBatch(with(ctx, settings, nil),
		`INSERT INTO segments (gateway, epoch, seq, rows, cu, first, last, sha256)`)
	if err != nil {
		return fmt.Errorf("insert its manifest: %w", err)
	}
	defer batch.Close()
	err = batch.Append(segment.Gateway, segment.Epoch, uint32(segment.Seq), uint32(segment.Rows), uint64(segment.CU),
		segment.First, segment.Last, string(segment.SHA256[:]))
	if err == nil {
		err = batch.Send()
	}
	if err != nil {
		return fmt.Errorf("insert its manifest: %w", err)
	}
	return nil
}

func token(segment *spool.Segment) string {
	return segment.Name + "-" + hex.EncodeToString(segment.SHA256[:])
}

// identity are the parameters that name a segment in a query.
func identity(segment *spool.Segment) ch.Parameters {
	return ch.Parameters{
		"day":     day(segment.First).Format("2006-01-02"),
		"gateway": segment.Gateway,
		"epoch":   strconv.FormatUint(segment.Epoch, 10),
		"seq":     strconv.FormatUint(segment.Seq, 10),
	}
}
