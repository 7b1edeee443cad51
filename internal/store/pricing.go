package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"pokt.ai/internal/account"
)

// CreatePricing stores p. It changes nothing if p is there already, and returns
// account.ErrConflict if another one with its id is: a pricing is never changed.
func (db *DB) CreatePricing(ctx context.Context, p account.Pricing) error {
	err := db.inTx(ctx, func(t *tx) error {
		body, err := json.Marshal(p)
		if err != nil {
			return err
		}
		r, err := t.ExecContext(ctx, `INSERT INTO pricings (id, body, created_us) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`,
			p.ID, string(body), micros(p.CreatedAt))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n > 0 {
			return err
		}
		var stored []byte
		if err := t.QueryRowContext(ctx, `SELECT body FROM pricings WHERE id = $1`, p.ID).Scan(&stored); err != nil {
			return err
		}
		if !bytes.Equal(stored, body) {
			return fmt.Errorf("it is there with other prices, and is never changed: %w", account.ErrConflict)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("create pricing %q: %w", p.ID, err)
	}
	return nil
}

// Pricings returns all pricings in the order of their ids.
func (db *DB) Pricings(ctx context.Context) ([]account.Pricing, error) {
	list, err := all(ctx, db, scanPricing, `SELECT id, body, created_us FROM pricings`)
	if err != nil {
		return nil, fmt.Errorf("read pricings: %w", err)
	}
	slices.SortFunc(list, func(a, b account.Pricing) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

func scanPricing(s scanner) (account.Pricing, error) {
	var (
		p       account.Pricing
		id      string
		body    []byte
		created int64
	)
	if err := s.Scan(&id, &body, &created); err != nil {
		return p, err
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return p, fmt.Errorf("stored pricing %q: %w", id, err)
	}
	p.CreatedAt = fromMicros(created)
	return p, nil
}

// An OrgPricing is what an organisation pays from an hour on, until the hour of
// its next one.
type OrgPricing struct {
	Org     account.OrgID
	From    time.Time
	Pricing string // id; empty: nothing
}

// SetPricing lets an organisation pay other prices from the beginning of an hour
// on, in place of all that was to come after it. An empty pricing costs nothing.
// An hour that is closed is refused with account.ErrConflict.
func (db *DB) SetPricing(ctx context.Context, p OrgPricing) error {
	err := db.inTx(ctx, func(t *tx) error {
		if p.From.IsZero() || !p.From.Equal(account.HourOf(p.From)) {
			return errors.New("prices change at the beginning of an hour (UTC)")
		}
		if err := pricingExists(ctx, t, p.Pricing); err != nil {
			return err
		}
		closedUntil, err := pricesChange(ctx, t)
		if err != nil {
			return err
		}
		if p.From.Before(closedUntil) {
			return fmt.Errorf("hours before %s are closed: %w", closedUntil.Format(time.RFC3339), account.ErrConflict)
		}
		if _, err := t.ExecContext(ctx, `DELETE FROM org_pricings WHERE org_id = $1 AND from_us >= $2`,
			p.Org.String(), micros(p.From)); err != nil {
			return err
		}
		return insertOrgPricing(ctx, t, p)
	})
	if err != nil {
		return fmt.Errorf("set pricing %q of %s from %s: %w", p.Pricing, p.Org, p.From.UTC().Format(time.RFC3339), err)
	}
	return nil
}

// firstPricing gives a new organisation the prices of its plan, from an hour on
// that is not closed.
func firstPricing(ctx context.Context, t *tx, o account.Org) error {
	p := OrgPricing{Org: o.ID, From: account.HourOf(o.CreatedAt)}
	if err := t.QueryRowContext(ctx, `SELECT pricing_id FROM plans WHERE id = $1`, o.Plan).Scan(&p.Pricing); err != nil {
		return err
	}
	closedUntil, err := pricesChange(ctx, t)
	if err != nil {
		return err
	}
	if p.From.Before(closedUntil) {
		p.From = closedUntil
	}
	return insertOrgPricing(ctx, t, p)
}

// pricesChange is called before prices are changed in a transaction. Whoever is
// closing an hour now has read the prices before: this makes it begin again, or
// makes us wait until it is done. Hours before closedUntil are closed.
func pricesChange(ctx context.Context, t *tx) (closedUntil time.Time, err error) {
	var us int64
	err = t.QueryRowContext(ctx, `UPDATE ledger_head SET prices_seq = prices_seq + 1 RETURNING closed_until_us`).Scan(&us)
	return fromMicros(us), err
}

func insertOrgPricing(ctx context.Context, t *tx, p OrgPricing) error {
	_, err := t.ExecContext(ctx, `INSERT INTO org_pricings (org_id, from_us, pricing_id) VALUES ($1, $2, $3)`,
		p.Org.String(), micros(p.From), p.Pricing)
	return err
}

// pricingExists is no foreign key because "" stands for no pricing.
func pricingExists(ctx context.Context, t *tx, id string) error {
	if id == "" {
		return nil
	}
	var one int64
	if err := t.QueryRowContext(ctx, `SELECT 1 FROM pricings WHERE id = $1`, id).Scan(&one); err != nil {
		return fmt.Errorf("pricing %q: %w", id, err)
	}
	return nil
}

// OrgPricings returns what all organisations pay and when that begins, in the
// order of the organisations' ids and of time.
func (db *DB) OrgPricings(ctx context.Context) ([]OrgPricing, error) {
	list, err := all(ctx, db, scanOrgPricing, `SELECT org_id, from_us, pricing_id FROM org_pricings`)
	if err != nil {
		return nil, fmt.Errorf("read pricings of organisations: %w", err)
	}
	slices.SortFunc(list, func(a, b OrgPricing) int {
		return cmp.Or(cmp.Compare(a.Org, b.Org), a.From.Compare(b.From))
	})
	return list, nil
}

func scanOrgPricing(s scanner) (p OrgPricing, err error) {
	var org string
	var from int64
	if err := s.Scan(&org, &from, &p.Pricing); err != nil {
		return p, err
	}
	p.From = fromMicros(from)
	p.Org, err = account.ParseOrgID(org)
	return p, err
}
