package spool_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/meter/spool"
)

// never seals nothing by itself.
func never(cfg *spool.Config) { cfg.SealAfter = time.Hour }

// TestKilledEpochIsKnownToItsEnd tells after a kill which segment was the last,
// whether it is still in the folder or has been stored.
func TestKilledEpochIsKnownToItsEnd(t *testing.T) {
	s, cfg := open(t, never)
	check := func(what string, want ...spool.EpochProgress) {
		t.Helper()
		left := cfg
		left.Dir = copyFolder(t, cfg.Dir)
		again, _ := reopen(t, left)
		want[0].Epoch = again.Epoch()
		if diff := cmp.Diff(want, again.Progress().Epochs); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		if again.ID() != s.ID() {
			t.Errorf("%s: the folder has another id", what)
		}
	}
	old := func(final, acked uint64) spool.EpochProgress {
		return spool.EpochProgress{Epoch: s.Epoch(), FinalSeq: final, AckedSeq: acked}
	}
	check("nothing was recorded", spool.EpochProgress{}, old(0, 0))
	for id := range uint64(3) {
		appendRecord(t, s, id)
		flush(t, s)
	}
	check("three sealed", spool.EpochProgress{}, old(3, 0))
	segment, err := s.Oldest()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(segment); err != nil {
		t.Fatal(err)
	}
	check("one of them stored", spool.EpochProgress{}, old(3, 1))
	take(t, s)
	check("all stored: the empty one behind them tells", spool.EpochProgress{}, old(3, 3))
	appendRecord(t, s, 4)
	check("one more, not sealed", spool.EpochProgress{}, old(4, 3))
}

func TestProgress(t *testing.T) {
	s, _ := open(t, never)
	r := record(1)
	if err := s.Append(&r); err != nil {
		t.Fatal(err)
	}
	if p := s.Progress(); p.Appended.IsZero() || !p.First.IsZero() {
		t.Errorf("recorded: %+v", p)
	}
	early := record(2)
	early.TimeMicros -= 3600e6
	if err := s.Append(&early); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	p := s.Progress()
	if !p.Appended.IsZero() || !p.First.Equal(time.UnixMicro(early.TimeMicros)) {
		t.Errorf("sealed: %+v", p)
	}
	want := spool.EpochProgress{Epoch: s.Epoch(), SealedRows: 2, SealedCU: int64(r.CU + early.CU), SealedSeq: 1}
	if diff := cmp.Diff([]spool.EpochProgress{want}, p.Epochs); diff != "" {
		t.Error(diff)
	}
	take(t, s)
	want.AckedSeq = 1
	if p := s.Progress(); !p.First.IsZero() || !cmp.Equal([]spool.EpochProgress{want}, p.Epochs) {
		t.Errorf("stored: %+v", p)
	}
}
