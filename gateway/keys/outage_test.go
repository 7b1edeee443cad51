package keys_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pokt.ai/gateway/keys"
	"pokt.ai/internal/account"
)

func TestStoreIsDown(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		token, _ := f.add("alpha")
		f.src.set(errDown, 0)
		_, err := f.Lookup(t.Context(), token, time.Now())
		if !errors.Is(err, keys.ErrUnavailable) || !errors.Is(err, errDown) || errors.Is(err, keys.ErrUnknown) {
			t.Errorf("a key that is not in memory: %v", err)
		}
		f.src.set(nil, 0)
		f.expect(token, "alpha", nil)

		f.src.set(errDown, 0)
		read := time.Now()
		pass(time.Hour)
		f.expect(token, "alpha", nil)
		f.expectAt(read.Add(time.Hour+1), token, "", keys.ErrUnavailable)
		f.src.set(nil, 0)
		f.expectAt(read.Add(time.Hour+1), token, "alpha", nil)
	})
}

func TestServeStaleForZeroStopsAtRefreshAfter(t *testing.T) {
	inBubble(t, func(c *keys.Config) { c.ServeStaleFor = 0 }, func(_ *testing.T, f *fixture) {
		token, _ := f.add("alpha")
		f.expect(token, "alpha", nil)
		f.src.set(errDown, 0)
		pass(time.Minute)
		f.expect(token, "alpha", nil)
		pass(1)
		f.expect(token, "", keys.ErrUnavailable)
	})
}

func TestKnownKeysWorkWhenNothingCanBeReadAgain(t *testing.T) {
	for name, doubt := range map[string]func(*fixture){
		"all changed":         func(f *fixture) { f.ChangedAll() },
		"feed is interrupted": func(f *fixture) { f.SetConnected(false); pass(2 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, f *fixture) {
				token, hash := f.add("alpha")
				f.expect(token, "alpha", nil)
				f.src.set(errDown, 0)
				doubt(f)
				f.expect(token, "alpha", nil)
				if n := f.metric("poktai_keys_stale_served_total"); n != "1" {
					t.Errorf("%s were counted as stale", n)
				}
				f.src.update(hash, func(k *account.Key) { k.Name = "beta" })
				f.src.set(nil, 0)
				f.expect(token, "alpha", nil) // the store still counts as down: read in the background
				pass(0)
				f.expect(token, "beta", nil)
			})
		})
	}
}

func TestHangingStoreHoldsKnownKeysUpOnce(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		token, _ := f.add("alpha")
		f.expect(token, "alpha", nil)
		f.src.set(nil, time.Hour)
		f.SetConnected(false)
		pass(2 * time.Second)
		began := time.Now()
		f.expect(token, "alpha", nil)
		if d := time.Since(began); d != keys.DefaultConfig().LoadTimeout {
			t.Errorf("the first waited %v", d)
		}
		began = time.Now()
		f.expectReads(2)
		for range 100 {
			f.expect(token, "alpha", nil)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("the next hundred waited %v", d)
		}
		pass(0)
		f.expectReads(1)
	})
}

func TestFailingRefreshIsTriedOnceASecond(t *testing.T) {
	inBubble(t, nil, func(_ *testing.T, f *fixture) {
		token, _ := f.add("alpha")
		f.expect(token, "alpha", nil)
		f.expectReads(1)
		f.src.set(errDown, 0)
		pass(61 * time.Second)
		for range 100 { // ten seconds
			f.expect(token, "alpha", nil)
			pass(100 * time.Millisecond)
		}
		f.expectReads(10)
	})
}

func TestFailureToMakeAnEntryIsNotRemembered(t *testing.T) {
	inBubble(t, nil, func(_ *testing.T, f *fixture) {
		token, hash := f.add("")
		f.expect(token, "", keys.ErrUnavailable)
		f.src.update(hash, func(k *account.Key) { k.Name = "alpha" })
		f.expect(token, "alpha", nil)
	})
}

func TestFloodOfUnknownKeys(t *testing.T) {
	inBubble(t, func(c *keys.Config) { c.MaxLoads = 4 }, func(t *testing.T, f *fixture) {
		token, hash := f.add("alpha")
		f.expect(token, "alpha", nil)
		f.src.set(nil, 500*time.Millisecond)
		var (
			wg           sync.WaitGroup
			atOnce, late atomic.Int64
		)
		for range 200 {
			bad := newToken(t)
			wg.Go(func() {
				began := time.Now()
				_, err := f.Lookup(t.Context(), bad, began)
				switch waited := time.Since(began); {
				case errors.Is(err, keys.ErrUnknown):
				case !errors.Is(err, keys.ErrUnavailable):
					t.Errorf("got %v", err)
				case waited == 0:
					atOnce.Add(1)
				case waited <= keys.DefaultConfig().LoadTimeout:
					late.Add(1)
				default:
					t.Errorf("refused after %v", waited)
				}
			})
		}
		pass(0)
		f.expect(token, "alpha", nil)
		f.Changed(hash)
		began := time.Now()
		f.expect(token, "alpha", nil)
		if d := time.Since(began); d != 500*time.Millisecond {
			t.Errorf("a known key had to wait %v behind the flood", d)
		}
		wg.Wait()
		if most := f.src.most.Load(); most > 2*4 {
			t.Errorf("%d reads ran at once", most)
		}
		// Four turns, and sixteen waiting for each; of these four have got theirs
		// every half a second.
		if atOnce.Load() != 200-4-64 || late.Load() == 0 {
			t.Errorf("%d were refused at once, %d later", atOnce.Load(), late.Load())
		}
		f.src.set(errDown, 0)
		f.expect(token, "alpha", nil) // is still in memory
	})
}
