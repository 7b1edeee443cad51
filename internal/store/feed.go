package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"math/rand/v2"
	"time"

	"pokt.ai/internal/account"
)

// A ChangeKind says how much a Change concerns.
type ChangeKind uint8

// The kinds of changes.
const (
	AllChanged ChangeKind = iota // a plan changed, or changes may have been missed
	KeyChanged                   // the key with the Hash was made or changed
)

// A Change is news of what may have been read before.
type Change struct {
	Kind ChangeKind
	Hash account.Hash // of KeyChanged
}

// A feed carries Changes from transactions to Watch, also between processes.
type feed interface {
	// announce publishes c if and when the transaction commits.
	announce(ctx context.Context, t *sql.Tx, c Change) error
	// listen reports AllChanged, calls up, and then reports every change whose
	// transaction commits later than that. It returns when ctx is done or when
	// changes may have been missed, never nil.
	listen(ctx context.Context, fn func(Change), up func()) error
}

// How long Watch waits before it tries again: doubling from the first to the
// last, less up to a half by chance, so that many gateways don't return at once.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Watch calls fn for every change until ctx is done, and returns its error.
// Several processes may watch, and changes made by any of them are seen.
//
// It tells connected(true) when changes begin to arrive and connected(false) as
// soon as they may be missed. Each connected(true) comes right after a change of
// kind AllChanged: whatever was read earlier may be outdated, and whatever is
// read from then on is followed by its changes. All calls are made by the
// goroutine of Watch, which they should not hold up.
func (db *DB) Watch(ctx context.Context, fn func(Change), connected func(bool)) error {
	wait := firstRetry
	for {
		live := false
		err := db.feed.listen(ctx, fn, func() {
			live = true
			connected(true)
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if live {
			connected(false)
			wait = firstRetry
		}
		pause := wait - rand.N(wait/2)
		db.log.Warn().Err(err).Bool("was_connected", live).Dur("retry_in", pause).Msg("change feed is interrupted")
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		wait = min(2*wait, lastRetry)
	}
}

const allPayload = "all"

// payload is the text form of c: "all", or the hash in hexadecimal.
func (c Change) payload() string {
	if c.Kind == KeyChanged {
		return hex.EncodeToString(c.Hash[:])
	}
	return allPayload
}

// parseChange reads what payload wrote. What it cannot read was written by
// another version, and could be anything: AllChanged.
func parseChange(payload string) Change {
	b, err := hex.DecodeString(payload)
	if err != nil {
		return Change{Kind: AllChanged}
	}
	hash, err := toHash(b)
	if err != nil {
		return Change{Kind: AllChanged}
	}
	return Change{Kind: KeyChanged, Hash: hash}
}
