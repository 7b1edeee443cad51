package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pokt.ai/internal/testclickhouse"
)

// Usage goes to a ClickHouse that is down at first, from a gateway that is killed
// in the middle: nothing is lost or doubled, and verify says so.
func TestUsageInClickHouse(t *testing.T) {
	engine := testclickhouse.Stopped(t)
	h := newHouse(t)
	h.edit("meter: {spool:", fmt.Sprintf(`meter: {sink: clickhouse, clickhouse: {addresses: ["%s"]}, ship: {retry_max: 200ms}, rating: {every: 200ms}, spool:`, engine.Native))
	h.start()
	h.org("acme")
	request := post("/v1/dev/"+h.key("acme").Token, call(1, "eth_blockNumber"))

	const connections = 16
	relays := int64(10_000)
	if raceEnabled {
		relays = 1_000
	}
	var answered, lost atomic.Int64
	// load makes the relays of one phase, and calls midway when half of them are
	// answered.
	load := func(midway func()) {
		var sent, done atomic.Int64
		half := make(chan struct{})
		var workers sync.WaitGroup
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
					answered.Add(1)
					if done.Add(1) == relays/2 {
						close(half)
					}
				}
				if w != nil {
					w.Close()
				}
			})
		}
		within(t, "half of the relays", half)
		midway()
		workers.Wait()
	}
	load(func() {}) // ClickHouse is down
	engine.Start(t)
	eventually(t, "usage in ClickHouse", func() bool {
		return strings.Contains(h.run("usage", "--org", "acme", "--by", "status").stdout, fmt.Sprint(relays))
	})
	load(func() {
		h.kill()
		h.start()
	})

	// What verify waits for is in open hours or on its way; once the gateway has
	// stopped, nothing is.
	h.stop()
	groups, total := h.usage("acme", "status")
	t.Logf("%d answered and %d not, %d in the usage", answered.Load(), lost.Load(), total.Calls)
	if total.Calls < answered.Load() || total.Calls > answered.Load()+lost.Load() {
		t.Errorf("usage has %d calls, want %d, to which %d without an answer may be added", total.Calls, answered.Load(), lost.Load())
	}
	if groups["answered"] != total || total.CU != 10*total.Calls {
		t.Errorf("usage is %v in all and %v by status", total, groups)
	}
	report := h.cli("meter", "verify")
	if !strings.Contains(report, "everything is equal") || !strings.Contains(report, fmt.Sprint(total.Calls)) {
		t.Errorf("verify says\n%s", report)
	}
}
