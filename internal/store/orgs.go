package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"pokt.ai/internal/account"
)

// PutPlan creates a plan or changes the one with its id, which keeps its
// creation time. The limits of all keys of the plan change with it. Its Pricing
// is what organisations get that come to the plan from now on: those that are
// there keep theirs (SetPricing).
func (db *DB) PutPlan(ctx context.Context, p account.Plan) error {
	err := db.inTx(ctx, func(t *tx) error {
		if err := pricingExists(ctx, t, p.Pricing); err != nil {
			return err
		}
		limits, err := json.Marshal(p.Limits)
		if err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, `
			INSERT INTO plans (id, name, limits, monthly_cu, pricing_id, created_us) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (id) DO UPDATE SET
				name = excluded.name, limits = excluded.limits, monthly_cu = excluded.monthly_cu,
				pricing_id = excluded.pricing_id`,
			p.ID, p.Name, string(limits), p.MonthlyCU, p.Pricing, micros(p.CreatedAt)); err != nil {
			return err
		}
		return t.announce(ctx, Change{Kind: AllChanged})
	})
	if err != nil {
		return fmt.Errorf("put plan %q: %w", p.ID, err)
	}
	return nil
}

const planColumns = `plans.id, plans.name, plans.limits, plans.monthly_cu, plans.pricing_id, plans.created_us`

// planRow receives planColumns.
type planRow struct {
	plan    account.Plan
	limits  []byte
	created int64
}

func (r *planRow) dest() []any {
	return []any{&r.plan.ID, &r.plan.Name, &r.limits, &r.plan.MonthlyCU, &r.plan.Pricing, &r.created}
}

func (r *planRow) value() (account.Plan, error) {
	if err := json.Unmarshal(r.limits, &r.plan.Limits); err != nil {
		return account.Plan{}, fmt.Errorf("limits of plan %q: %w", r.plan.ID, err)
	}
	r.plan.CreatedAt = fromMicros(r.created)
	return r.plan, nil
}

func scanPlan(s scanner) (account.Plan, error) {
	var r planRow
	if err := s.Scan(r.dest()...); err != nil {
		return account.Plan{}, err
	}
	return r.value()
}

// Plan returns the plan with that id.
func (db *DB) Plan(ctx context.Context, id string) (account.Plan, error) {
	p, err := scanPlan(db.read.QueryRowContext(ctx, `SELECT `+planColumns+` FROM plans WHERE id = $1`, id))
	if err != nil {
		return account.Plan{}, fmt.Errorf("read plan %q: %w", id, db.kind(err))
	}
	return p, nil
}

// Plans returns all plans in the order of their ids.
func (db *DB) Plans(ctx context.Context) ([]account.Plan, error) {
	list, err := all(ctx, db, scanPlan, `SELECT `+planColumns+` FROM plans`)
	if err != nil {
		return nil, fmt.Errorf("read plans: %w", err)
	}
	slices.SortFunc(list, func(a, b account.Plan) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// CreateOrg stores a new organisation. Its id and name must be new, its plan
// must exist. It pays the prices of its plan from the hour on in which it was
// created.
func (db *DB) CreateOrg(ctx context.Context, o account.Org) error {
	err := db.inTx(ctx, func(t *tx) error {
		if _, err := t.ExecContext(ctx, `
			INSERT INTO orgs (id, name, plan_id, spend_cap_micros, capped_until_us, created_us) VALUES ($1, $2, $3, $4, 0, $5)`,
			o.ID.String(), o.Name, o.Plan, int64(o.SpendCap), micros(o.CreatedAt)); err != nil {
			return err
		}
		return firstPricing(ctx, t, o)
	})
	if err != nil {
		return fmt.Errorf("create organisation %q with plan %q: %w", o.Name, o.Plan, err)
	}
	return nil
}

const orgColumns = `id, name, plan_id, spend_cap_micros, created_us`

func scanOrg(s scanner) (account.Org, error) {
	var (
		o       account.Org
		id      string
		created int64
	)
	if err := s.Scan(&id, &o.Name, &o.Plan, &o.SpendCap, &created); err != nil {
		return account.Org{}, err
	}
	var err error
	if o.ID, err = account.ParseOrgID(id); err != nil {
		return account.Org{}, err
	}
	o.CreatedAt = fromMicros(created)
	return o, nil
}

// Org returns the organisation with that id.
func (db *DB) Org(ctx context.Context, id account.OrgID) (account.Org, error) {
	o, err := scanOrg(db.read.QueryRowContext(ctx, `SELECT `+orgColumns+` FROM orgs WHERE id = $1`, id.String()))
	if err != nil {
		return account.Org{}, fmt.Errorf("read organisation %s: %w", id, db.kind(err))
	}
	return o, nil
}

// OrgByName returns the organisation with exactly that name.
func (db *DB) OrgByName(ctx context.Context, name string) (account.Org, error) {
	o, err := scanOrg(db.read.QueryRowContext(ctx, `SELECT `+orgColumns+` FROM orgs WHERE name = $1`, name))
	if err != nil {
		return account.Org{}, fmt.Errorf("read organisation %q: %w", name, db.kind(err))
	}
	return o, nil
}

// Orgs returns all organisations in the order of their names.
func (db *DB) Orgs(ctx context.Context) ([]account.Org, error) {
	list, err := all(ctx, db, scanOrg, `SELECT `+orgColumns+` FROM orgs`)
	if err != nil {
		return nil, fmt.Errorf("read organisations: %w", err)
	}
	// Not in SQL: how Postgres orders text depends on its locale.
	slices.SortFunc(list, func(a, b account.Org) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}
