package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"pokt.ai/internal/account"
)

// CreateKey stores a new key. Its id and hash must be new, its organisation
// must exist.
func (db *DB) CreateKey(ctx context.Context, k account.Key) error {
	err := db.inTx(ctx, func(t *tx) error { return insertKey(ctx, t, k) })
	if err != nil {
		return fmt.Errorf("create key %s of %s: %w", k.ID, k.Org, err)
	}
	return nil
}

// insertKey announces the key, because a gateway may remember its hash as
// unknown.
func insertKey(ctx context.Context, t *tx, k account.Key) error {
	limits, err := json.Marshal(k.Limits)
	if err != nil {
		return err
	}
	allow, err := json.Marshal(k.Allow)
	if err != nil {
		return err
	}
	if _, err := t.ExecContext(ctx, `
		INSERT INTO api_keys (id, org_id, name, env, hash, pepper, prefix, last_four,
			limits, allow, created_us, expires_us, revoked_us, rotated_to)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		k.ID.String(), k.Org.String(), k.Name, string(k.Env), k.Hash[:], k.Pepper, k.Prefix, k.LastFour,
		string(limits), string(allow), micros(k.CreatedAt), micros(k.ExpiresAt), micros(k.RevokedAt), k.RotatedTo.String()); err != nil {
		return err
	}
	return t.announce(ctx, Change{Kind: KeyChanged, Hash: k.Hash})
}

const keyColumns = `api_keys.id, api_keys.org_id, api_keys.name, api_keys.env, api_keys.hash, api_keys.pepper,
	api_keys.prefix, api_keys.last_four, api_keys.limits, api_keys.allow,
	api_keys.created_us, api_keys.expires_us, api_keys.revoked_us, api_keys.rotated_to`

// keyRow receives keyColumns.
type keyRow struct {
	key                       account.Key
	id, org, rotatedTo        string
	hash, limits, allow       []byte
	created, expires, revoked int64
}

func (r *keyRow) dest() []any {
	return []any{
		&r.id, &r.org, &r.key.Name, &r.key.Env, &r.hash, &r.key.Pepper,
		&r.key.Prefix, &r.key.LastFour, &r.limits, &r.allow,
		&r.created, &r.expires, &r.revoked, &r.rotatedTo,
	}
}

func (r *keyRow) value() (account.Key, error) {
	k := r.key
	var errID, errOrg, errRotated error
	k.ID, errID = account.ParseKeyID(r.id)
	k.Org, errOrg = account.ParseOrgID(r.org)
	if r.rotatedTo != "" {
		k.RotatedTo, errRotated = account.ParseKeyID(r.rotatedTo)
	}
	var errHash error
	k.Hash, errHash = toHash(r.hash)
	if err := errors.Join(errID, errOrg, errRotated, errHash,
		json.Unmarshal(r.limits, &k.Limits), json.Unmarshal(r.allow, &k.Allow)); err != nil {
		return account.Key{}, fmt.Errorf("stored key %q: %w", r.id, err)
	}
	k.CreatedAt, k.ExpiresAt, k.RevokedAt = fromMicros(r.created), fromMicros(r.expires), fromMicros(r.revoked)
	return k, nil
}

func toHash(b []byte) (h account.Hash, err error) {
	if copy(h[:], b) != len(b) || len(b) != len(h) {
		return h, fmt.Errorf("hash has %d bytes, not %d", len(b), len(h))
	}
	return h, nil
}

func scanKey(s scanner) (account.Key, error) {
	var r keyRow
	if err := s.Scan(r.dest()...); err != nil {
		return account.Key{}, err
	}
	return r.value()
}

// Key returns the key with that id.
func (db *DB) Key(ctx context.Context, id account.KeyID) (account.Key, error) {
	k, err := scanKey(db.read.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE id = $1`, id.String()))
	if err != nil {
		return account.Key{}, fmt.Errorf("read key %s: %w", id, db.kind(err))
	}
	return k, nil
}

