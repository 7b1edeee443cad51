package rating_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"pokt.ai/internal/account"
	"pokt.ai/internal/secret"
	"pokt.ai/internal/store"
)

const (
	childSpool   = "POKTAI_TEST_RATING_SPOOL"
	childGateway = "POKTAI_TEST_RATING_GATEWAY"
	childOrg     = "POKTAI_TEST_RATING_ORG"
)

// gatewayChild records, ships and reports until it is killed, and acknowledges
// each call by a byte on standard output.
func gatewayChild(ctx context.Context, dsn string) error {
	db, err := store.Open(ctx, store.Config{DSN: secret.New(dsn)}, zerolog.Nop())
	if err != nil {
		return err
	}
	cfg := gatewayConfig(os.Getenv(childSpool), os.Getenv(childGateway))
	cfg.Spool.SealAfter, cfg.Spool.SyncInterval = 2*time.Millisecond, time.Millisecond
	g, err := openGateway(db, cfg)
	if err != nil {
		return err
	}
	if err := g.beat.Claim(ctx); err != nil {
		return err
	}
	org, err := strconv.ParseUint(os.Getenv(childOrg), 10, 64)
	if err != nil {
		return err
	}
	failed := make(chan error)
	go func() { failed <- g.shipper.Run(ctx) }()
	go func() {
		for {
			if err := g.beat.Beat(ctx); err != nil {
				failed <- err
				return
			}
		}
	}()
	go func() {
		for {
			err := g.record(account.OrgID(org), time.Now(), 1)
			if err == nil {
				_, err = os.Stdout.Write([]byte{1})
			}
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	return <-failed
}

// TestKilledGatewaysAreVerified kills two gateways again and again, at any point.
// After their last start everything is equal, each epoch is accounted for, and
// what is rated is what they acknowledged, or at most one call more a kill.
func TestKilledGatewaysAreVerified(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		rounds := 3
		if testing.Short() {
			rounds = 2
		}
		org := h.newOrg(t, "acme", flat("p"))
		dir := t.TempDir()
		var acked [2]int
		var wg sync.WaitGroup
		for i := range acked {
			wg.Go(func() {
				for range rounds {
					acked[i] += killGateway(t, h.dsn, filepath.Join(dir, strconv.Itoa(i)), "gw-"+strconv.Itoa(i), org)
				}
			})
		}
		wg.Wait()
		for i := range acked {
			g := h.gateway(t, filepath.Join(dir, strconv.Itoa(i)), "gw-"+strconv.Itoa(i))
			must(t, g.beat.Claim(t.Context()))
			must(t, g.ship(t.Context()))
			must(t, g.beat.Release(t.Context()))
		}
		h.pass(t, time.Now().Add(2*time.Hour))
		h.wantEqual(t)
		rep := h.verify(t)
		if want := 2 * (rounds + 1); len(rep.Epochs) != want {
			t.Errorf("%d epochs, want %d", len(rep.Epochs), want)
		}
		for _, e := range rep.Epochs {
			if e.Waiting != 0 || e.Ended == account.Running {
				t.Errorf("%+v", e)
			}
		}
		var rated int64
		for _, hour := range rep.Hours {
			rated += hour.Rated
		}
		total := int64(acked[0] + acked[1])
		if most := total + int64(2*rounds); rated < total || rated > most {
			t.Errorf("%d calls rated, %d to %d acknowledged", rated, total, most)
		}
		if total < int64(100*rounds) {
			t.Errorf("only %d calls were acknowledged: this shows nothing", total)
		}
		t.Logf("%d calls", total)
		wantLostNamed(t, h)
	})
}

// wantLostNamed loses the last segment of an epoch that was killed: the spool
// folder had told how many there were.
func wantLostNamed(t *testing.T, h *house) {
	t.Helper()
	undo := h.damage(t, `DELETE FROM segments WHERE name = (SELECT MAX(s.name) FROM segments s
		JOIN gateway_epochs e ON e.gateway_id = s.gateway_id AND e.epoch = s.epoch WHERE e.ended = 'killed' AND s.seq = e.final_seq)`)
	defer undo()
	h.wantDifferences(t, "it has left the gateway and is not stored")
}

func killGateway(t *testing.T, dsn, dir, id string, org account.OrgID) (acked int) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDSN+"="+dsn, childSpool+"="+dir, childGateway+"="+id,
		childOrg+"="+strconv.FormatUint(uint64(org), 10))
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Error(err)
		return 0
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return 0
	}
	acks := bufio.NewReader(stdout)
	if _, err := acks.ReadByte(); err != nil {
		t.Errorf("the child wrote nothing: %v", err)
	}
	timer := time.AfterFunc(time.Duration(rand.Int64N(int64(150*time.Millisecond))), func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	rest, err := io.Copy(io.Discard, acks)
	if err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Errorf("the child ended by itself: %v", err)
	}
	return 1 + int(rest)
}
