package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// sqliteFeed is the table changes, read whenever the file was changed, by this
// process or another one.
type sqliteFeed struct{ read *sql.DB }

const (
	pollInterval = 250 * time.Millisecond // of one PRAGMA, which costs microseconds
	// A reader that is further behind than this is told AllChanged.
	changesKept = 1000
)

func (f *sqliteFeed) announce(ctx context.Context, t *sql.Tx, c Change) error {
	var seq int64
	if err := t.QueryRowContext(ctx, `INSERT INTO changes (seq, payload)
		SELECT MAX(seq) + 1, $1 FROM changes RETURNING seq`, c.payload()).Scan(&seq); err != nil {
		return err
	}
	_, err := t.ExecContext(ctx, `DELETE FROM changes WHERE seq <= $1`, seq-changesKept)
	return err
}

func (f *sqliteFeed) listen(ctx context.Context, fn func(Change), up func()) error {
	// PRAGMA data_version tells whether another connection changed the file, so
	// it has to be asked on the same connection each time.
	conn, err := f.read.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()

	version, err := dataVersion(ctx, conn)
	if err != nil {
		return err
	}
	r := changeReader{conn: conn}
	if err := conn.QueryRowContext(ctx, `SELECT MAX(seq) FROM changes`).Scan(&r.last); err != nil {
		return fmt.Errorf("read last change: %w", err)
	}
	fn(Change{Kind: AllChanged})
	up()

	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
		}
		now, err := dataVersion(ctx, conn)
		if err != nil {
			return err
		}
		if now == version {
			continue
		}
		version = now
		if err := r.read(ctx, fn); err != nil {
			return fmt.Errorf("read changes: %w", err)
		}
	}
}

func dataVersion(ctx context.Context, conn *sql.Conn) (v int64, err error) {
	if err = conn.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&v); err != nil {
		err = fmt.Errorf("read data version: %w", err)
	}
	return v, err
}

var errMissed = errors.New("changes were deleted before they were read")

// A changeReader reads on from the last change it has seen.
type changeReader struct {
	conn *sql.Conn
	last int64
}

// read asks for the last seen change again. If it is not there, then those that
// followed it may have been deleted as well, or the file went back in time.
func (r *changeReader) read(ctx context.Context, fn func(Change)) error {
	rows, err := r.conn.QueryContext(ctx, `SELECT seq, payload FROM changes WHERE seq >= $1 ORDER BY seq`, r.last)
	if err != nil {
		return err
	}
	defer rows.Close()
	found := false
	var changes []Change
	last := r.last
	for rows.Next() {
		var payload string
		if err := rows.Scan(&last, &payload); err != nil {
			return err
		}
		if last == r.last {
			found = true
			continue
		}
		changes = append(changes, parseChange(payload))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if !found {
		return errMissed
	}
	r.last = last
	for _, c := range changes {
		fn(c)
	}
	return nil
}
