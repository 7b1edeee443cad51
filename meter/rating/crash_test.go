package rating_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"pokt.ai/internal/account"
	"pokt.ai/internal/secret"
	"pokt.ai/internal/store"
	"pokt.ai/meter/embedded"
	"pokt.ai/meter/rating"
)

const childDSN = "POKTAI_TEST_RATING_DSN"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childDSN); dsn != "" {
		run := raterChild
		if os.Getenv(childSpool) != "" {
			run = gatewayChild
		}
		if err := run(context.Background(), dsn); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// busyDays is how many days of usage there are to rate, with late calls.
const busyDays = 3

var busyEnd = noon.AddDate(0, 0, busyDays)

// raterChild rates all that there is, until it is killed.
func raterChild(ctx context.Context, dsn string) error {
	db, err := store.Open(ctx, store.Config{DSN: secret.New(dsn)}, zerolog.Nop())
	if err != nil {
		return err
	}
	r := rating.New(rating.DefaultConfig(), embedded.NewSource(db), db, zerolog.Nop(), metrics.NewSet())
	fmt.Println("ready") // standard output is what the parent reads
	return errors.Join(r.Pass(ctx, busyEnd), db.Close())
}

// fill stores usage of busyDays, some of it late for an hour that is closed.
func (h *house) fill(t testing.TB) {
	t.Helper()
	p := everything()
	p.Minimum = dollar
	org := h.newOrg(t, "acme", p)
	h.bound(t, p.ID, 1000)
	h.store(t, calls{at: noon, org: org, key: 1, n: 12})
	h.pass(t, noon.Add(time.Hour))
	random := rand.New(rand.NewPCG(1, 2))
	for at := noon; at.Before(busyEnd); at = at.Add(time.Hour) {
		var list []calls
		for range 20 {
			list = append(list, calls{
				at: at, org: org, key: account.KeyID(1 + random.IntN(5)), n: 1 + random.Int64N(9),
				method: []string{"eth_call", "eth_getLogs"}[random.IntN(2)],
			})
		}
		h.store(t, list...)
	}
}

// sums is what must come of fill, however often it is interrupted.
type sums struct {
	Rows      int
	Calls, CU int64
	Amount    account.Micros
	Alerts    int
}

func (h *house) sums(t testing.TB) (s sums) {
	t.Helper()
	for _, r := range h.ledger(t, noon, busyEnd) {
		s.Rows++
		s.Calls += r.Calls
		s.CU += r.CU
		s.Amount += r.Amount
	}
	items, err := h.db.Claim(t.Context(), store.AlertTopic, 100, time.Minute, busyEnd)
	must(t, err)
	s.Alerts = len(items)
	return s
}

// TestKilledRaters kills raters that close hours, two at a time, anywhere. The
// ledger is the one that a single rater makes undisturbed.
func TestKilledRaters(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		alone := newHouse(t, "sqlite:"+t.TempDir()+"/alone")
		alone.fill(t)
		alone.pass(t, busyEnd)
		want := alone.sums(t)

		h.fill(t)
		rounds := 0
		for h.closedUntil(t).Before(busyEnd) {
			rounds++
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() { runAndKill(t, h.dsn) })
			}
			wg.Wait()
		}
		h.pass(t, busyEnd) // the last one may have been killed before it looked at caps
		if rounds < 3 {
			t.Errorf("all was rated in %d rounds: this shows nothing", rounds)
		}
		if diff := cmp.Diff(want, h.sums(t)); diff != "" {
			t.Errorf("after %d rounds: %s", rounds, diff)
		}
		h.wantEqual(t)
	})
}

func runAndKill(t *testing.T, dsn string) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDSN+"="+dsn)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Error(err)
		return
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Errorf("the child did not start: %v", err)
	}
	timer := time.AfterFunc(time.Duration(rand.Int64N(int64(15*time.Millisecond))), func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && (!errors.As(err, &exit) || exit.Exited()) {
		t.Errorf("the child failed: %v", err)
	}
}

func TestManyRatersAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		alone := newHouse(t, "sqlite:"+t.TempDir()+"/alone")
		alone.fill(t)
		alone.pass(t, busyEnd)
		want := alone.sums(t)

		h.fill(t)
		var wg sync.WaitGroup
		for range 4 {
			r := newRater(t, openStore(t, h.dsn))
			wg.Go(func() {
				for range 2 {
					if err := r.Pass(t.Context(), busyEnd); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if diff := cmp.Diff(want, h.sums(t)); diff != "" {
			t.Error(diff)
		}
		h.wantEqual(t)
	})
}
