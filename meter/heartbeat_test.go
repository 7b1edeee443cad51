package meter_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"

	"pokt.ai/internal/account"
	"pokt.ai/meter"
)

// registry remembers what was reported, and answers what it is told to.
type registry struct {
	mu     sync.Mutex
	answer error
	beats  int
	g      account.Gateway
	epochs []account.Epoch
}

func (r *registry) ClaimGateway(_ context.Context, g account.Gateway, epochs []account.Epoch) error {
	return r.BeatGateway(context.Background(), g, epochs)
}

func (r *registry) BeatGateway(_ context.Context, g account.Gateway, epochs []account.Epoch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.beats++
	if r.answer != nil {
		return r.answer
	}
	r.g, r.epochs = g, slices.Clone(epochs)
	return nil
}

func (r *registry) set(answer error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// seen returns the number of reports and the time of the last that was taken.
func (r *registry) seen() (beats int, last time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.beats, r.g.BeatAt
}

const slack = time.Minute

func (h *house) heartbeat(t testing.TB, r meter.Registry) *meter.Heartbeat {
	return meter.NewHeartbeat(h.spool, h.recorder, r, slack, zerolog.New(zerolog.NewTestWriter(t)), metrics.NewSet())
}

// quiet is a house that seals nothing by itself.
func quiet(t testing.TB, to meter.Sink) *house {
	h := newHouse(t, to)
	must(t, h.spool.Close())
	h.cfg.Spool.SealAfter = time.Hour
	h.open(t, to)
	return h
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) add(t testing.TB, at time.Time, n int) {
	t.Helper()
	for range n {
		must(t, h.recorder.Record(&meter.Event{CU: 20, Outcome: meter.Answered, TimeMicros: at.UnixMicro()}))
	}
}

// TestWatermark follows calls from the recorder to the sink. All that was
// recorded before the watermark is stored, and nothing holds it back needlessly.
func TestWatermark(t *testing.T) {
	var to sink
	var r registry
	h := quiet(t, &to)
	b := h.heartbeat(t, &r)
	// Both bounds may be exact; a zero one is slack before the report.
	check := func(what string, least, most time.Time) {
		t.Helper()
		must(t, b.Beat(t.Context()))
		if most.IsZero() {
			most = time.Now().Add(-slack)
		}
		if w := r.g.Watermark; w.Before(least.Add(-time.Microsecond)) || w.After(most) {
			t.Errorf("%s: the watermark is %s, want %s to %s", what, w, least, most)
		}
	}
	now := time.Now()
	check("idle", now.Add(-slack), time.Time{})

	h.add(t, now.Add(-slack), 3)
	recorded := time.Now()
	check("not sealed", now.Add(-slack).Add(-time.Second), recorded.Add(-slack))
	check("not sealed, later", now.Add(-slack).Add(-time.Second), recorded.Add(-slack))

	must(t, h.spool.Flush(t.Context()))
	first := now.Add(-slack).Truncate(time.Microsecond)
	check("sealed", first, first)
	earlier := first.Add(-time.Hour)
	h.add(t, earlier, 1) // the clock went back
	must(t, h.spool.Flush(t.Context()))
	check("sealed, with an earlier time", earlier, earlier)

	must(t, h.shipper.Drain(t.Context()))
	now = time.Now()
	check("stored", now.Add(-slack), time.Time{})
}

func TestHeartbeatCounts(t *testing.T) {
	var to sink
	var r registry
	h := quiet(t, &to)
	b := h.heartbeat(t, &r)
	must(t, b.Claim(t.Context()))
	h.add(t, time.Now(), 150) // a full segment, and 50
	must(t, h.spool.Flush(t.Context()))
	h.add(t, time.Now(), 7)
	must(t, b.Beat(t.Context()))
	running := account.Epoch{
		Gateway: "gw-1", Number: h.spool.Epoch(), Spool: h.spool.ID(),
		Accepted: 157, AcceptedCU: 157 * 20, Sealed: 150, SealedCU: 150 * 20, SealedSeq: 2,
	}
	times := cmpopts.IgnoreFields(account.Epoch{}, "StartedAt", "BeatAt")
	if diff := cmp.Diff([]account.Epoch{running}, r.epochs, times); diff != "" {
		t.Errorf("before anything is stored: %s", diff)
	}

	must(t, h.spool.Close())
	old := running
	h.open(t, &to) // without a last report: as if killed
	b = h.heartbeat(t, &r)
	must(t, b.Claim(t.Context()))
	old.Accepted, old.AcceptedCU, old.Sealed, old.SealedCU, old.SealedSeq = 0, 0, 0, 0, 0
	old.Ended, old.FinalSeq = account.Killed, 3
	running = account.Epoch{Gateway: "gw-1", Number: h.spool.Epoch(), Spool: h.spool.ID()}
	if diff := cmp.Diff([]account.Epoch{running, old}, r.epochs, times); diff != "" {
		t.Errorf("at the next start: %s", diff)
	}
	must(t, b.Release(t.Context()))
	if !r.g.RetiredAt.IsZero() {
		t.Error("released with segments in the spool")
	}
	must(t, h.shipper.Drain(t.Context()))
	must(t, b.Release(t.Context()))
	old.Ended, old.AckedSeq, running.Ended = account.Running, 3, account.Clean
	if diff := cmp.Diff([]account.Epoch{running, old}, r.epochs, times); diff != "" || r.g.RetiredAt.IsZero() {
		t.Errorf("at the end, retired at %s: %s", r.g.RetiredAt, diff)
	}
}

// A folder keeps its id, and no other has it.
func TestSpoolIsKnownByItsFolder(t *testing.T) {
	h, other := newHouse(t, &sink{}), newHouse(t, &sink{})
	id, epoch := h.spool.ID(), h.spool.Epoch()
	if id == "" || id == other.spool.ID() {
		t.Errorf("ids %q and %q", id, other.spool.ID())
	}
	must(t, h.spool.Close())
	h.open(t, &sink{})
	if h.spool.ID() != id || h.spool.Epoch() <= epoch {
		t.Errorf("after a restart: id %q and epoch %d, were %q and %d", h.spool.ID(), h.spool.Epoch(), id, epoch)
	}
	must(t, h.spool.Close())
	h.cfg.Spool.Dir = filepath.Join(t.TempDir(), "new")
	h.open(t, &sink{})
	if h.spool.ID() == id {
		t.Error("another folder has the same id")
	}
}

func TestHeartbeatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to sink
		var r registry
		h := newHouse(t, &to)
		b := h.heartbeat(t, &r)
		done := make(chan error)
		go func() { done <- b.Run(t.Context()) }()
		time.Sleep(12 * time.Second)
		beats, before := r.seen()
		if beats != 2 {
			t.Errorf("%d reports in 12 s", beats)
		}
		r.set(errors.New("the database is down"))
		time.Sleep(time.Minute)
		r.set(nil)
		time.Sleep(6 * time.Second)
		if _, last := r.seen(); !last.After(before.Add(time.Minute)) {
			t.Error("no report when the database is back")
		}
		r.set(account.ErrConflict)
		time.Sleep(6 * time.Second)
		select {
		case err := <-done:
			if !errors.Is(err, account.ErrConflict) {
				t.Errorf("ended with %v", err)
			}
		default:
			t.Error("goes on without its id")
		}
	})
}

func TestRefusedClaim(t *testing.T) {
	h := newHouse(t, &sink{})
	if err := h.heartbeat(t, &registry{answer: account.ErrConflict}).Claim(t.Context()); !errors.Is(err, account.ErrConflict) {
		t.Errorf("%v", err)
	}
}
