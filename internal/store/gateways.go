package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pokt.ai/internal/account"
)

// ClaimGateway gives g.ID to the spool g.Spool and begins g.Epoch, with the
// counts of epochs[0]. The other epochs are what the spool had left of older
// ones; every older epoch ends.
//
// An id belongs to the spool that claimed it first, until it is retired. Another
// spool is refused with account.ErrConflict, at whatever time; the same one, after
// a crash, goes on at once.
func (db *DB) ClaimGateway(ctx context.Context, g account.Gateway, epochs []account.Epoch) error {
	err := db.inTx(ctx, func(t *tx) error {
		// One statement, so that of two claims at once one is refused.
		r, err := t.ExecContext(ctx, `
			INSERT INTO gateways (id, spool, host, epoch, claimed_us, beat_us, watermark_us, retired_us)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0)
			ON CONFLICT (id) DO UPDATE SET spool = excluded.spool, host = excluded.host, epoch = excluded.epoch,
				claimed_us = excluded.claimed_us, beat_us = excluded.beat_us, watermark_us = excluded.watermark_us, retired_us = 0
			WHERE gateways.spool = excluded.spool OR gateways.retired_us <> 0`,
			g.ID, g.Spool, g.Host, int64(g.Epoch), micros(g.ClaimedAt), micros(g.BeatAt), micros(g.Watermark))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return whyNotClaimed(ctx, t, g)
		}
		if _, err := t.ExecContext(ctx, `UPDATE gateway_epochs SET ended = $1 WHERE gateway_id = $2 AND ended = ''`,
			string(account.Killed), g.ID); err != nil {
			return err
		}
		return writeEpochs(ctx, t, epochs)
	})
	if err != nil {
		return fmt.Errorf("claim gateway id %q: %w", g.ID, err)
	}
	return nil
}

func whyNotClaimed(ctx context.Context, t *tx, g account.Gateway) error {
	holder, err := scanGateway(t.QueryRowContext(ctx, `SELECT `+gatewayColumns+` FROM gateways WHERE id = $1`, g.ID))
	if err != nil {
		return err
	}
	return fmt.Errorf("it belongs to another spool folder, on host %q and last heard of at %s: "+
		"give this gateway an id of its own, or retire that one if it and its folder are gone: %w",
		holder.Host, holder.BeatAt.Format(time.RFC3339), account.ErrConflict)
}

// BeatGateway keeps what g reports of itself and of its epochs. It returns
// account.ErrConflict if another spool or a later start holds the id. A gateway
// that was retired and reports again is not retired any more, unless it says so
// itself in g.RetiredAt.
func (db *DB) BeatGateway(ctx context.Context, g account.Gateway, epochs []account.Epoch) error {
	err := db.inTx(ctx, func(t *tx) error {
		r, err := t.ExecContext(ctx, `
			UPDATE gateways SET beat_us = $1, watermark_us = $2, retired_us = $3
			WHERE id = $4 AND spool = $5 AND epoch = $6`,
			micros(g.BeatAt), micros(g.Watermark), micros(g.RetiredAt), g.ID, g.Spool, int64(g.Epoch))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return fmt.Errorf("another process has taken it: %w", account.ErrConflict)
		}
		return writeEpochs(ctx, t, epochs)
	})
	if err != nil {
		return fmt.Errorf("report of gateway id %q: %w", g.ID, err)
	}
	return nil
}

const epochColumns = `gateway_id, epoch, spool, ended, started_us, beat_us, accepted, accepted_cu, dropped,
	sealed, sealed_cu, sealed_seq, acked_seq, final_seq`

