package e2e_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A client asks with one key until it is told to stop, and keeps the time at
// which the last request began that was answered.
type client struct {
	answered  int64
	lastBegan time.Time
	refusedAt time.Time // when it first saw a refusal
}

// A key is revoked by another process while it is under load: it is refused soon
// after, on all connections at once, and what was answered is what is counted.
func TestRevokeUnderLoad(t *testing.T) {
	const connections = 32
	h := newHouse(t)
	h.start()
	h.org("acme")
	k := h.key("acme")
	request := post("/v1/dev/"+k.Token, call(1, "eth_blockNumber"))

	var (
		loaded  = make(chan struct{}) // closed when all clients got an answer
		loading atomic.Int64
		clients [connections]client
		givenUp atomic.Bool
		workers sync.WaitGroup
	)
	defer workers.Wait()
	defer givenUp.Store(true)
	for i := range clients {
		c := &clients[i]
		workers.Go(func() {
			w, err := h.dial()
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Close()
			// Beyond its first refusal, to see that none is answered again.
			for refused := 0; refused < 100 && !givenUp.Load(); {
				began := time.Now()
				a, err := w.exchange(request)
				if err != nil {
					t.Error(err)
					return
				}
				switch m, code := a.message(); {
				case a.StatusCode == http.StatusOK && m.Result != nil:
					c.lastBegan = began
					if c.answered++; c.answered == 10 && loading.Add(1) == connections {
						close(loaded)
					}
				case a.StatusCode == http.StatusUnauthorized && code == -32010:
					if refused++; refused == 1 {
						c.refusedAt = time.Now()
					}
				default:
					t.Errorf("answered with %s %s", a.Status, a.body)
					return
				}
			}
		})
	}
	within(t, "every client has answers", loaded)
	h.cli("key", "revoke", k.ID)
	revoked := time.Now()
	defer time.AfterFunc(10*time.Second, func() { givenUp.Store(true) }).Stop()
	workers.Wait()
	h.stop()

	var answered int64
	var first, last time.Time
	for _, c := range clients {
		answered += c.answered
		if c.refusedAt.IsZero() {
			t.Fatalf("the key works on some connection still %v after it was revoked", time.Since(revoked))
		}
		if first.IsZero() || c.refusedAt.Before(first) {
			first = c.refusedAt
		}
		if c.lastBegan.After(last) {
			last = c.lastBegan
		}
	}
	t.Logf("%d answered, the last of them begun %v after the revocation", answered, last.Sub(revoked))
	if last.After(first) {
		t.Errorf("a request was answered that began %v after another one was refused", last.Sub(first))
	}
	// A second is promised; the rest is for the machine.
	if late := last.Sub(revoked); late > 3*time.Second {
		t.Errorf("the key worked for %v after it was revoked", late)
	}
	groups, _ := h.usage("acme", "status")
	if diff := cmp.Diff(map[string]count{"answered": {answered, 10 * answered}}, groups); diff != "" {
		t.Errorf("usage (-clients +gateway):\n%s", diff)
	}
}

// A rotated key has a successor at once, and ends when its overlap does.
func TestRotate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.start()
	h.org("acme")
	w := h.wire(t)
	status := func(k key) int { return h.ask(w, k.Token, "eth_chainId").StatusCode }
	rotate := func(k key, overlap string) key {
		t.Helper()
		return cliJSON[key](h, "key", "rotate", k.ID, "--overlap", overlap)
	}
	ends := func(k key) {
		t.Helper()
		eventually(t, "the rotated key is refused", func() bool { return status(k) == http.StatusUnauthorized })
	}

	first := h.key("acme")
	if s := status(first); s != http.StatusOK {
		t.Fatalf("a new key: %d", s)
	}
	second := rotate(first, "0")
	if s := status(second); s != http.StatusOK {
		t.Errorf("the successor: %d", s)
	}
	ends(first)

	third := rotate(second, "1h")
	// When the news of a later change has arrived, then that of this one has too.
	other := h.key("acme")
	if s := status(other); s != http.StatusOK {
		t.Fatalf("another key: %d", s)
	}
	h.cli("key", "revoke", other.ID)
	ends(other)
	for name, k := range map[string]key{"rotated": second, "successor": third} {
		if s := status(k); s != http.StatusOK {
			t.Errorf("%s key within the overlap: %d", name, s)
		}
	}

	began := time.Now()
	fourth := rotate(third, "2s")
	ends(third)
	if d := time.Since(began); d < 2*time.Second {
		t.Errorf("an overlap of 2s was over after %v", d)
	}
	if s := status(fourth); s != http.StatusOK {
		t.Errorf("the last successor: %d", s)
	}
}
