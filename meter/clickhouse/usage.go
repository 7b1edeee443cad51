package clickhouse

import (
	"context"
	"fmt"
	"strconv"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"pokt.ai/internal/account"
)

// A Group is the sums of the calls of an organisation that have Name in common.
type Group struct {
	Name          string `ch:"name"`
	Calls         int64  `ch:"calls"`
	CU            int64  `ch:"cu"`
	LatencyMicros int64  `ch:"latency_us"`
	RequestBytes  int64  `ch:"request_bytes"`
	ResponseBytes int64  `ch:"response_bytes"`
}

// groupings are what usage can be grouped by, as an expression of the name. That
// of a key is its number.
var groupings = map[string]string{
	"method": "method",
	"chain":  "chain",
	"status": "outcome",
	"key":    "toString(key)",
}

// Usage returns the calls of an organisation from since on and before until,
// rounded outwards to minutes, grouped by "method", "chain", "status" or "key",
// those with most calls first.
func (db *DB) Usage(ctx context.Context, org account.OrgID, since, until time.Time, by string) ([]Group, error) {
	name, ok := groupings[by]
	if !ok {
		return nil, fmt.Errorf("usage cannot be grouped by %q", by)
	}
	query := fmt.Sprintf(`SELECT %s AS name, toInt64(sum(u.calls)) AS calls, toInt64(sum(u.cu)) AS cu, toInt64(sum(u.latency_us)) AS latency_us,
			toInt64(sum(u.request_bytes)) AS request_bytes, toInt64(sum(u.response_bytes)) AS response_bytes
		FROM usage_minute AS u
		WHERE org = {org:UInt64} AND start >= {from:DateTime64(6)} AND start < {until:DateTime64(6)}
		GROUP BY name ORDER BY calls DESC, name`, name)
	var groups []Group
	parameters := usageSpan(org, since.Truncate(time.Minute), until.Add(time.Minute-1).Truncate(time.Minute))
	for g, err := range stream(ctx, db, "usage", parameters, query, func(g *Group) Group { return *g }) {
		if err != nil {
			return nil, err
		}
		if by == "key" {
			n, err := strconv.ParseUint(g.Name, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("read a key's number: %w", err)
			}
			g.Name = account.KeyID(n).String()
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// LastEvent returns when the latest call ended that is stored, or the zero time.
func (db *DB) LastEvent(ctx context.Context) (time.Time, error) {
	const query = `SELECT max(last) AS last FROM segments HAVING count() > 0`
	type newest struct {
		Last time.Time `ch:"last"`
	}
	for last, err := range stream(ctx, db, "the newest event", ch.Parameters{}, query, func(n *newest) time.Time { return n.Last.UTC() }) {
		return last, err
	}
	return time.Time{}, nil
}

func usageSpan(org account.OrgID, from, until time.Time) ch.Parameters {
	p := span(from, until)
	p["org"] = strconv.FormatUint(uint64(org), 10)
	return p
}