// Keys returns the keys of an organisation, oldest first.
func (db *DB) Keys(ctx context.Context, org account.OrgID) ([]account.Key, error) {
	list, err := all(ctx, db, scanKey, `SELECT `+keyColumns+` FROM api_keys WHERE org_id = $1`, org.String())
	if err != nil {
		return nil, fmt.Errorf("read keys of %s: %w", org, err)
	}
	slices.SortFunc(list, func(a, b account.Key) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// GrantByHash returns the key with that hash, its plan and its organisation's
// cap. A key that is revoked or expired is returned too: callers ask
// Key.UsableAt.
func (db *DB) GrantByHash(ctx context.Context, hash account.Hash) (account.Grant, error) {
	var (
		k      keyRow
		p      planRow
		capped int64
	)
	err := db.read.QueryRowContext(ctx, `SELECT `+keyColumns+`, `+planColumns+`, orgs.capped_until_us
		FROM api_keys
		JOIN orgs ON orgs.id = api_keys.org_id
		JOIN plans ON plans.id = orgs.plan_id
		WHERE api_keys.hash = $1`, hash[:]).Scan(append(append(k.dest(), p.dest()...), &capped)...)
	if err != nil {
		return account.Grant{}, fmt.Errorf("read key by hash: %w", db.kind(err))
	}
	var g account.Grant
	if g.Key, err = k.value(); err != nil {
		return account.Grant{}, err
	}
	if g.Plan, err = p.value(); err != nil {
		return account.Grant{}, err
	}
	g.CappedUntil = fromMicros(capped)
	return g, nil
}

// RevokeKey ends a key at that time, which may lie ahead. Of several calls the
// earliest time holds, so repeating one changes nothing.
func (db *DB) RevokeKey(ctx context.Context, id account.KeyID, at time.Time) error {
	err := db.inTx(ctx, func(t *tx) error {
		if at.IsZero() {
			return errors.New("no time is given")
		}
		var hash []byte
		if err := t.QueryRowContext(ctx, `SELECT hash FROM api_keys WHERE id = $1`, id.String()).Scan(&hash); err != nil {
			return err
		}
		r, err := t.ExecContext(ctx, `UPDATE api_keys SET revoked_us = $1
			WHERE id = $2 AND (revoked_us = 0 OR revoked_us > $1)`, micros(at), id.String())
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return announceKey(ctx, t, hash)
	})
	if err != nil {
		return fmt.Errorf("revoke key %s: %w", id, err)
	}
	return nil
}

// RotateKey stores next as the successor of old, a key of the same
// organisation. The old one ends at oldExpiresAt, or when it would have ended
// anyway if that is sooner. A key that is revoked or already rotated is refused
// with account.ErrConflict.
func (db *DB) RotateKey(ctx context.Context, old account.KeyID, next account.Key, oldExpiresAt time.Time) error {
	err := db.inTx(ctx, func(t *tx) error {
		if oldExpiresAt.IsZero() {
			return errors.New("no time is given at which the old key ends")
		}
		// The condition is in the UPDATE, so that of two rotations at once one
		// is refused.
		var hash []byte
		err := t.QueryRowContext(ctx, `
			UPDATE api_keys SET rotated_to = $1,
				expires_us = CASE WHEN expires_us <> 0 AND expires_us < $2 THEN expires_us ELSE $2 END
			WHERE id = $3 AND org_id = $4 AND revoked_us = 0 AND rotated_to = ''
			RETURNING hash`,
			next.ID.String(), micros(oldExpiresAt), old.String(), next.Org.String()).Scan(&hash)
		if errors.Is(err, sql.ErrNoRows) {
			return whyNotRotated(ctx, t, old, next.Org)
		}
		if err != nil {
			return err
		}
		if err := announceKey(ctx, t, hash); err != nil {
			return err
		}
		return insertKey(ctx, t, next)
	})
	if err != nil {
		return fmt.Errorf("rotate key %s to %s: %w", old, next.ID, err)
	}
	return nil
}

func whyNotRotated(ctx context.Context, t *tx, id account.KeyID, org account.OrgID) error {
	k, err := scanKey(t.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE id = $1 AND org_id = $2`,
		id.String(), org.String()))
	switch {
	case err != nil:
		return err
	case k.RotatedTo != 0:
		return fmt.Errorf("it is already rotated to %s: %w", k.RotatedTo, account.ErrConflict)
	default:
		return fmt.Errorf("it is revoked: %w", account.ErrConflict)
	}
}

func announceKey(ctx context.Context, t *tx, hash []byte) error {
	h, err := toHash(hash)
	if err != nil {
		return err
	}
	return t.announce(ctx, Change{Kind: KeyChanged, Hash: h})
}
