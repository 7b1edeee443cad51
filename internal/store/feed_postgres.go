package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// postgresFeed is LISTEN and NOTIFY. A notification is part of its transaction,
// and reaches whoever listens at the commit.
type postgresFeed struct{ cfg *pgx.ConnConfig }

const notifyChannel = "poktai_changes"

// A connection that is silent for feedIdle is asked to answer within
// feedAnswer. Their sum is how late a dead network is noticed; a server that
// closes the connection is noticed at once.
const (
	feedIdle   = time.Second
	feedAnswer = 2 * time.Second
	feedDial   = 5 * time.Second
)

func (f *postgresFeed) announce(ctx context.Context, t *sql.Tx, c Change) error {
	_, err := t.ExecContext(ctx, `SELECT pg_notify($1, $2)`, notifyChannel, c.payload())
	return err
}

func (f *postgresFeed) listen(ctx context.Context, fn func(Change), up func()) error {
	conn, err := f.connect(ctx)
	if err != nil {
		return err
	}
	defer func() {
		// Closing says good-bye to the server, which may be gone.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), feedAnswer)
		defer cancel()
		conn.Close(ctx) //nolint:errcheck,gosec // nothing is left to be done about it
	}()

	fn(Change{Kind: AllChanged})
	up()
	for {
		n, err := waitIdle(ctx, conn)
		switch {
		case err == nil:
			fn(parseChange(n.Payload))
		case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			if err := f.ask(ctx, conn); err != nil {
				return err
			}
		default:
			return fmt.Errorf("wait for notification: %w", err)
		}
	}
}

// connect returns a connection that listens already.
func (f *postgresFeed) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, feedDial)
	defer cancel()
	cfg := f.cfg.Copy()
	cfg.RuntimeParams["application_name"] += " feed"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, `LISTEN `+notifyChannel); err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), conn.Close(ctx))
	}
	return conn, nil
}

func waitIdle(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	ctx, cancel := context.WithTimeout(ctx, feedIdle)
	defer cancel()
	return conn.WaitForNotification(ctx)
}

func (f *postgresFeed) ask(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, feedAnswer)
	defer cancel()
	if err := conn.Ping(ctx); err != nil {
		return fmt.Errorf("connection is dead: %w", err)
	}
	return nil
}
