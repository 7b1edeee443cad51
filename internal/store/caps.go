package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"pokt.ai/internal/account"
)

// SetSpendCap sets what an organisation may spend in a month at most; 0 is no
// cap. It takes effect when usage is looked at next.
func (db *DB) SetSpendCap(ctx context.Context, org account.OrgID, limit account.Micros) error {
	err := db.inTx(ctx, func(t *tx) error {
		r, err := t.ExecContext(ctx, `UPDATE orgs SET spend_cap_micros = $1 WHERE id = $2`, int64(limit), org.String())
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return account.ErrNotFound
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("set spend cap of %s: %w", org, err)
	}
	return nil
}

// An OrgBounds is what an organisation may use in a month.
type OrgBounds struct {
	Org         account.OrgID
	MonthlyCU   int64          // of its plan; 0: no quota
	SpendCap    account.Micros // 0: none
	CappedUntil time.Time      // as the edge knows it
}

// Bounds returns the organisations that have a quota, a spend cap or are capped,
// in the order of their ids.
func (db *DB) Bounds(ctx context.Context) ([]OrgBounds, error) {
	list, err := all(ctx, db, func(s scanner) (b OrgBounds, err error) {
		var org string
		var limit, capped int64
		if err := s.Scan(&org, &b.MonthlyCU, &limit, &capped); err != nil {
			return b, err
		}
		b.SpendCap, b.CappedUntil = account.Micros(limit), fromMicros(capped)
		b.Org, err = account.ParseOrgID(org)
		return b, err
	}, `SELECT orgs.id, plans.monthly_cu, orgs.spend_cap_micros, orgs.capped_until_us
		FROM orgs JOIN plans ON plans.id = orgs.plan_id
		WHERE plans.monthly_cu <> 0 OR orgs.spend_cap_micros <> 0 OR orgs.capped_until_us <> 0`)
	if err != nil {
		return nil, fmt.Errorf("read quotas and spend caps: %w", err)
	}
	slices.SortFunc(list, func(a, b OrgBounds) int { return cmp.Compare(a.Org, b.Org) })
	return list, nil
}

// maxAnnounced is how many keys are announced one by one; with more, all keys of
// all organisations are read again.
const maxAnnounced = 500

// SetCapped lets the edge refuse the calls of an organisation until that time; a
// zero one lifts the cap. It changes nothing, and returns false, unless the time
// set now is before: somebody else has looked at later usage.
func (db *DB) SetCapped(ctx context.Context, org account.OrgID, before, until time.Time) (changed bool, err error) {
	err = db.inTx(ctx, func(t *tx) error {
		r, err := t.ExecContext(ctx, `UPDATE orgs SET capped_until_us = $1 WHERE id = $2 AND capped_until_us = $3`,
			micros(until), org.String(), micros(before))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		changed = true
		return announceOrg(ctx, t, org)
	})
	if err != nil {
		return false, fmt.Errorf("set the cap of %s: %w", org, err)
	}
	return changed, nil
}

// announceOrg announces a change of an organisation, which is part of the grant
// of each of its keys.
func announceOrg(ctx context.Context, t *tx, org account.OrgID) error {
	hashes, err := orgHashes(ctx, t, org)
	if err != nil {
		return err
	}
	if len(hashes) > maxAnnounced {
		return t.announce(ctx, Change{Kind: AllChanged})
	}
	for _, h := range hashes {
		if err := announceKey(ctx, t, h); err != nil {
			return err
		}
	}
	return nil
}

func orgHashes(ctx context.Context, t *tx, org account.OrgID) ([][]byte, error) {
	rows, err := t.QueryContext(ctx, `SELECT hash FROM api_keys WHERE org_id = $1 ORDER BY hash LIMIT $2`, org.String(), maxAnnounced+1)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var hashes [][]byte
	for rows.Next() {
		var h []byte
		if err := rows.Scan(&h); err != nil {
			return nil, err
		}
		hashes = append(hashes, h)
	}
	return hashes, rows.Err()
}

// AlertTopic is the topic of alerts in the outbox.
const AlertTopic = "alert"

// AlertKind says what an alert is about.
type AlertKind string

// The kinds of alerts. Quota is in compute units, spend in micros.
const (
	QuotaAlert AlertKind = "quota"
	SpendAlert AlertKind = "spend"
)

// An Alert says that an organisation has used Percent of what it may in a month.
// Its JSON is the payload in the outbox.
type Alert struct {
	Org      account.OrgID `json:"-"`
	Month    time.Time     `json:"month"`
	Kind     AlertKind     `json:"kind"`
	Percent  int64         `json:"percent"`
	Used     int64         `json:"used"`  // when it was raised
	Bound    int64         `json:"bound"` // 100 %
	RaisedAt time.Time     `json:"raised_at"`
}

// RaiseAlert stores an alert and puts it into the outbox, both or neither. It
// returns false, and changes nothing, if the organisation was alerted of that
// kind and percentage in that month before.
func (db *DB) RaiseAlert(ctx context.Context, a Alert) (raised bool, err error) {
	err = db.inTx(ctx, func(t *tx) error {
		r, err := t.ExecContext(ctx, `
			INSERT INTO usage_alerts (org_id, month_us, kind, percent, used, bound, raised_us)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (org_id, month_us, kind, percent) DO NOTHING`,
			a.Org.String(), micros(a.Month), string(a.Kind), a.Percent, a.Used, a.Bound, micros(a.RaisedAt))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		raised = true
		payload, err := json.Marshal(struct {
			Org string `json:"org"`
			Alert
		}{a.Org.String(), a})
		if err != nil {
			return err
		}
		return enqueue(ctx, t, AlertTopic, a.key(), payload, a.RaisedAt)
	})
	if err != nil {
		return false, fmt.Errorf("raise alert %s: %w", a.key(), err)
	}
	return raised, nil
}

// key names the alert in the outbox.
func (a *Alert) key() string {
	return a.Org.String() + "/" + a.Month.UTC().Format("2006-01") + "/" + string(a.Kind) + "/" + strconv.FormatInt(a.Percent, 10)
}

// Alerts returns the alerts of all organisations in a month, in the order of
// organisation, kind and percentage.
func (db *DB) Alerts(ctx context.Context, month time.Time) ([]Alert, error) {
	list, err := all(ctx, db, func(s scanner) (a Alert, err error) {
		var org string
		var raised int64
		if err := s.Scan(&org, &a.Kind, &a.Percent, &a.Used, &a.Bound, &raised); err != nil {
			return a, err
		}
		a.Month, a.RaisedAt = month, fromMicros(raised)
		a.Org, err = account.ParseOrgID(org)
		return a, err
	}, `SELECT org_id, kind, percent, used, bound, raised_us FROM usage_alerts WHERE month_us = $1`, micros(month))
	if err != nil {
		return nil, fmt.Errorf("read alerts of %s: %w", month.Format("2006-01"), err)
	}
	slices.SortFunc(list, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Percent, b.Percent))
	})
	return list, nil
}
