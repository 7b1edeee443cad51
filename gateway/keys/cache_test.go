package keys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/gateway/keys"
	"pokt.ai/internal/account"
)

func TestKnownKeyIsReadOnce(t *testing.T) {
	inBubble(t, nil, func(_ *testing.T, f *fixture) {
		token, _ := f.add("alpha")
		for range 5 {
			f.expect(token, "alpha", nil)
		}
		f.expectReads(1)
	})
}

func TestMalformedTokenIsNotLookedUp(t *testing.T) {
	inBubble(t, nil, func(_ *testing.T, f *fixture) {
		token, _ := f.add("alpha")
		token[12]++
		for _, bad := range [][]byte{token, token[:20], nil, bytes.Repeat([]byte("x"), 1000)} {
			f.expect(bad, "", keys.ErrMalformed)
		}
		f.expectReads(0)
	})
}

func TestHerdReadsOnce(t *testing.T) {
	inBubble(t, nil, func(_ *testing.T, f *fixture) {
		token, _ := f.add("alpha")
		f.src.set(nil, time.Second)
		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() {
				<-time.After(time.Duration(i) * 4 * time.Millisecond)
				f.expect(token, "alpha", nil)
			})
		}
		wg.Wait()
		f.expectReads(1)
	})
}

func TestUnknownRevokedAndExpiredLookTheSame(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		revoked, hash := f.add("revoked")
		f.src.update(hash, func(k *account.Key) { k.RevokedAt = time.Now() })
		expired, hash := f.add("expired")
		f.src.update(hash, func(k *account.Key) { k.ExpiresAt = time.Now() })
		for _, token := range [][]byte{newToken(t), revoked, expired} {
			if _, err := f.Lookup(t.Context(), token, time.Now()); err != keys.ErrUnknown { //nolint:errorlint // not even wrapped: nothing may tell them apart
				t.Errorf("got %v", err)
			}
		}
		f.expectReads(3)
		if n := f.builds.Load(); n != 0 {
			t.Errorf("something was made of %d keys that may not be used", n)
		}
	})
}

func TestKeyEndsToTheNanosecond(t *testing.T) {
	for name, set := range map[string]func(k *account.Key, end time.Time){
		"expires":         func(k *account.Key, end time.Time) { k.ExpiresAt = end },
		"revoked ahead":   func(k *account.Key, end time.Time) { k.RevokedAt = end },
		"expires sooner":  func(k *account.Key, end time.Time) { k.ExpiresAt, k.RevokedAt = end, end.Add(1) },
		"revoked earlier": func(k *account.Key, end time.Time) { k.ExpiresAt, k.RevokedAt = end.Add(1), end },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(_ *testing.T, f *fixture) {
				token, hash := f.add("alpha")
				end := time.Now().Add(30 * time.Second)
				f.src.update(hash, func(k *account.Key) { set(k, end) })
				f.expect(token, "alpha", nil)
				f.expectReads(1)
				f.src.set(errDown, 0)
				f.expectAt(end.Add(-1), token, "alpha", nil)
				f.expectAt(end, token, "", keys.ErrUnknown)
				f.expectReads(0)
			})
		})
	}
}

func TestUnknownKeyIsRememberedForItsTime(t *testing.T) {
	inBubble(t, func(c *keys.Config) { c.UnknownTTL = 5 * time.Second }, func(t *testing.T, f *fixture) {
		token := newToken(t)
		f.expect(token, "", keys.ErrUnknown)
		pass(5*time.Second - 1)
		f.expect(token, "", keys.ErrUnknown)
		f.expectReads(1)
		pass(1)
		f.expect(token, "", keys.ErrUnknown)
		f.expectReads(1)
	})
}

func TestChangeMakesAnUnknownKeyKnown(t *testing.T) {
	for name, change := range map[string]func(*fixture, account.Hash){
		"of that key":  func(f *fixture, hash account.Hash) { f.Changed(hash) },
		"of all keys":  func(f *fixture, _ account.Hash) { f.ChangedAll() },
		"feed is back": func(f *fixture, _ account.Hash) { f.SetConnected(true) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(_ *testing.T, f *fixture) {
				token, hash := f.add("alpha")
				f.src.update(hash, func(k *account.Key) { k.RevokedAt = time.Now() })
				f.expect(token, "", keys.ErrUnknown)
				f.src.update(hash, func(k *account.Key) { k.RevokedAt = time.Time{} })
				f.expect(token, "", keys.ErrUnknown)
				change(f, hash)
				f.expect(token, "alpha", nil)
			})
		})
	}
}

