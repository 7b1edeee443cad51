package keys

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// waitersPerTurn bounds those who wait in a lane. Whoever comes on top of them is
// sent away at once: by the time it was its turn, its client would be gone.
const waitersPerTurn = 16

var errBusy = errors.New("too many look-ups are waiting for the store")

// A lane lets so many look-ups at the store at once.
type lane struct {
	turns   chan struct{}
	waiting atomic.Int64
}

func newLane(turns int) *lane { return &lane{turns: make(chan struct{}, turns)} }

// enter waits for a turn; each is ended by leave.
func (l *lane) enter(ctx context.Context) error {
	select {
	case l.turns <- struct{}{}:
		return nil
	default:
	}
	defer l.waiting.Add(-1)
	if l.waiting.Add(1) > int64(waitersPerTurn*cap(l.turns)) {
		return errBusy
	}
	select {
	case l.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a turn at the store: %w", ctx.Err())
	}
}

func (l *lane) leave() { <-l.turns }
