package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"pokt.ai/internal/account"
)

// UsageBy is what usage is grouped by.
type UsageBy string

// The ways to group usage.
const (
	ByMethod UsageBy = "method"
	ByKey    UsageBy = "key"
	ByChain  UsageBy = "chain"
	ByStatus UsageBy = "status" // outcome of the call
	Total    UsageBy = ""       // one group with no name
)

func (by UsageBy) column() (string, error) {
	switch by {
	case ByMethod:
		return "method", nil
	case ByKey:
		return "key_id", nil
	case ByChain:
		return "chain", nil
	case ByStatus:
		return "outcome", nil
	case Total:
		return "''", nil
	}
	return "", fmt.Errorf("usage is not kept by %q: want method, key, chain or status", string(by))
}

// A UsageQuery asks for the calls of an organisation from Since on and before
// Until. Since is rounded down and Until up to a minute, and to an hour where
// the minutes are pruned.
type UsageQuery struct {
	Org          account.OrgID // zero: calls without a known key
	Since, Until time.Time
	By           UsageBy
}

// A UsageGroup is the sums of the calls that have Name in common.
type UsageGroup struct {
	Name                        string
	Calls, CU, LatencyMicros    int64
	RequestBytes, ResponseBytes int64
}

// Usage returns the groups that have calls, those with most calls first and then
// by name.
func (db *DB) Usage(ctx context.Context, q UsageQuery) ([]UsageGroup, error) {
	groups, err := db.usage(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read usage of %s: %w", q.Org, err)
	}
	return groups, nil
}

func (db *DB) usage(ctx context.Context, q UsageQuery) (groups []UsageGroup, err error) {
	column, err := q.By.column()
	if err != nil {
		return nil, err
	}
	// One snapshot, so that no pruning comes between asking how far it went and
	// adding up.
	t, err := db.read.BeginTx(ctx, db.dialect.snapshot)
	if err != nil {
		return nil, err
	}
	defer t.Rollback() //nolint:errcheck // it has written nothing
	var pruned int64
	if err := t.QueryRowContext(ctx, `SELECT before_us FROM usage_pruned`).Scan(&pruned); err != nil {
		return nil, err
	}

	s := spansOf(micros(q.Since), micros(q.Until), pruned)
	query := strings.ReplaceAll(`
		SELECT name, CAST(SUM(calls) AS BIGINT), CAST(SUM(cu) AS BIGINT), CAST(SUM(latency_us) AS BIGINT),
			CAST(SUM(request_bytes) AS BIGINT), CAST(SUM(response_bytes) AS BIGINT)
		FROM (
			SELECT COLUMN AS name, calls, cu, latency_us, request_bytes, response_bytes
			FROM usage_minute WHERE org_id = $1 AND bucket_us >= $2 AND bucket_us < $3
			UNION ALL
			SELECT COLUMN AS name, calls, cu, latency_us, request_bytes, response_bytes
			FROM usage_hour WHERE org_id = $1 AND bucket_us >= $3 AND bucket_us < $4
			UNION ALL
			SELECT COLUMN AS name, calls, cu, latency_us, request_bytes, response_bytes
			FROM usage_minute WHERE org_id = $1 AND bucket_us >= $4 AND bucket_us < $5
		) AS u
		GROUP BY name`, "COLUMN", column)
	rows, err := t.QueryContext(ctx, query, q.Org.String(), s.since, s.hours, s.hoursEnd, s.until)
	if err != nil {
		return nil, err
	}
	if groups, err = scanGroups(rows); err != nil {
		return nil, err
	}
	// Not in SQL: how Postgres orders text depends on its locale.
	slices.SortFunc(groups, func(a, b UsageGroup) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Name, b.Name))
	})
	return groups, nil
}