// writeEpochs keeps the counts of the first epoch, and of the older ones what is
// left of them. The counts that an older one reported while it ran stay.
func writeEpochs(ctx context.Context, t *tx, epochs []account.Epoch) error {
	for i, e := range epochs {
		counts := `accepted = excluded.accepted, accepted_cu = excluded.accepted_cu, dropped = excluded.dropped,
			sealed = excluded.sealed, sealed_cu = excluded.sealed_cu, sealed_seq = excluded.sealed_seq,
			beat_us = excluded.beat_us, ended = excluded.ended, final_seq = excluded.final_seq,`
		if i > 0 {
			// What a later start finds in the folder may be less than was there.
			counts = `final_seq = CASE WHEN gateway_epochs.final_seq > excluded.final_seq
				THEN gateway_epochs.final_seq ELSE excluded.final_seq END,`
		}
		if _, err := t.ExecContext(ctx, `
			INSERT INTO gateway_epochs (`+epochColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
			ON CONFLICT (gateway_id, epoch) DO UPDATE SET `+counts+` acked_seq = excluded.acked_seq`,
			e.Gateway, int64(e.Number), e.Spool, string(e.Ended), micros(e.StartedAt), micros(e.BeatAt), e.Accepted, e.AcceptedCU, e.Dropped,
			e.Sealed, e.SealedCU, int64(e.SealedSeq), int64(e.AckedSeq), int64(e.FinalSeq)); err != nil {
			return err
		}
	}
	return nil
}

// aliveFor is how long a gateway that reports every few seconds may be silent
// and still be taken for running.
const aliveFor = time.Minute

// RetireGateway gives up a gateway that will not come back: hours are closed
// without it, and another spool may take its id. What it had recorded and not
// shipped is lost, unless its spool is started again after all: then its calls
// are charged late. A gateway that was heard of within the last minute is refused
// with account.ErrConflict.
func (db *DB) RetireGateway(ctx context.Context, id string, now time.Time) error {
	err := db.inTx(ctx, func(t *tx) error {
		g, err := scanGateway(t.QueryRowContext(ctx, `SELECT `+gatewayColumns+` FROM gateways WHERE id = $1`, id))
		if err != nil {
			return err
		}
		if !g.RetiredAt.IsZero() {
			return nil
		}
		if now.IsZero() {
			return errors.New("no time is given")
		}
		r, err := t.ExecContext(ctx, `UPDATE gateways SET retired_us = $1 WHERE id = $2 AND beat_us <= $3`,
			micros(now), id, micros(now.Add(-aliveFor)))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return fmt.Errorf("it reported at %s from host %q: stop it first: %w",
				g.BeatAt.Format(time.RFC3339), g.Host, account.ErrConflict)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("retire gateway %q: %w", id, err)
	}
	return nil
}

const gatewayColumns = `id, spool, host, epoch, claimed_us, beat_us, watermark_us, retired_us`

func scanGateway(s scanner) (account.Gateway, error) {
	var g account.Gateway
	var claimed, beat, watermark, retired int64
	if err := s.Scan(&g.ID, &g.Spool, &g.Host, &g.Epoch, &claimed, &beat, &watermark, &retired); err != nil {
		return account.Gateway{}, err
	}
	g.ClaimedAt, g.BeatAt = fromMicros(claimed), fromMicros(beat)
	g.Watermark, g.RetiredAt = fromMicros(watermark), fromMicros(retired)
	return g, nil
}

// Gateways returns all gateways that ever claimed an id, in the order of the ids.
func (db *DB) Gateways(ctx context.Context) ([]account.Gateway, error) {
	list, err := all(ctx, db, scanGateway, `SELECT `+gatewayColumns+` FROM gateways`)
	if err != nil {
		return nil, fmt.Errorf("read gateways: %w", err)
	}
	slices.SortFunc(list, func(a, b account.Gateway) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// Epochs returns the epochs that began before until and were heard of at from or
// later, in the order of gateway and number.
func (db *DB) Epochs(ctx context.Context, from, until time.Time) ([]account.Epoch, error) {
	list, err := all(ctx, db, scanEpoch, `SELECT `+epochColumns+` FROM gateway_epochs WHERE started_us < $1 AND beat_us >= $2`, micros(until), micros(from))
	if err != nil {
		return nil, fmt.Errorf("read epochs of gateways: %w", err)
	}
	slices.SortFunc(list, func(a, b account.Epoch) int {
		return cmp.Or(cmp.Compare(a.Gateway, b.Gateway), cmp.Compare(a.Number, b.Number))
	})
	return list, nil
}

func scanEpoch(s scanner) (account.Epoch, error) {
	var e account.Epoch
	var started, beat int64
	err := s.Scan(&e.Gateway, &e.Number, &e.Spool, &e.Ended, &started, &beat, &e.Accepted, &e.AcceptedCU, &e.Dropped,
		&e.Sealed, &e.SealedCU, &e.SealedSeq, &e.AckedSeq, &e.FinalSeq)
	e.StartedAt, e.BeatAt = fromMicros(started), fromMicros(beat)
	return e, err
}
