package clickhouse

import (
	"context"
	"iter"
	"strconv"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// A Segment is what is stored of one segment, by the manifest and by its rows.
// Both agree when Manifests is 1 and the counts are equal.
type Segment struct {
	Gateway string `ch:"gateway"`
	Epoch   uint64 `ch:"epoch"`
	Seq     uint32 `ch:"seq"`

	// Manifests counts its rows in the manifest. Zero: its rows were inserted, and
	// nobody was told yet, so it is still in its gateway's spool. Two: two
	// gateways share an id.
	Manifests uint64    `ch:"manifests"`
	Rows      uint64    `ch:"rows"` // as the manifest has them, with what follows
	CU        uint64    `ch:"cu"`
	First     time.Time `ch:"first"`
	Last      time.Time `ch:"last"`
	SHA256    string    `ch:"sha256"` // in hexadecimal
	StoredAt  time.Time `ch:"stored_at"`

	// EventRows and EventCU are counted from the rows of its calls.
	EventRows uint64 `ch:"event_rows"`
	EventCU   uint64 `ch:"event_cu"`
}

// Segments yields the segments that began from from to before to, ordered by
// gateway, epoch and number.
func (db *DB) Segments(ctx context.Context, from, to time.Time) iter.Seq2[Segment, error] {
	// Whole days are joined, so that a row missing at a segment's begin does not
	// make it two.
	const query = `SELECT
			gateway, epoch, seq,
			m.manifests AS manifests, m.rows AS rows, m.cu AS cu, m.first AS first, m.last AS last,
			m.sha256 AS sha256, m.stored_at AS stored_at,
			e.rows AS event_rows, e.cu AS event_cu
		FROM (
			SELECT gateway, epoch, seq, count() AS manifests, toUInt64(any(s.rows)) AS rows, any(s.cu) AS cu,
				any(s.first) AS first, any(s.last) AS last, any(lower(hex(s.sha256))) AS sha256, any(s.stored_at) AS stored_at
			FROM segments AS s
			WHERE toDate(s.first) BETWEEN toDate({from:DateTime64(6)}) AND toDate({to:DateTime64(6)})
			GROUP BY gateway, epoch, seq
		) AS m
		FULL OUTER JOIN (
			SELECT gateway, epoch, seq, count() AS rows, sum(events.cu) AS cu, min(time) AS first
			FROM events
			WHERE day BETWEEN toDate({from:DateTime64(6)}) AND toDate({to:DateTime64(6)})
			GROUP BY gateway, epoch, seq
		) AS e USING (gateway, epoch, seq)
		WHERE if(m.manifests > 0, m.first, e.first) >= {from:DateTime64(6)}
			AND if(m.manifests > 0, m.first, e.first) < {to:DateTime64(6)}
		ORDER BY gateway, epoch, seq`
	return stream[Segment](ctx, db, span(from, to), query)
}

// An Hour is what calls of one hour that are charged alike come to.
type Hour struct {
	Hour    time.Time `ch:"hour"`
	Org     uint64    `ch:"org"`
	Key     uint64    `ch:"key"`
	Chain   string    `ch:"chain"`
	Method  string    `ch:"method"`
	Outcome string    `ch:"outcome"`
	Prices  string    `ch:"prices"` // version of the price table that CU comes from
	Calls   uint64    `ch:"calls"`
	CU      uint64    `ch:"cu"`
}

// Hours yields the totals of the calls from from to before to, counted from
// their rows. The order is that of Hour's fields.
func (db *DB) Hours(ctx context.Context, from, to time.Time) iter.Seq2[Hour, error] {
	const query = `SELECT toStartOfHour(time) AS hour, org, key, chain, method, outcome, prices,
			count() AS calls, sum(events.cu) AS cu
		FROM events
		WHERE ` + inSpan + `
		GROUP BY hour, org, key, chain, method, outcome, prices
		ORDER BY hour, org, key, chain, method, outcome, prices`
	return stream[Hour](ctx, db, span(from, to), query)
}

// A Row is one call. (Gateway, Epoch, Seq, Row) names it for good.
type Row struct {
	Gateway       string    `ch:"gateway"`
	Epoch         uint64    `ch:"epoch"`
	Seq           uint32    `ch:"seq"`
	Row           uint32    `ch:"row"`
	Time          time.Time `ch:"time"` // when it ended
	Key           uint64    `ch:"key"`
	RequestID     uint64    `ch:"request_id"`
	Chain         string    `ch:"chain"`
	Method        string    `ch:"method"`
	Upstream      string    `ch:"upstream"`
	Prices        string    `ch:"prices"`
	Outcome       string    `ch:"outcome"`
	Flags         uint8     `ch:"flags"`
	RPCCode       int16     `ch:"rpc_code"`
	CU            uint32    `ch:"cu"`
	LatencyMicros uint32    `ch:"latency_us"`
	RequestBytes  uint32    `ch:"request_bytes"`
	ResponseBytes uint32    `ch:"response_bytes"`
}

// Rows yields the calls of an organisation from from to before to in the order
// of their names. That is the order they are stored in: however many they are,
// they are neither sorted nor held.
func (db *DB) Rows(ctx context.Context, org uint64, from, to time.Time) iter.Seq2[Row, error] {
	const query = `SELECT gateway, epoch, seq, row, time, key, request_id, chain, method, upstream, prices, outcome,
			flags, rpc_code, cu, latency_us, request_bytes, response_bytes
		FROM events
		WHERE org = {org:UInt64} AND ` + inSpan + `
		ORDER BY org, gateway, epoch, seq, row`
	parameters := span(from, to)
	parameters["org"] = strconv.FormatUint(org, 10)
	return stream[Row](ctx, db, parameters, query)
}

// inSpan picks the rows of events in a span, and by the manifest the partitions
// that they may be in: the day of a row is that in which its segment began, which
// is the same or the one before unless the segment was long open. A segment that
// is not in the manifest yet is short.
const inSpan = `time >= {from:DateTime64(6)} AND time < {to:DateTime64(6)}
	AND day <= toDate({to:DateTime64(6)})
	AND day >= least(toDate({from:DateTime64(6)}) - 1, (
		SELECT ifNull(minOrNull(toDate(first)), toDate({from:DateTime64(6)})) FROM segments
		WHERE last >= {from:DateTime64(6)} AND first < {to:DateTime64(6)}))`

// span are the parameters of a span of time.
func span(from, to time.Time) ch.Parameters {
	const layout = "2006-01-02 15:04:05.000000"
	return ch.Parameters{"from": from.UTC().Format(layout), "to": to.UTC().Format(layout)}
}

// stream yields the rows of a query as they arrive.
func stream[T any](ctx context.Context, db *DB, parameters ch.Parameters, query string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		rows, err := db.conn.Query(with(ctx, ch.Settings{"session_timezone": "UTC"}, parameters), query)
		if err != nil {
			yield(none, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var row T
			if err := rows.ScanStruct(&row); err != nil {
				yield(none, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(none, err)
		}
	}
}
