package meter_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pokt.ai/meter/spool"
)

func TestShipsOldestFirstAndDeletes(t *testing.T) {
	var to sink
	h := newHouse(t, &to)
	h.record(t, 1050)
	if err := h.shipper.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	to.wantOnce(t, 1050)
	if len(to.order) != 11 || !slices.IsSorted(to.order) {
		t.Errorf("segments were stored in the order %v", to.order)
	}
	left, err := filepath.Glob(filepath.Join(h.cfg.Spool.Dir, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if rows := value(t, h.set, "poktai_meter_rows_stored_total"); rows != 1050 {
		t.Errorf("%v rows counted as stored", rows)
	}
}

func TestShipsWhileRecording(t *testing.T) {
	var to sink
	h := newHouse(t, &to)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := h.shipper.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	h.record(t, 3000)
	if err := h.shipper.Drain(t.Context()); err != nil { // beside Run
		t.Fatal(err)
	}
	stop()
	wg.Wait()
	to.wantOnce(t, 3000)
}

// TestOutage has a sink that is down for an hour. Nothing is lost, and the
// shipper neither hammers it nor stays away long after it is back.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back time.Time
		to := sink{script: func(context.Context, int) (bool, error) {
			if time.Now().Before(back) {
				return false, errDown
			}
			return true, nil
		}}
		h := newHouse(t, &to)
		back = time.Now().Add(time.Hour)
		h.record(t, 450)
		if err := h.shipper.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		to.wantOnce(t, 450)

		failed := to.attempts[:len(to.attempts)-5]
		for i := range failed[1:] {
			pause := failed[i+1].Sub(failed[i])
			least, most := 50*time.Millisecond, h.cfg.Ship.RetryMax
			if i > 10 {
				least = h.cfg.Ship.RetryMax / 2
			}
			if pause < least || pause > most {
				t.Errorf("pause %d is %s, want from %s to %s", i+1, pause, least, most)
			}
		}
		if late := to.attempts[len(failed)].Sub(back); late > h.cfg.Ship.RetryMax {
			t.Errorf("the sink was back for %s before it was asked", late)
		}
		if n := value(t, h.set, "poktai_meter_store_errors_total"); n != float64(len(failed)) {
			t.Errorf("%v errors counted, %d happened", n, len(failed))
		}
	})
}

// TestSinkStoresAndFails is the doubling case: the sink has stored the segment
// and its answer is lost.
func TestSinkStoresAndFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := sink{script: func(_ context.Context, attempt int) (bool, error) {
			if attempt%3 != 0 {
				return true, errors.New("connection reset")
			}
			return true, nil
		}}
		h := newHouse(t, &to)
		h.record(t, 250)
		if err := h.shipper.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(to.attempts) != 9 {
			t.Errorf("%d attempts for 3 segments, want 9", len(to.attempts))
		}
		to.wantOnce(t, 250)
	})
}

func TestSinkThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := sink{script: func(ctx context.Context, attempt int) (bool, error) {
			if attempt == 1 {
				<-ctx.Done()
				return false, ctx.Err()
			}
			return true, nil
		}}
		h := newHouse(t, &to)
		h.record(t, 10)
		start := time.Now()
		if err := h.shipper.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < h.cfg.Ship.Timeout || took > h.cfg.Ship.Timeout+time.Second {
			t.Errorf("it took %s with a timeout of %s", took, h.cfg.Ship.Timeout)
		}
		to.wantOnce(t, 10)
	})
}

// TestDrainEndsWithItsContext stops a gateway whose sink is down: the segments
// stay, and the next start ships them.
func TestDrainEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := sink{script: func(context.Context, int) (bool, error) { return false, errDown }}
		h := newHouse(t, &to)
		h.record(t, 250)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := h.shipper.Drain(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errDown) {
			t.Errorf("drain: %v, want both why it ended and what was wrong", err)
		}
		if err := h.spool.Close(); err != nil {
			t.Fatal(err)
		}
		if err := h.shipper.Drain(t.Context()); !errors.Is(err, spool.ErrClosed) {
			t.Errorf("drain of a closed spool: %v", err)
		}

		to.script = nil
		h.open(t, &to)
		if err := h.shipper.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		to.wantOnce(t, 250)
	})
}

func TestDamagedSegmentDoesNotBlockOthers(t *testing.T) {
	var to sink
	h := newHouse(t, &to)
	h.record(t, 300)
	paths, err := filepath.Glob(filepath.Join(h.cfg.Spool.Dir, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(paths[1], 1000); err != nil {
		t.Fatal(err)
	}
	if err := h.shipper.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(to.calls) != 200 || to.calls[150] != 0 {
		t.Errorf("%d calls stored, want those of the two whole segments", len(to.calls))
	}
	if n := value(t, h.set, "poktai_spool_bad_segments_total"); n != 1 {
		t.Errorf("%v bad segments counted", n)
	}
}
