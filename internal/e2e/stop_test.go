package e2e_test

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Requests that are with a node when the process is told to stop are answered,
// while everybody else is sent away.
func TestStopWaitsForRequestsInFlight(t *testing.T) {
	t.Parallel()
	const calls = 20
	node := newHolder(t)
	h := newHouse(t, chainOf("slow", node.url))
	h.start()
	h.org("acme")
	k := h.key("acme")
	idle := h.wire(t)
	if a := h.ask(idle, k.Token, "eth_blockNumber"); a.StatusCode != http.StatusOK {
		t.Fatal(a.Status)
	}
	wires := make([]*wire, calls)
	for i := range wires {
		wires[i] = h.wire(t)
		_, err := wires[i].Write(post("/v1/slow/"+k.Token, call(i, "eth_blockNumber")))
		must(t, err)
	}
	for range wires {
		within(t, "all calls are with the node", node.arrived)
	}

	h.signal(syscall.SIGTERM)
	eventually(t, "/readyz fails", func() bool {
		status, body := h.get("/readyz")
		return status == http.StatusServiceUnavailable && body == "draining\n"
	})
	if status, _ := h.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz while draining: %d", status)
	}
	eventually(t, "new connections are refused", func() bool {
		w, err := h.dial()
		if err == nil {
			w.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	if _, err := idle.in.ReadByte(); err == nil {
		t.Error("an idle connection got an answer to nothing")
	}
	close(node.answer)
	for i, w := range wires {
		a, err := w.receive(http.MethodPost)
		if err != nil {
			t.Errorf("call %d: %v", i, err)
			continue
		}
		if m, code := a.message(); a.StatusCode != http.StatusOK || code != 0 || string(m.Result) != `"0x1"` {
			t.Errorf("call %d: %s %s", i, a.Status, a.body)
		}
	}
	if code := h.wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	groups, _ := h.usage("acme", "chain")
	if diff := cmp.Diff(map[string]count{"slow": {calls, 10 * calls}, "dev": {1, 10}}, groups); diff != "" {
		t.Errorf("usage (-sent +counted):\n%s", diff)
	}
}

// A process is told to stop under load. Its clients see answers and then the end
// of their connections. Usage holds what they were answered and nothing more:
// every request that was accepted got its answer.
func TestStopUnderLoad(t *testing.T) {
	const connections = 32
	h := newHouse(t)
	h.start()
	h.org("acme")
	request := post("/v1/dev/"+h.key("acme").Token, call(1, "eth_blockNumber"))
	var answered, loading atomic.Int64
	loaded := make(chan struct{})
	var workers sync.WaitGroup
	for range connections {
		w := h.wire(t)
		workers.Go(func() {
			for n := 1; ; n++ {
				a, err := w.exchange(request)
				if err != nil {
					return
				}
				if _, code := a.message(); a.StatusCode != http.StatusOK || code != 0 {
					t.Errorf("answered with %s %s", a.Status, a.body)
					return
				}
				answered.Add(1)
				if n == 20 && loading.Add(1) == connections {
					close(loaded)
				}
			}
		})
	}
	within(t, "every client has answers", loaded)
	h.stop()
	workers.Wait()
	groups, _ := h.usage("acme", "status")
	if diff := cmp.Diff(map[string]count{"answered": {answered.Load(), 10 * answered.Load()}}, groups); diff != "" {
		t.Errorf("usage (-clients +gateway):\n%s", diff)
	}
}
