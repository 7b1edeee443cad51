package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/internal/account"
)

// gateway is what one reports at a time of the day, and its running epoch.
func gateway(id, spool string, epoch uint64, clock string) (account.Gateway, []account.Epoch) {
	at := day(clock)
	g := account.Gateway{
		ID: id, Spool: spool, Host: "host-" + spool, Epoch: epoch,
		ClaimedAt: at, BeatAt: at, Watermark: at.Add(-time.Minute),
	}
	return g, []account.Epoch{{Gateway: id, Number: epoch, Spool: spool, StartedAt: at, BeatAt: at}}
}

type registry interface {
	ClaimGateway(ctx context.Context, g account.Gateway, epochs []account.Epoch) error
	BeatGateway(ctx context.Context, g account.Gateway, epochs []account.Epoch) error
}

func claimID(t testing.TB, db registry, id, spool string, epoch uint64, clock string) error {
	t.Helper()
	g, epochs := gateway(id, spool, epoch, clock)
	return db.ClaimGateway(t.Context(), g, epochs)
}

func beatAs(t testing.TB, db registry, spool string, epoch uint64, clock string) error {
	t.Helper()
	g, epochs := gateway("gw-1", spool, epoch, clock)
	return db.BeatGateway(t.Context(), g, epochs)
}

func wantConflict(t testing.TB, err error, text string) {
	t.Helper()
	if !errors.Is(err, account.ErrConflict) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v; want a conflict that says %q", err, text)
	}
}

func TestGatewayIDBelongsToOneSpool(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db := d.open(t)
		must(t, claimID(t, db, "gw-1", "a", 1, "10:00:00"))
		must(t, claimID(t, db, "gw-2", "b", 1, "10:00:00")) // another id

		// Somebody else with the same id is told who has it, also hours later: the
		// spool may hold calls that are not stored.
		wantConflict(t, claimID(t, db, "gw-1", "b", 2, "10:00:01"), `on host "host-a" and last heard of at 2026-03-14T10:00:00Z`)
		wantConflict(t, claimID(t, db, "gw-1", "b", 3, "23:00:00"), "retire that one")

		// A restart on the same spool goes on at once, and whoever had it before
		// has not any more.
		must(t, claimID(t, db, "gw-1", "a", 4, "10:00:02"))
		wantConflict(t, beatAs(t, db, "a", 1, "10:00:03"), "another process has taken it")
		must(t, beatAs(t, db, "a", 4, "10:00:04"))

		// It reports: it cannot be retired. A minute later it can.
		wantConflict(t, db.RetireGateway(t.Context(), "gw-1", day("10:00:30")), "stop it first")
		must(t, db.RetireGateway(t.Context(), "gw-1", day("10:01:05")))
		must(t, db.RetireGateway(t.Context(), "gw-1", day("12:00:00"))) // again changes nothing
		if err := db.RetireGateway(t.Context(), "gw-9", day("12:00:00")); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("retire a gateway that is not there: %v", err)
		}
		gateways, err := db.Gateways(t.Context())
		must(t, err)
		want1, _ := gateway("gw-1", "a", 4, "10:00:02")
		want1.BeatAt, want1.Watermark, want1.RetiredAt = day("10:00:04"), day("09:59:04"), day("10:01:05")
		want2, _ := gateway("gw-2", "b", 1, "10:00:00")
		if diff := cmp.Diff([]account.Gateway{want1, want2}, gateways); diff != "" {
			t.Error(diff)
		}

		// One that was given up and is still there comes back by its report.
		must(t, beatAs(t, db, "a", 4, "12:30:00"))
		wantConflict(t, claimID(t, db, "gw-1", "b", 5, "12:30:01"), "belongs to another")
		// One that is retired for good leaves its id to others, and finds out.
		must(t, db.RetireGateway(t.Context(), "gw-1", day("13:00:00")))
		must(t, claimID(t, db, "gw-1", "b", 6, "13:00:01"))
		must(t, beatAs(t, db, "b", 6, "13:00:01"))
		wantConflict(t, beatAs(t, db, "a", 4, "13:00:02"), "another process")
		wantConflict(t, claimID(t, db, "gw-1", "a", 7, "13:00:03"), `"host-b"`)

		// A clean stop with nothing left frees the id as well.
		g, epochs := gateway("gw-1", "b", 6, "14:00:00")
		g.RetiredAt, epochs[0].Ended = g.BeatAt, account.Clean
		must(t, db.BeatGateway(t.Context(), g, epochs))
		must(t, claimID(t, db, "gw-1", "c", 8, "14:00:01"))
	})
}

func TestOneOfManyClaimsWins(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		d.open(t)
		var won, refused atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			db := d.connect(t)
			wg.Go(func() {
				switch err := claimID(t, db, "gw-1", fmt.Sprint("spool-", i), uint64(i), "10:00:00"); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, account.ErrConflict):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || refused.Load() != 7 {
			t.Errorf("%d gateways got the id and %d were refused", won.Load(), refused.Load())
		}
	})
}

func TestEpochsKeepWhatTheyReported(t *testing.T) {
	onBoth(t, func(t *testing.T, d database) {
		db := d.open(t)
		g, first := gateway("gw-1", "a", 1, "10:00:00")
		must(t, db.ClaimGateway(t.Context(), g, first))
		g, running := gateway("gw-1", "a", 1, "10:00:05")
		running[0].Accepted, running[0].AcceptedCU, running[0].Dropped = 100, 2000, 1
		running[0].Sealed, running[0].SealedCU, running[0].SealedSeq, running[0].AckedSeq = 80, 1600, 4, 3
		must(t, db.BeatGateway(t.Context(), g, running))

		// It is killed. The next start knows which segment was the last, not what
		// was counted.
		g, next := gateway("gw-1", "a", 2, "10:01:00")
		old := account.Epoch{Gateway: "gw-1", Number: 1, Spool: "a", Ended: account.Killed, BeatAt: g.BeatAt, AckedSeq: 3, FinalSeq: 6}
		must(t, db.ClaimGateway(t.Context(), g, append(next, old)))
		// A start after that finds less, as some of it is shipped.
		old.AckedSeq, old.FinalSeq = 6, 5
		must(t, db.BeatGateway(t.Context(), g, append(next, old)))

		epochs, err := db.Epochs(t.Context(), day("00:00:00"), day("23:00:00"))
		must(t, err)
		want := running[0]
		want.StartedAt, want.Ended, want.AckedSeq, want.FinalSeq = day("10:00:00"), account.Killed, 6, 6
		if diff := cmp.Diff([]account.Epoch{want, next[0]}, epochs); diff != "" {
			t.Error(diff)
		}

		// An epoch whose last report did not arrive has ended all the same.
		must(t, claimID(t, db, "gw-1", "a", 3, "10:02:00"))
		epochs, err = db.Epochs(t.Context(), day("10:00:30"), day("10:02:00"))
		must(t, err)
		if len(epochs) != 1 || epochs[0].Number != 2 || epochs[0].Ended != account.Killed {
			t.Errorf("epochs between the first report and the last start: %+v", epochs)
		}
	})
}
