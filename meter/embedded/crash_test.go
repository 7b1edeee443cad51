package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"

	"pokt.ai/internal/secret"
	"pokt.ai/internal/store"
	"pokt.ai/meter"
	"pokt.ai/meter/embedded"
	"pokt.ai/meter/spool"
)

const (
	childDir   = "POKTAI_TEST_METER_DIR"
	childRound = "POKTAI_TEST_METER_ROUND"

	childWriters = 4
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(context.Background(), dir, os.Getenv(childRound)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// A house is all of metering on one folder, sealing often.
type house struct {
	db       *store.DB
	spool    *spool.Spool
	recorder *meter.Recorder
	shipper  *meter.Shipper
}

func openHouse(ctx context.Context, dir string) (*house, error) {
	db, err := store.Open(ctx, store.Config{DSN: secret.New("sqlite:" + filepath.Join(dir, "db"))}, zerolog.Nop())
	if err != nil {
		return nil, err
	}
	cfg := meter.DefaultConfig()
	cfg.Spool.Dir = filepath.Join(dir, "spool")
	cfg.Spool.Gateway = "gw-1"
	cfg.Spool.SealRows = 128
	cfg.Spool.SealAfter = 2 * time.Millisecond
	cfg.Spool.SyncInterval = time.Millisecond
	set := metrics.NewSet()
	sp, err := spool.Open(cfg.Spool, zerolog.Nop(), set)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &house{
		db:       db,
		spool:    sp,
		recorder: meter.NewRecorder(sp, set),
		shipper:  meter.NewShipper(cfg.Ship, sp, embedded.New(db, zerolog.Nop()), zerolog.Nop(), set),
	}, nil
}

func (h *house) close() error { return errors.Join(h.spool.Close(), h.db.Close()) }

// child records and ships until it is killed, and acknowledges each event by
// writing its writer's number to standard output.
func child(ctx context.Context, dir, round string) error {
	h, err := openHouse(ctx, dir)
	if err != nil {
		return err
	}
	failed := make(chan error)
	go func() { failed <- h.shipper.Run(ctx) }()
	for w := range childWriters {
		method := h.recorder.Intern(methodOf(round, w))
		go func() {
			for {
				e := meter.Event{TimeMicros: noon.UnixMicro(), Org: uint64(org), CU: 1, Method: method, Outcome: meter.Answered}
				if err := h.recorder.Record(&e); err != nil {
					failed <- err
					return
				}
				if _, err := os.Stdout.Write([]byte{byte(w)}); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

// methodOf makes the calls of each writer and round countable.
func methodOf(round string, writer int) string {
	return "round-" + round + "-writer-" + strconv.Itoa(writer)
}

// TestKilledGatewayBillsEachCallOnce kills gateways that record and ship, at
// random points: between write, seal, store and delete. Afterwards the usage is,
// for each writer, what it acknowledged, or one more: the event that was
// recorded and not yet acknowledged when the kill came.
func TestKilledGatewayBillsEachCallOnce(t *testing.T) {
	rounds := 15
	if testing.Short() {
		rounds = 4
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	openStore(t, filepath.Join(dir, "db"))

	acked := make(map[string]int64)
	for round := range rounds {
		text := strconv.Itoa(round)
		for w, n := range runAndKill(t, dir, text, random) {
			acked[methodOf(text, w)] = n
		}
	}
	h, err := openHouse(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.shipper.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	billed := make(map[string]int64)
	for _, group := range usage(t, h.db, org, store.ByMethod) {
		billed[group.Name] = group.Calls
		if group.CU != group.Calls {
			t.Errorf("%s: %d CU for %d calls of 1", group.Name, group.CU, group.Calls)
		}
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	var total int64
	for method, n := range acked {
		total += n
		if got := billed[method]; got < n || got > n+1 {
			t.Errorf("%s: %d calls billed, %d acknowledged", method, got, n)
		}
		delete(billed, method)
	}
	if len(billed) > 0 {
		t.Errorf("billed and never called: %v", billed)
	}
	if total < int64(rounds)*10 {
		t.Fatalf("only %d calls in %d rounds: the test shows nothing", total, rounds)
	}
	t.Logf("%d calls acknowledged", total)
}

// runAndKill returns how many events each writer acknowledged.
func runAndKill(t *testing.T, dir, round string, random *rand.Rand) (acked [childWriters]int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childRound+"="+round)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acks := bufio.NewReader(stdout)
	first, err := acks.ReadByte()
	if err != nil {
		t.Fatalf("round %s: the child wrote nothing: %v", round, err)
	}
	acked[first]++
	timer := time.AfterFunc(time.Duration(random.Int64N(int64(100*time.Millisecond))), func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	for {
		w, err := acks.ReadByte()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			break
		}
		acked[w]++
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("round %s: the child ended by itself: %v", round, err)
	}
	return acked
}