func TestEvictionCostsALookUpAndNeverAnAnswer(t *testing.T) {
	inBubble(t, func(c *keys.Config) { c.MaxEntries = 50 }, func(t *testing.T, f *fixture) {
		tokens := make([][]byte, 500)
		for i := range tokens {
			tokens[i], _ = f.add(fmt.Sprint("key ", i))
		}
		for range 3 {
			for i, token := range tokens {
				f.expect(token, fmt.Sprint("key ", i), nil)
			}
		}
		if n := f.metric(`poktai_keys_entries`); n == "0" || len(n) > 2 || n > "50" {
			t.Errorf("%s entries are kept, want some and at most 50", n)
		}
		if n := f.src.reads.Load(); n < 1000 {
			t.Errorf("%d reads for 1,500 look-ups of 500 keys in a cache of 50", n)
		}
	})
}

// metric returns the value of a metric as it is written.
func (f *fixture) metric(name string) string {
	f.t.Helper()
	var b bytes.Buffer
	f.set.WritePrometheus(&b)
	for line := range strings.Lines(b.String()) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	f.t.Fatalf("no metric %s in\n%s", name, b.String())
	return ""
}

func TestKeyUnderAnOlderPepper(t *testing.T) {
	t.Parallel()
	old := hasher(t, 3)
	f := newFixture(t, nil, hasher(t, 5), old)
	defer f.Close()
	token := newToken(t)
	hash := old.Sum(token)
	f.src.update(hash, func(k *account.Key) { k.Name = "old" })
	f.expect(token, "old", nil)
	f.expectReads(3)
	f.expect(token, "old", nil)
	f.expectReads(0)
	f.src.update(hash, func(k *account.Key) { k.RevokedAt = time.Now() })
	f.Changed(hash)
	f.expect(token, "", keys.ErrUnknown)
	f.expectReads(1)
	f.expect(token, "", keys.ErrUnknown)
	f.expectReads(0)
	f.src.update(hash, func(k *account.Key) { k.RevokedAt = time.Time{} })
	f.Changed(hash)
	f.expect(token, "old", nil)
}

// A key that is made while older peppers are in use is announced under its own
// hash, which is not the one under which the token was found unknown first.
func TestKeyMadeUnderAnOlderPepperIsFound(t *testing.T) {
	t.Parallel()
	old := hasher(t, 3)
	f := newFixture(t, nil, old)
	defer f.Close()
	token := newToken(t)
	f.expect(token, "", keys.ErrUnknown)
	f.src.update(old.Sum(token), func(k *account.Key) { k.Name = "old" })
	f.Changed(old.Sum(token))
	f.expect(token, "old", nil)
}

func TestTokenIsNeitherKeptNorShown(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	defer f.Close()
	alpha, _ := f.add("alpha")
	beta, _ := f.add("beta")
	buffer := make([]byte, len(alpha)) // as the server reuses its own
	for range 3 {
		copy(buffer, alpha)
		f.expect(buffer, "alpha", nil)
		copy(buffer, beta)
		f.expect(buffer, "beta", nil)
	}
	f.src.set(errDown, 0)
	for _, token := range [][]byte{newToken(t), append(newToken(t), 'x')} {
		_, err := f.Lookup(t.Context(), token, time.Now())
		if err == nil || strings.Contains(err.Error(), string(token[10:])) {
			t.Errorf("got %v", err)
		}
	}
}

func TestCallerMayLeaveBeforeTheStoreAnswers(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		token, _ := f.add("alpha")
		f.src.set(nil, time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := f.Lookup(ctx, token, began)
		if !errors.Is(err, keys.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 100*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		pass(time.Second)
		f.expect(token, "alpha", nil)
		f.expectReads(1)
	})
}

func TestCloseEndsReads(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		token, _ := f.add("alpha")
		f.src.set(nil, time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := f.Lookup(ctx, token, time.Now()); !errors.Is(err, keys.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		began := time.Now()
		f.Close()
		f.Close()
		if d := time.Since(began); d != 0 || f.src.running.Load() != 0 {
			t.Errorf("closed after %v with %d reads running", d, f.src.running.Load())
		}
		f.expect(token, "", keys.ErrUnavailable)
		f.Changed(account.Hash{})
	})
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	hashers := []*account.Hasher{hasher(t, 1)}
	for name, make := range map[string]func() error{
		"no pepper": func() error {
			_, err := keys.New[int](t.Context(), keys.DefaultConfig(), nil, nil, nil, nil)
			return err
		},
		"no room": func() error {
			cfg := keys.DefaultConfig()
			cfg.MaxEntries = 0
			_, err := keys.New[int](t.Context(), cfg, nil, hashers, nil, nil)
			return err
		},
	} {
		if make() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestConfigReportsEveryFault(t *testing.T) {
	t.Parallel()
	faults := func(c keys.Config) (list []string) {
		c.Validate(func(key, _ string) { list = append(list, key) })
		return list
	}
	if got := faults(keys.DefaultConfig()); got != nil {
		t.Errorf("the defaults are refused: %v", got)
	}
	want := []string{"max_entries", "refresh_after", "serve_stale_for", "unknown_ttl", "max_loads", "load_timeout"}
	if diff := cmp.Diff(want, faults(keys.Config{ServeStaleFor: -1, UnknownTTL: -1})); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}
