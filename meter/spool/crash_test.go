package spool_test

import (
	"bufio"
	"encoding/binary"
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

	"pokt.ai/meter/spool"
)

const (
	childDir   = "POKTAI_TEST_SPOOL_DIR"
	childRound = "POKTAI_TEST_SPOOL_ROUND"

	childWriters = 4
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir, os.Getenv(childRound)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// child appends until it is killed, and acknowledges each record by writing its
// id to standard output once Append has returned.
func child(dir, roundText string) error {
	round, err := strconv.ParseUint(roundText, 10, 16)
	if err != nil {
		return err
	}
	s, err := spool.Open(crashConfig(dir), zerolog.Nop(), metrics.NewSet())
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range uint64(childWriters) {
		go func() {
			for i := uint64(1); ; i++ {
				id := round<<40 | w<<32 | i
				r := record(id)
				r.Chain = s.Intern(chainOf(id))
				if err := s.Append(&r); err != nil {
					failed <- err
					return
				}
				if _, err := os.Stdout.Write(binary.LittleEndian.AppendUint64(nil, id)); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

func crashConfig(dir string) spool.Config {
	cfg := smallConfig(dir)
	cfg.SealRows = 128
	cfg.SealAfter = 2 * time.Millisecond
	cfg.SyncInterval = time.Millisecond
	return cfg
}

// chainOf names a chain that is new with every hundredth record of a writer.
func chainOf(id uint64) string { return fmt.Sprintf("chain-%d", id/100) }

// TestKilledProcessLosesNothing kills writers at random points, which are
// within the sealing of a segment as often as not, and some of them while they
// recover what the one before them left. Every record whose Append returned is
// there afterwards once, and at most one more a writer and kill: the record
// that was appended and not yet acknowledged.
func TestKilledProcessLosesNothing(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	cfg := crashConfig(filepath.Join(t.TempDir(), "spool"))

	acked := make(map[uint64]bool)
	seen := make(map[uint64]int)
	takeAll := func() {
		s, err := spool.Open(cfg, zerolog.Nop(), metrics.NewSet())
		if err != nil {
			t.Fatal(err)
		}
		for _, segment := range take(t, s) {
			for r := range segment.Records() {
				seen[r.RequestID]++
				want := record(r.RequestID)
				want.Chain = r.Chain
				if r != want || segment.Text(r.Chain) != chainOf(r.RequestID) {
					t.Fatalf("record %d came back as %+v of chain %q", r.RequestID, r, segment.Text(r.Chain))
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for round := range rounds {
		for _, id := range runAndKill(t, cfg.Dir, round+1, random) {
			acked[id] = true
		}
		if random.IntN(2) == 0 {
			takeAll()
		}
	}
	takeAll()

	if len(acked) < rounds*10 {
		t.Fatalf("only %d records in %d rounds: the test shows nothing", len(acked), rounds)
	}
	for id := range acked {
		if seen[id] != 1 {
			t.Errorf("acknowledged record %x is there %d times", id, seen[id])
		}
	}
	unacked := 0
	for id, n := range seen {
		if n != 1 {
			t.Errorf("record %x is there %d times", id, n)
		}
		if !acked[id] {
			unacked++
		}
	}
	if most := rounds * childWriters; unacked > most {
		t.Errorf("%d records that were never acknowledged, at most %d can be", unacked, most)
	}
	t.Logf("%d acknowledged, %d more recovered", len(acked), unacked)
}

// runAndKill starts a child and kills it, and returns what it acknowledged.
func runAndKill(t *testing.T, dir string, round int, random *rand.Rand) []uint64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childRound+"="+strconv.Itoa(round))
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acks := bufio.NewReader(stdout)
	var ids []uint64
	read := func() error {
		var b [8]byte
		if _, err := io.ReadFull(acks, b[:]); err != nil {
			return err
		}
		ids = append(ids, binary.LittleEndian.Uint64(b[:]))
		return nil
	}
	kill := func() { _ = cmd.Process.Kill() }
	if random.IntN(4) > 0 { // else while it starts and recovers
		if err := read(); err != nil {
			t.Fatalf("round %d: the child wrote nothing: %v", round, err)
		}
	}
	timer := time.AfterFunc(time.Duration(random.Int64N(int64(60*time.Millisecond))), kill)
	defer timer.Stop()
	for {
		if err := read(); err != nil {
			break // the kill, which may also tear the last acknowledgement
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("round %d: the child ended by itself: %v", round, err)
	}
	return ids
}
