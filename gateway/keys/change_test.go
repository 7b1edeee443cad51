package keys_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"pokt.ai/gateway/keys"
	"pokt.ai/internal/account"
)

// revoke ends a key before any request of these tests began.
func revoke(k *account.Key) { k.RevokedAt = time.Unix(1, 0) }

func TestRevokedKeyIsRefusedAtOnce(t *testing.T) {
	inBubble(t, nil, func(_ *testing.T, f *fixture) {
		token, hash := f.add("alpha")
		f.expect(token, "alpha", nil)
		f.src.update(hash, revoke)
		f.Changed(hash)
		f.expect(token, "", keys.ErrUnknown)
	})
}

func TestKeyInSteadyUseIsRefusedAtOnceToo(t *testing.T) {
	inBubble(t, nil, func(_ *testing.T, f *fixture) {
		token, hash := f.add("alpha")
		for range 5000 { // by now its token is remembered
			f.expect(token, "alpha", nil)
		}
		mistyped := append(token[:len(token)-1:len(token)-1], 0x21)
		f.expect(mistyped, "", keys.ErrMalformed)
		f.src.update(hash, revoke)
		f.Changed(hash)
		f.expect(token, "", keys.ErrUnknown)
	})
}

func TestSlowReadCannotUndoARevoke(t *testing.T) {
	inBubble(t, nil, func(_ *testing.T, f *fixture) {
		token, hash := f.add("alpha")
		f.src.set(nil, time.Second)
		var wg sync.WaitGroup
		wg.Go(func() { f.expect(token, "", keys.ErrUnknown) }) // began before the revoke, and read the key usable
		pass(500 * time.Millisecond)
		f.src.update(hash, revoke)
		f.Changed(hash)
		f.src.set(nil, 0)
		f.expect(token, "", keys.ErrUnknown) // does not join that read
		wg.Wait()
		f.expect(token, "", keys.ErrUnknown)
	})
}

func TestSlowRefreshCannotUndoARevoke(t *testing.T) {
	inBubble(t, nil, func(_ *testing.T, f *fixture) {
		token, hash := f.add("alpha")
		f.expect(token, "alpha", nil)
		pass(61 * time.Second)
		f.src.set(nil, time.Second)
		f.expect(token, "alpha", nil) // begins a read in the background
		pass(500 * time.Millisecond)
		f.src.update(hash, revoke)
		f.Changed(hash)
		f.src.set(nil, 0)
		pass(time.Second)
		f.expect(token, "", keys.ErrUnknown)
	})
}

func TestRevokedKeyStaysRefusedIfTheStoreGoesDown(t *testing.T) {
	inBubble(t, nil, func(_ *testing.T, f *fixture) {
		token, hash := f.add("alpha")
		f.expect(token, "alpha", nil)
		f.src.update(hash, revoke)
		f.Changed(hash)
		f.src.set(errDown, 0)
		f.expect(token, "", keys.ErrUnavailable)
		f.expect(token, "", keys.ErrUnavailable)
		f.src.set(nil, 0)
		f.expect(token, "", keys.ErrUnknown)
	})
}

func TestRefreshFindsWhatTheFeedHasNotTold(t *testing.T) {
	for name, end := range map[string]func(*source, account.Hash){
		"revoked": func(s *source, hash account.Hash) { s.update(hash, revoke) },
		"removed": (*source).remove,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(_ *testing.T, f *fixture) {
				token, hash := f.add("alpha")
				f.expect(token, "alpha", nil)
				end(f.src, hash)
				pass(60 * time.Second)
				f.expect(token, "alpha", nil)
				f.expectReads(1)
				pass(1)
				f.expect(token, "alpha", nil)
				pass(0)
				f.expect(token, "", keys.ErrUnknown)
				f.expectReads(1)
			})
		})
	}
}

func TestRefreshRunsBehindTheOldEntry(t *testing.T) {
	inBubble(t, nil, func(_ *testing.T, f *fixture) {
		token, hash := f.add("alpha")
		f.expect(token, "alpha", nil)
		f.src.update(hash, func(k *account.Key) { k.Name = "beta" })
		pass(2 * time.Minute)
		f.src.set(nil, time.Second)
		for range 10 {
			f.expect(token, "alpha", nil)
		}
		pass(time.Second)
		f.expect(token, "beta", nil)
		f.expectReads(2)
	})
}

func TestKeysAreReadAgainWhileTheFeedIsInterrupted(t *testing.T) {
	inBubble(t, nil, func(_ *testing.T, f *fixture) {
		token, hash := f.add("alpha")
		f.SetConnected(false)
		f.expect(token, "alpha", nil)
		f.src.update(hash, func(k *account.Key) { k.Name = "beta" })
		pass(time.Second)
		f.expect(token, "alpha", nil)
		f.expectReads(1)
		pass(1)
		f.expect(token, "beta", nil)
		f.expectReads(1)

		f.src.update(hash, revoke) // too late to be seen in time, too early for the feed
		f.SetConnected(true)
		f.expect(token, "", keys.ErrUnknown)
	})
}

func TestFeedCountsAsInterruptedAtFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	defer f.Close()
	cache, err := keys.New(t.Context(), keys.DefaultConfig(), f.src, []*account.Hasher{f.hasher},
		func(_ context.Context, g account.Grant) (string, error) { return g.Key.Name, nil }, metrics.NewSet())
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	token, _ := f.add("alpha")
	now := time.Now()
	for range 2 {
		if _, err := cache.Lookup(t.Context(), token, now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(2 * time.Second)
	}
	f.expectReads(2)
}

// Several keys change all the time while others look them up. Whoever looks a key
// up after a change of it was reported must find that change or a later one.
func TestChangesHoldUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *keys.Config) { c.MaxEntries = 6 }) // fewer than keys: eviction joins in
	defer f.Close()
	const n, rounds = 8, 300
	var (
		tokens   [n][]byte
		hashes   [n]account.Hash
		reported [n]atomic.Int64
		stop     atomic.Bool
		readers  sync.WaitGroup
	)
	for i := range tokens {
		tokens[i], hashes[i] = f.add("0")
	}
	defer func() {
		stop.Store(true)
		readers.Wait()
	}()
	for i := range 4 {
		readers.Go(func() {
			for ; !stop.Load(); i++ {
				key := i % n
				reportedBefore := reported[key].Load()
				name, err := f.Lookup(t.Context(), tokens[key], time.Now())
				if err != nil {
					continue // revoked in this round or the next, or changed each time it was read
				}
				if found, err := strconv.ParseInt(name, 10, 64); err != nil || found < reportedBefore {
					t.Errorf("key %d is as it was in round %q, after round %d was reported", key, name, reportedBefore)
				}
			}
		})
	}
	for round := range int64(rounds) {
		for key := range tokens {
			revoked := round%2 == 1
			f.src.update(hashes[key], func(k *account.Key) {
				k.Name, k.RevokedAt = strconv.FormatInt(round, 10), time.Time{}
				if revoked {
					revoke(k)
				}
			})
			f.Changed(hashes[key])
			reported[key].Store(round)
			if revoked {
				f.expect(tokens[key], "", keys.ErrUnknown)
			} else {
				f.expect(tokens[key], strconv.FormatInt(round, 10), nil)
			}
		}
	}
}
