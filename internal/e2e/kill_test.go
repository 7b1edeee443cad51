package e2e_test

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What was answered is counted, whatever happens to the process: relays from many
// connections, kill -9 at random moments, the same data again. An answer that the
// kill itself cut off may be counted or not, nothing else.
func TestKill(t *testing.T) {
	const connections, kills = 64, 3
	relays := int64(100_000)
	if raceEnabled {
		relays = 10_000
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)

	h := newHouse(t)
	h.start()
	h.org("acme")
	request := post("/v1/dev/"+h.key("acme").Token, call(1, "eth_blockNumber"))

	// The process is killed when that many relays are answered.
	killAt := make(map[int64]bool)
	for len(killAt) < kills {
		killAt[relays/20+random.Int64N(relays*9/10)] = true
	}
	kill := make(chan int64, kills)
	var sent, answered, lost atomic.Int64
	var workers sync.WaitGroup
	defer workers.Wait()
	for range connections {
		workers.Go(func() {
			w := h.reach(t)
			for w != nil && sent.Add(1) <= relays {
				a, err := w.exchange(request)
				for err != nil {
					lost.Add(1)
					w.Close()
					if w = h.reach(t); w == nil {
						return
					}
					a, err = w.exchange(request)
				}
				if _, code := a.message(); a.StatusCode != http.StatusOK || code != 0 {
					t.Errorf("answered with %s %s", a.Status, a.body)
					return
				}
				if n := answered.Add(1); killAt[n] {
					kill <- n
				}
			}
			if w != nil {
				w.Close()
			}
		})
	}
	for range kills {
		n := within(t, "enough relays for the next kill", kill)
		t.Logf("kill at %d, %d lost before", n, lost.Load())
		h.kill()
		// Also while it starts and recovers what it left behind.
		h.launch()
		<-time.After(time.Duration(random.Int64N(int64(100 * time.Millisecond))))
		h.kill()
		h.start()
	}
	workers.Wait()
	h.stop()

	unanswered := lost.Load()
	if answered.Load() != relays {
		t.Errorf("%d relays answered, want %d", answered.Load(), relays)
	}
	groups, total := h.usage("acme", "status")
	t.Logf("%d answered and %d not, %d in the usage", answered.Load(), unanswered, total.Calls)
	if total.Calls < relays || total.Calls > relays+unanswered {
		t.Errorf("usage has %d calls, want %d, to which %d without an answer may be added", total.Calls, relays, unanswered)
	}
	if total.CU != 10*total.Calls || groups["answered"] != total {
		t.Errorf("usage is %v in all and %v by status, want 10 CU for each call and all of them answered", total, groups)
	}
}

// reach connects to a gateway that may be down at the moment. It returns nil if
// that stays so, or the test has failed.
func (h *house) reach(t *testing.T) *wire {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	end := time.After(patience)
	for !t.Failed() {
		w, err := h.dial()
		if err == nil {
			return w
		}
		select {
		case <-again.C:
		case <-end:
			t.Errorf("no connection within %v: %v", patience, err)
		}
	}
	return nil
}
