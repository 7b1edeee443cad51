package keys_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"pokt.ai/gateway/keys"
	"pokt.ai/internal/account"
)

var errDown = errors.New("connection refused")

// A source is a store in memory that can be slow or down. A read sees what is
// stored when it begins, as a transaction does.
type source struct {
	mu     sync.Mutex
	grants map[account.Hash]account.Grant
	err    error
	delay  time.Duration // of each read

	reads   atomic.Int64
	running atomic.Int64
	most    atomic.Int64 // that ran at once
}

func (s *source) GrantByHash(ctx context.Context, hash account.Hash) (account.Grant, error) {
	s.reads.Add(1)
	running := s.running.Add(1)
	defer s.running.Add(-1)
	for most := s.most.Load(); running > most && !s.most.CompareAndSwap(most, running); most = s.most.Load() {
	}
	s.mu.Lock()
	grant, ok := s.grants[hash]
	err, delay := s.err, s.delay
	s.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return account.Grant{}, ctx.Err()
		}
	}
	switch {
	case err != nil:
		return account.Grant{}, err
	case !ok:
		return account.Grant{}, account.ErrNotFound
	}
	return grant, nil
}

// set changes the source itself.
func (s *source) set(err error, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.delay = err, delay
}

// update changes a stored key.
func (s *source) update(hash account.Hash, change func(*account.Key)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	grant := s.grants[hash]
	change(&grant.Key)
	s.grants[hash] = grant
}

func (s *source) remove(hash account.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.grants, hash)
}

// A fixture is a cache of the names of keys, connected to its feed.
type fixture struct {
	*keys.Cache[string]
	t      testing.TB
	src    *source
	hasher *account.Hasher // of the current pepper
	set    *metrics.Set
	builds atomic.Int64
}

func hasher(t testing.TB, version int) *account.Hasher {
	t.Helper()
	pepper := make([]byte, account.MinPepperLen)
	pepper[0] = byte(version)
	h, err := account.NewHasher(version, pepper)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// newFixture returns one with the default configuration as changed by change.
func newFixture(t testing.TB, change func(*keys.Config), older ...*account.Hasher) *fixture {
	t.Helper()
	cfg := keys.DefaultConfig()
	cfg.MaxEntries = 1000
	if change != nil {
		change(&cfg)
	}
	f := &fixture{
		t:      t,
		src:    &source{grants: make(map[account.Hash]account.Grant)},
		hasher: hasher(t, 9),
		set:    metrics.NewSet(),
	}
	build := func(_ context.Context, g account.Grant) (string, error) {
		f.builds.Add(1)
		if g.Key.Name == "" {
			return "", errors.New("a key without a name")
		}
		return g.Key.Name, nil
	}
	var err error
	f.Cache, err = keys.New(t.Context(), cfg, f.src, append([]*account.Hasher{f.hasher}, older...), build, f.set)
	if err != nil {
		t.Fatal(err)
	}
	f.SetConnected(true)
	return f
}

// inBubble runs test on a fixture in a bubble of its own, whose time stands still
// while anything runs.
func inBubble(t *testing.T, change func(*keys.Config), test func(*testing.T, *fixture)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, change)
		defer f.Close()
		test(t, f)
	})
}

// add stores a key of that name and returns its token and hash.
func (f *fixture) add(name string) (token []byte, hash account.Hash) {
	f.t.Helper()
	token = newToken(f.t)
	hash = f.hasher.Sum(token)
	f.src.mu.Lock()
	defer f.src.mu.Unlock()
	f.src.grants[hash] = account.Grant{Key: account.Key{ID: account.NewKeyID(), Name: name, Hash: hash}}
	return token, hash
}

func newToken(t testing.TB) []byte {
	t.Helper()
	token, err := account.NewToken(account.Live)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(token)
}

// expect looks a token up now. What is expected is the name, or the error.
func (f *fixture) expect(token []byte, want string, wantErr error) {
	f.t.Helper()
	f.expectAt(time.Now(), token, want, wantErr)
}

func (f *fixture) expectAt(now time.Time, token []byte, want string, wantErr error) {
	f.t.Helper()
	got, err := f.Lookup(f.t.Context(), token, now)
	if got != want || !errors.Is(err, wantErr) {
		f.t.Errorf("got %q, %v, want %q, %v", got, err, want, wantErr)
	}
}

// expectReads says how often the store has been read since the last time.
func (f *fixture) expectReads(want int64) {
	f.t.Helper()
	if got := f.src.reads.Swap(0); got != want {
		f.t.Errorf("the store was read %d times, want %d", got, want)
	}
}

// pass lets time pass, and what runs in the background end.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
