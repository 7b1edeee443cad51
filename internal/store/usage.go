package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pokt.ai/internal/account"
)

// SegmentInfo says what one sealed segment holds. Its name is its identity: a
// segment is counted once.
type SegmentInfo struct {
	Name                  string
	Gateway               string
	Epoch, Seq            uint64
	Rows, CU              int64
	FirstEvent, LastEvent time.Time
	SHA256                [sha256.Size]byte // of the segment's file
	StoredAt              time.Time
}

// A UsageRow is the calls of one minute that have everything else in common.
type UsageRow struct {
	Minute                      int64  // microseconds UTC
	Org, Key                    string // ids; empty if the key was not known
	Chain, Method, Outcome      string
	Prices                      string // version of the price table that CU comes from
	Charged                     bool   // whether calls of this outcome are charged
	Calls, CU, LatencyMicros    int64
	RequestBytes, ResponseBytes int64
}

const (
	minuteMicros = int64(time.Minute / time.Microsecond)
	hourMicros   = int64(time.Hour / time.Microsecond)
)

// AddUsage adds a segment's rows to the usage and remembers the segment, both or
// neither. It returns false, and changes nothing, if the segment was added
// before; account.ErrConflict if another segment of that name was. When it
// returns true the usage is on disk.
func (db *DB) AddUsage(ctx context.Context, seg SegmentInfo, rows []UsageRow) (added bool, err error) {
	minutes := rollUp(rows, minuteMicros)
	hours := rollUp(minutes, hourMicros)
	err = db.inTx(ctx, func(t *tx) error {
		// Another transaction that has this name uncommitted is waited for.
		r, err := t.ExecContext(ctx, `
			INSERT INTO segments (name, gateway_id, epoch, seq, row_count, cu, first_us, last_us, sha256, stored_us)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (name) DO NOTHING`,
			seg.Name, seg.Gateway, int64(seg.Epoch), int64(seg.Seq), seg.Rows, seg.CU, micros(seg.FirstEvent), micros(seg.LastEvent), seg.SHA256[:], micros(seg.StoredAt))
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			return sameSegment(ctx, t, seg)
		}
		added = true
		if err := upsertUsage(ctx, t, "usage_minute", minutes); err != nil {
			return err
		}
		if err := upsertUsage(ctx, t, "usage_hour", hours); err != nil {
			return err
		}
		return upsertTotals(ctx, t, hours)
	})
	if err != nil {
		return false, fmt.Errorf("add usage of segment %q: %w", seg.Name, err)
	}
	return added, nil
}

// sameSegment guards against two gateways that were given one id: dropping the
// second one's segment as already added would lose its usage silently.
func sameSegment(ctx context.Context, t *tx, seg SegmentInfo) error {
	var stored []byte
	if err := t.QueryRowContext(ctx, `SELECT sha256 FROM segments WHERE name = $1`, seg.Name).Scan(&stored); err != nil {
		return err
	}
	if !bytes.Equal(stored, seg.SHA256[:]) {
		return fmt.Errorf("another segment of this name has been added: %w", account.ErrConflict)
	}
	return nil
}

// rollUp returns rows summed by buckets of that width, in the order of the
// tables' primary key. One statement may touch a bucket only once in Postgres,
// and transactions that lock buckets in one order don't deadlock.
func rollUp(rows []UsageRow, width int64) []UsageRow {
	sums := slices.Clone(rows)
	for i := range sums {
		sums[i].Minute = floorTo(sums[i].Minute, width)
	}
	slices.SortFunc(sums, compareBuckets)
	n := 0
	for _, r := range sums {
		if n == 0 || compareBuckets(sums[n-1], r) != 0 {
			sums[n] = r
			n++
			continue
		}
		sum := &sums[n-1]
		sum.Calls += r.Calls
		sum.CU += r.CU
		sum.LatencyMicros += r.LatencyMicros
		sum.RequestBytes += r.RequestBytes
		sum.ResponseBytes += r.ResponseBytes
	}
	return sums[:n]
}

func compareBuckets(a, b UsageRow) int {
	return cmp.Or(
		strings.Compare(a.Org, b.Org),
		cmp.Compare(a.Minute, b.Minute),
		strings.Compare(a.Key, b.Key),
		strings.Compare(a.Chain, b.Chain),
		strings.Compare(a.Method, b.Method),
		strings.Compare(a.Outcome, b.Outcome),
		strings.Compare(a.Prices, b.Prices),
	)
}

func floorTo(us, width int64) int64 {
	m := us % width
	if m < 0 {
		m += width
	}
	return us - m
}

func upsertUsage(ctx context.Context, t *tx, table string, rows []UsageRow) error {
	before := `INSERT INTO ` + table + ` (org_id, bucket_us, key_id, chain, method, outcome, prices,
		calls, cu, latency_us, request_bytes, response_bytes) VALUES `
	after := strings.ReplaceAll(` ON CONFLICT (org_id, bucket_us, key_id, chain, method, outcome, prices) DO UPDATE SET
		calls = T.calls + excluded.calls, cu = T.cu + excluded.cu, latency_us = T.latency_us + excluded.latency_us,
		request_bytes = T.request_bytes + excluded.request_bytes, response_bytes = T.response_bytes + excluded.response_bytes`,
		"T.", table+".")
	return writeRows(ctx, t, before, after, rows, func(r *UsageRow) []any {
		return []any{
			r.Org, r.Minute, r.Key, r.Chain, r.Method, r.Outcome, r.Prices,
			r.Calls, r.CU, r.LatencyMicros, r.RequestBytes, r.ResponseBytes,
		}
	})
}

// upsertTotals adds rows, sorted or not, to the totals of their hours. It comes
// last in a transaction, because all gateways add to the same few rows.
func upsertTotals(ctx context.Context, t *tx, rows []UsageRow) error {
	totals := make(map[int64]*[3]int64)
	for _, r := range rows {
		sum := totals[r.Minute]
		if sum == nil {
			sum = new([3]int64)
			totals[r.Minute] = sum
		}
		sum[0] += r.Calls
		if r.Charged {
			sum[1] += r.Calls
		}
		sum[2] += r.CU
	}
	for _, hour := range slices.Sorted(maps.Keys(totals)) {
		sum := totals[hour]
		if _, err := t.ExecContext(ctx, `
			INSERT INTO usage_total (hour_us, calls, charged, cu) VALUES ($1, $2, $3, $4)
			ON CONFLICT (hour_us) DO UPDATE SET calls = usage_total.calls + excluded.calls,
				charged = usage_total.charged + excluded.charged, cu = usage_total.cu + excluded.cu`,
			hour, sum[0], sum[1], sum[2]); err != nil {
			return err
		}
	}
	return nil
}
