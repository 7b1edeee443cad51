package clickhouse

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// Totals are sums over calls.
type Totals struct {
	Calls         uint64
	CU            uint64
	RequestBytes  uint64
	ResponseBytes uint64
	LatencyMicros uint64
}

// A Difference is a bucket of a rollup that does not show what its calls come to.
type Difference struct {
	Rollup  string // the table, such as "usage_hour"
	Start   time.Time
	Org     uint64
	Key     uint64
	Chain   string
	Method  string
	Outcome string
	Prices  string
	Events  Totals // counted from the rows of the calls
	Stored  Totals // summed from the rollup
}

// rollups are the tables and what the start of a bucket is in terms of events.
var rollups = []struct{ table, start string }{
	{"usage_minute", "toStartOfMinute(time)"},
	{"usage_hour", "toStartOfHour(time)"},
	{"usage_day", "toStartOfDay(time)"},
}

// RollupDifferences compares the rollups with the calls of whole UTC days, from
// the day of from to before the day of until, and ends with the first error. It
// yields nothing if all is well. A segment that is being stored shows as a
// difference.
func (db *DB) RollupDifferences(ctx context.Context, from, until time.Time) iter.Seq2[Difference, error] {
	return func(yield func(Difference, error) bool) {
		for _, rollup := range rollups {
			query := fmt.Sprintf(compareQuery, rollup.start, rollup.table)
			difference := func(c *comparison) Difference { return c.difference(rollup.table) }
			for d, err := range stream(ctx, db, rollup.table, span(day(from), day(until)), query, difference) {
				if !yield(d, err) || err != nil {
					return
				}
			}
		}
	}
}

const compareQuery = `SELECT start, org, key, chain, method, outcome, prices,
		sumIf(calls, counted) AS e_calls, sumIf(calls, NOT counted) AS s_calls,
		sumIf(cu, counted) AS e_cu, sumIf(cu, NOT counted) AS s_cu,
		sumIf(request, counted) AS e_request, sumIf(request, NOT counted) AS s_request,
		sumIf(response, counted) AS e_response, sumIf(response, NOT counted) AS s_response,
		sumIf(latency, counted) AS e_latency, sumIf(latency, NOT counted) AS s_latency
	FROM (
		SELECT true AS counted, %s AS start, org, key, chain, method, outcome, prices, count() AS calls, sum(events.cu) AS cu,
			sum(request_bytes) AS request, sum(response_bytes) AS response, sum(latency_us) AS latency
		FROM events WHERE time >= {from:DateTime64(6)} AND time < {until:DateTime64(6)} AND ` + mayTouch + ` GROUP BY ALL
		UNION ALL
		SELECT false AS counted, r.start AS start, org, key, chain, method, outcome, prices, sum(r.calls) AS calls, sum(r.cu) AS cu,
			sum(request_bytes) AS request, sum(response_bytes) AS response, sum(latency_us) AS latency
		FROM %s AS r WHERE r.start >= {from:DateTime64(6)} AND r.start < {until:DateTime64(6)} GROUP BY ALL
	)
	GROUP BY start, org, key, chain, method, outcome, prices
	HAVING (e_calls, e_cu, e_request, e_response, e_latency) != (s_calls, s_cu, s_request, s_response, s_latency)
	ORDER BY start, org, key, chain, method, outcome, prices`

// A comparison is a row of compareQuery.
type comparison struct {
	Start     time.Time `ch:"start"`
	Org       uint64    `ch:"org"`
	Key       uint64    `ch:"key"`
	Chain     string    `ch:"chain"`
	Method    string    `ch:"method"`
	Outcome   string    `ch:"outcome"`
	Prices    string    `ch:"prices"`
	ECalls    uint64    `ch:"e_calls"`
	SCalls    uint64    `ch:"s_calls"`
	ECU       uint64    `ch:"e_cu"`
	SCU       uint64    `ch:"s_cu"`
	ERequest  uint64    `ch:"e_request"`
	SRequest  uint64    `ch:"s_request"`
	EResponse uint64    `ch:"e_response"`
	SResponse uint64    `ch:"s_response"`
	ELatency  uint64    `ch:"e_latency"`
	SLatency  uint64    `ch:"s_latency"`
}

func (c *comparison) difference(table string) Difference {
	return Difference{
		Rollup: table, Start: c.Start, Org: c.Org, Key: c.Key, Chain: c.Chain, Method: c.Method, Outcome: c.Outcome, Prices: c.Prices,
		Events: Totals{Calls: c.ECalls, CU: c.ECU, RequestBytes: c.ERequest, ResponseBytes: c.EResponse, LatencyMicros: c.ELatency},
		Stored: Totals{Calls: c.SCalls, CU: c.SCU, RequestBytes: c.SRequest, ResponseBytes: c.SResponse, LatencyMicros: c.SLatency},
	}
}
