package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// An OutboxItem is a message to somebody outside that must be sent at least
// once. A topic and a key name it.
type OutboxItem struct {
	Topic, Key string
	Payload    []byte
	CreatedAt  time.Time
	Attempts   int64  // how often it was claimed, this time included
	LastError  string // of the attempt before
}

// Enqueue adds an item to be claimed from now on. It changes nothing if an item
// of that topic and key was ever added, even if that is done.
func (db *DB) Enqueue(ctx context.Context, topic, key string, payload []byte, now time.Time) error {
	err := db.inTx(ctx, func(t *tx) error { return enqueue(ctx, t, topic, key, payload, now) })
	if err != nil {
		return fmt.Errorf("enqueue %s %q: %w", topic, key, err)
	}
	return nil
}

func enqueue(ctx context.Context, t *tx, topic, key string, payload []byte, now time.Time) error {
	if payload == nil {
		payload = []byte{} // nil would be NULL
	}
	_, err := t.ExecContext(ctx, `
		INSERT INTO outbox (topic, item_key, payload, created_us, due_us, attempts, last_error, done_us)
		VALUES ($1, $2, $3, $4, $4, 0, '', 0) ON CONFLICT (topic, item_key) DO NOTHING`,
		topic, key, payload, micros(now))
	return err
}

// Claim returns up to n items of a topic that are due, oldest first, and keeps
// them from other workers until the lease is over. The worker calls Done or
// Retry for each before that.
func (db *DB) Claim(ctx context.Context, topic string, n int, lease time.Duration, now time.Time) ([]OutboxItem, error) {
	var items []OutboxItem
	err := db.inTx(ctx, func(t *tx) error {
		// The outer condition repeats the inner one: a row that another worker
		// claims meanwhile is waited for by Postgres and then tested again.
		rows, err := t.QueryContext(ctx, `
			UPDATE outbox SET due_us = $1, attempts = attempts + 1
			WHERE topic = $2 AND done_us = 0 AND due_us <= $3 AND item_key IN (
				SELECT item_key FROM outbox WHERE topic = $2 AND done_us = 0 AND due_us <= $3
				ORDER BY due_us, item_key LIMIT $4)
			RETURNING topic, item_key, payload, created_us, attempts, last_error`,
			micros(now.Add(lease)), topic, micros(now), n)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var item OutboxItem
			var created int64
			if err := rows.Scan(&item.Topic, &item.Key, &item.Payload, &created, &item.Attempts, &item.LastError); err != nil {
				return err
			}
			item.CreatedAt = fromMicros(created)
			items = append(items, item)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("claim items of %s: %w", topic, err)
	}
	slices.SortFunc(items, func(a, b OutboxItem) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Key, b.Key))
	})
	return items, nil
}

// Done marks a claimed item as sent. It is never claimed again.
func (db *DB) Done(ctx context.Context, item OutboxItem, now time.Time) error {
	err := db.inTx(ctx, func(t *tx) error {
		_, err := t.ExecContext(ctx, `UPDATE outbox SET done_us = $1 WHERE topic = $2 AND item_key = $3 AND done_us = 0`,
			micros(now), item.Topic, item.Key)
		return err
	})
	if err != nil {
		return fmt.Errorf("finish %s %q: %w", item.Topic, item.Key, err)
	}
	return nil
}

// Retry gives a claimed item back, to be claimed at that time or later. It
// changes nothing if another worker has claimed the item since, because the
// lease was over.
func (db *DB) Retry(ctx context.Context, item OutboxItem, at time.Time, lastErr string) error {
	err := db.inTx(ctx, func(t *tx) error {
		_, err := t.ExecContext(ctx, `UPDATE outbox SET due_us = $1, last_error = $2
			WHERE topic = $3 AND item_key = $4 AND attempts = $5 AND done_us = 0`,
			micros(at), lastErr, item.Topic, item.Key, item.Attempts)
		return err
	})
	if err != nil {
		return fmt.Errorf("put back %s %q: %w", item.Topic, item.Key, err)
	}
	return nil
}
