package store

import (
	"context"
	"fmt"
	"iter"
	"time"

	"pokt.ai/internal/account"
)

// A UsageTotal is the calls of one hour that have in common all that their price
// may depend on.
type UsageTotal struct {
	Hour                           time.Time
	Org                            account.OrgID // zero: of calls without a known key
	Key                            account.KeyID
	Chain, Method, Outcome, Prices string
	Calls, CU                      int64
}

// UsageTotals yields the totals of the hours from from on and before until, in no
// order. It ends with the first error.
func (db *DB) UsageTotals(ctx context.Context, from, until time.Time) iter.Seq2[UsageTotal, error] {
	return each(ctx, db, scanUsageTotal, `
		SELECT org_id, bucket_us, key_id, chain, method, outcome, prices, calls, cu FROM usage_hour
		WHERE bucket_us >= $1 AND bucket_us < $2`, micros(from), micros(until))
}

func scanUsageTotal(s scanner) (u UsageTotal, err error) {
	var org, key string
	var hour int64
	if err := s.Scan(&org, &hour, &key, &u.Chain, &u.Method, &u.Outcome, &u.Prices, &u.Calls, &u.CU); err != nil {
		return u, err
	}
	u.Hour = fromMicros(hour)
	if u.Org, err = orgID(org); err != nil {
		return u, err
	}
	u.Key, err = keyID(key)
	return u, err
}

// A UsageHour is all calls of one hour.
type UsageHour struct {
	Hour    time.Time
	Calls   int64
	Charged int64 // calls that are charged
	CU      int64
}

// UsageHours returns the hours from from on and before until that have calls,
// oldest first.
func (db *DB) UsageHours(ctx context.Context, from, until time.Time) ([]UsageHour, error) {
	list, err := all(ctx, db, func(s scanner) (h UsageHour, err error) {
		var hour int64
		err = s.Scan(&hour, &h.Calls, &h.Charged, &h.CU)
		h.Hour = fromMicros(hour)
		return h, err
	}, `SELECT hour_us, calls, charged, cu FROM usage_total WHERE hour_us >= $1 AND hour_us < $2 ORDER BY hour_us`,
		micros(from), micros(until))
	if err != nil {
		return nil, fmt.Errorf("read hours with usage: %w", err)
	}
	return list, nil
}

// EpochSegments yields the segments that are stored of an epoch, in the order of
// their numbers. It ends with the first error.
func (db *DB) EpochSegments(ctx context.Context, gateway string, epoch uint64) iter.Seq2[SegmentInfo, error] {
	return each(ctx, db, func(s scanner) (info SegmentInfo, err error) {
		var first, last int64
		err = s.Scan(&info.Name, &info.Gateway, &info.Epoch, &info.Seq, &info.Rows, &info.CU, &first, &last)
		info.FirstEvent, info.LastEvent = fromMicros(first), fromMicros(last)
		return info, err
	}, `SELECT name, gateway_id, epoch, seq, row_count, cu, first_us, last_us FROM segments
		WHERE gateway_id = $1 AND epoch = $2 ORDER BY seq`, gateway, int64(epoch))
}
