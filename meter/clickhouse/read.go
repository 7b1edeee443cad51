package clickhouse

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"pokt.ai/internal/account"
	"pokt.ai/meter"
)

// Segments yields the segments stored of an epoch, in the order of their numbers,
// and ends with the first error. The calls of those that touch the time from from
// to until are counted, row by row. A segment whose rows were inserted and that
// is not in the manifest, because its gateway was not told yet, comes with
// counted calls alone.
func (db *DB) Segments(ctx context.Context, gateway string, epoch uint64, from, until time.Time) iter.Seq2[meter.SegmentTotal, error] {
	const touches = `first < {until:DateTime64(6)} AND last >= {from:DateTime64(6)}`
	const query = `SELECT seq, m.there AS there, m.rows AS rows, m.cu AS cu,
			if(m.there, m.first, e.first) AS first, if(m.there, m.last, e.last) AS last, ` + touches + ` AS counted,
			e.rows AS counted_rows, e.cu AS counted_cu
		FROM (
			SELECT seq, true AS there, toInt64(s.rows) AS rows, toInt64(s.cu) AS cu, s.first AS first, s.last AS last
			FROM segments AS s
			WHERE gateway = {gateway:String} AND epoch = {epoch:UInt64}
		) AS m
		FULL OUTER JOIN (
			SELECT seq, toInt64(count()) AS rows, toInt64(sum(events.cu)) AS cu, min(time) AS first, max(time) AS last
			FROM events
			WHERE gateway = {gateway:String} AND epoch = {epoch:UInt64} AND ` + mayTouch + `
			GROUP BY seq
		) AS e USING seq
		WHERE m.there OR counted
		ORDER BY seq`
	parameters := span(from, until)
	parameters["gateway"] = gateway
	parameters["epoch"] = strconv.FormatUint(epoch, 10)
	return stream(ctx, db, "segments", parameters, query, func(s *segmentRow) meter.SegmentTotal {
		t := meter.SegmentTotal{
			Gateway: gateway, Epoch: epoch, Seq: uint64(s.Seq),
			Rows: s.Rows, CU: s.CU, First: s.First, Last: s.Last, Counted: s.Counted,
		}
		if t.Counted {
			t.CountedRows, t.CountedCU = s.CountedRows, s.CountedCU
		}
		return t
	})
}

type segmentRow struct {
	Seq         uint32    `ch:"seq"`
	There       bool      `ch:"there"`
	Rows        int64     `ch:"rows"`
	CU          int64     `ch:"cu"`
	First       time.Time `ch:"first"`
	Last        time.Time `ch:"last"`
	Counted     bool      `ch:"counted"`
	CountedRows int64     `ch:"counted_rows"`
	CountedCU   int64     `ch:"counted_cu"`
}

// Totals yields the totals of the hours from from on and before until, counted
// from the rows of their calls, in the order of meter.Total's fields. It ends
// with the first error.
func (db *DB) Totals(ctx context.Context, from, until time.Time) iter.Seq2[meter.Total, error] {
	const query = `SELECT toStartOfHour(time) AS hour, org, key, chain, method, outcome, prices,
			toInt64(count()) AS calls, toInt64(sum(events.cu)) AS cu
		FROM events
		WHERE time >= {from:DateTime64(6)} AND time < {until:DateTime64(6)} AND ` + mayTouch + `
		GROUP BY hour, org, key, chain, method, outcome, prices
		ORDER BY hour, org, key, chain, method, outcome, prices`
	return stream(ctx, db, "totals", span(from, until), query, func(t *totalRow) meter.Total {
		return meter.Total{
			Hour: t.Hour, Org: account.OrgID(t.Org), Key: account.KeyID(t.Key), Chain: t.Chain, Method: t.Method,
			Outcome: t.Outcome, Prices: t.Prices, Calls: t.Calls, CU: t.CU,
		}
	})
}