func scanGroups(rows *sql.Rows) ([]UsageGroup, error) {
	defer rows.Close()
	var groups []UsageGroup
	for rows.Next() {
		var g UsageGroup
		if err := rows.Scan(&g.Name, &g.Calls, &g.CU, &g.LatencyMicros, &g.RequestBytes, &g.ResponseBytes); err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return groups, rows.Err()
}

// spans divides a range of time into whole hours, read from few rows, and the
// minutes before and after them: since <= hours <= hoursEnd <= until.
type spans struct{ since, hours, hoursEnd, until int64 }

func spansOf(since, until, pruned int64) spans {
	s := spans{since: floorTo(since, minuteMicros), until: ceilTo(until, minuteMicros)}
	s.hours, s.hoursEnd = ceilTo(s.since, hourMicros), floorTo(s.until, hourMicros)
	if s.since < pruned {
		s.since = floorTo(s.since, hourMicros)
		s.hours = s.since
	}
	if s.until < pruned {
		s.until = ceilTo(s.until, hourMicros)
		s.hoursEnd = s.until
	}
	if s.hours > s.hoursEnd { // no whole hour in it
		s.hours, s.hoursEnd = s.until, s.until
	}
	return s
}

func ceilTo(us, width int64) int64 { return floorTo(us+width-1, width) }

// UsedCU returns the compute units that an organisation used in the hours that
// begin at from or later and before until.
func (db *DB) UsedCU(ctx context.Context, org account.OrgID, from, until time.Time) (int64, error) {
	var cu int64
	err := db.read.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(cu), 0) AS BIGINT) FROM usage_hour
		WHERE org_id = $1 AND bucket_us >= $2 AND bucket_us < $3`, org.String(), micros(from), micros(until)).Scan(&cu)
	if err != nil {
		return 0, fmt.Errorf("read compute units of %s: %w", org, err)
	}
	return cu, nil
}

// LastEvent returns when the latest event happened that is in the usage, or the
// zero time if there is none.
func (db *DB) LastEvent(ctx context.Context) (time.Time, error) {
	var us int64
	if err := db.read.QueryRowContext(ctx, `SELECT COALESCE(MAX(last_us), 0) FROM segments`).Scan(&us); err != nil {
		return time.Time{}, fmt.Errorf("read last event: %w", err)
	}
	return fromMicros(us), nil
}

// PruneMinutes deletes the minutes of the hours that are over before that time,
// and returns how many rows they had. Their hours stay.
func (db *DB) PruneMinutes(ctx context.Context, before time.Time) (int64, error) {
	n, err := db.pruneMinutes(ctx, floorTo(micros(before), hourMicros))
	if err != nil {
		return n, fmt.Errorf("prune minutes before %s: %w", before.UTC().Format(time.RFC3339), err)
	}
	return n, nil
}

func (db *DB) pruneMinutes(ctx context.Context, before int64) (total int64, err error) {
	// First, so that no question relies on minutes that are being deleted.
	err = db.inTx(ctx, func(t *tx) error {
		_, err := t.ExecContext(ctx, `UPDATE usage_pruned SET before_us = $1 WHERE before_us < $1`, before)
		return err
	})
	// An hour at a time, so that no other write waits long.
	for done := false; err == nil && !done; {
		var n int64
		err = db.inTx(ctx, func(t *tx) (err error) {
			n, done, err = pruneOldestHour(ctx, t, before)
			return err
		})
		total += n
	}
	return total, err
}

func pruneOldestHour(ctx context.Context, t *tx, before int64) (n int64, done bool, err error) {
	var oldest sql.NullInt64
	if err := t.QueryRowContext(ctx, `SELECT MIN(bucket_us) FROM usage_minute`).Scan(&oldest); err != nil {
		return 0, false, err
	}
	if !oldest.Valid || oldest.Int64 >= before {
		return 0, true, nil
	}
	r, err := t.ExecContext(ctx, `DELETE FROM usage_minute WHERE bucket_us < $1`, floorTo(oldest.Int64, hourMicros)+hourMicros)
	if err != nil {
		return 0, false, err
	}
	n, err = r.RowsAffected()
	return n, false, err
}