type totalRow struct {
	Hour    time.Time `ch:"hour"`
	Org     uint64    `ch:"org"`
	Key     uint64    `ch:"key"`
	Chain   string    `ch:"chain"`
	Method  string    `ch:"method"`
	Outcome string    `ch:"outcome"`
	Prices  string    `ch:"prices"`
	Calls   int64     `ch:"calls"`
	CU      int64     `ch:"cu"`
}

// Hours returns the hours from from on and before until that have calls. They
// come from the rollup by hour, which makes it cheap to look back for months.
func (db *DB) Hours(ctx context.Context, from, until time.Time) ([]meter.HourTotal, error) {
	query := fmt.Sprintf(`SELECT h.start AS hour, toInt64(sum(h.calls)) AS calls,
			toInt64(sumIf(h.calls, outcome IN ('%s', '%s'))) AS charged, toInt64(sum(h.cu)) AS cu
		FROM usage_hour AS h
		WHERE h.start >= {from:DateTime64(6)} AND h.start < {until:DateTime64(6)}
		GROUP BY hour
		ORDER BY hour`, meter.Answered, meter.RPCError)
	var hours []meter.HourTotal
	for h, err := range stream(ctx, db, "hours", span(from, until), query, func(h *hourRow) meter.HourTotal { return meter.HourTotal(*h) }) {
		if err != nil {
			return nil, err
		}
		hours = append(hours, h)
	}
	return hours, nil
}

type hourRow struct {
	Hour    time.Time `ch:"hour"`
	Calls   int64     `ch:"calls"`
	Charged int64     `ch:"charged"`
	CU      int64     `ch:"cu"`
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

// Rows yields the calls of an organisation from from on and before until in the
// order of their names, and ends with the first error. That is the order they
// are stored in: however many they are, they are neither sorted nor held.
func (db *DB) Rows(ctx context.Context, org account.OrgID, from, until time.Time) iter.Seq2[Row, error] {
	const query = `SELECT gateway, epoch, seq, row, time, key, request_id, chain, method, upstream, prices, outcome,
			flags, rpc_code, cu, latency_us, request_bytes, response_bytes
		FROM events
		WHERE org = {org:UInt64} AND time >= {from:DateTime64(6)} AND time < {until:DateTime64(6)} AND ` + mayTouch + `
		ORDER BY org, gateway, epoch, seq, row`
	parameters := span(from, until)
	parameters["org"] = strconv.FormatUint(uint64(org), 10)
	return stream(ctx, db, "rows", parameters, query, func(r *Row) Row { return *r })
}

// mayTouch picks the partitions of events that may have calls of a span of time.
// The day of a row is that in which its segment began: by the manifest, or for
// what is not in it yet, the call's own or the one before.
const mayTouch = `day <= toDate({until:DateTime64(6)})
	AND day >= least(toDate({from:DateTime64(6)}) - 1, (
		SELECT ifNull(minOrNull(toDate(first)), toDate({from:DateTime64(6)})) FROM segments
		WHERE last >= {from:DateTime64(6)} AND first < {until:DateTime64(6)}))`

// span are the parameters of a span of time.
func span(from, until time.Time) ch.Parameters {
	const layout = "2006-01-02 15:04:05.000000"
	return ch.Parameters{"from": from.UTC().Format(layout), "until": until.UTC().Format(layout)}
}

// stream yields the rows of a query as they arrive, each made into a V.
func stream[R, V any](
	ctx context.Context, db *DB, what string, parameters ch.Parameters, query string, value func(*R) V,
) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		fail := func(err error) {
			var none V
			yield(none, fmt.Errorf("read %s: %w", what, err))
		}
		rows, err := db.conn.Query(with(ctx, ch.Settings{"session_timezone": "UTC"}, parameters), query)
		if err != nil {
			fail(err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var row R
			if err := rows.ScanStruct(&row); err != nil {
				fail(err)
				return
			}
			if !yield(value(&row), nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			fail(err)
		}
	}
}
