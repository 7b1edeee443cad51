package e2e_test

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// batch is so many calls in one body.
func batch(n int, method string) string {
	calls := make([]string, n)
	for i := range calls {
		calls[i] = call(i, method)
	}
	return "[" + strings.Join(calls, ",") + "]"
}

// A burst passes, and then what the rate yields; who is refused is told how long
// to wait, and passes after that.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flags       []string
		method      string
		cost, burst int64 // in units of the limit
		perSecond   int64
		policy      string
	}{
		"calls": {[]string{"--calls-per-second", "4", "--calls-burst", "10"}, "eth_chainId", 1, 10, 4, `"calls";q=10;w=3`},
		"cu":    {[]string{"--cu-per-second", "100", "--cu-burst", "600"}, "eth_getTransactionReceipt", 20, 600, 100, `"cu";q=600;w=6`},
		// Priced by what it asks of a node rather than by what it is billed.
		"throughput": {[]string{"--cu-per-second", "100", "--cu-burst", "1000"}, "eth_sendRawTransaction", 250, 1000, 100, `"cu";q=1000;w=10`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.start()
			h.org("acme")
			k := h.key("acme", c.flags...)
			w := h.wire(t)
			began := time.Now()
			var passed, refused int64
			var last answer
			for range 2 * c.burst / c.cost {
				if last = h.ask(w, k.Token, c.method); last.StatusCode == http.StatusOK {
					passed++
				} else {
					refused++
				}
				if got := last.Header.Get("RateLimit-Policy"); got != c.policy {
					t.Fatalf("%s: RateLimit-Policy is %q, want %q", last.Status, got, c.policy)
				}
			}
			most := (c.burst + c.perSecond*int64(1+time.Since(began)/time.Second)) / c.cost
			if passed < c.burst/c.cost || passed > most {
				t.Errorf("%d calls passed, want %d to %d", passed, c.burst/c.cost, most)
			}
			wait := checkThrottled(t, last)
			<-time.After(wait)
			if a := h.ask(w, k.Token, c.method); a.StatusCode != http.StatusOK {
				t.Errorf("after the %v that it was told to wait: %s %s", wait, a.Status, a.body)
			} else {
				passed++
			}
			h.stop()
			groups, total := h.usage("acme", "status")
			if groups["rate_limited"] != (count{refused, 0}) || total.Calls != passed+refused {
				t.Errorf("%d passed and %d were refused, usage is %v", passed, refused, groups)
			}
		})
	}
}

// checkThrottled returns how long a refused client is to wait.
func checkThrottled(t *testing.T, a answer) time.Duration {
	t.Helper()
	m, code := a.message()
	if a.StatusCode != http.StatusTooManyRequests || code != -32005 || string(m.ID) != "1" {
		t.Fatalf("over the limit: %s %s", a.Status, a.body)
	}
	seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		t.Errorf("Retry-After is %q", a.Header.Get("Retry-After"))
	}
	ms := m.Error.Data.RetryAfterMs
	if ms < 1 || int64(seconds) != max((ms+999)/1000, 1) {
		t.Errorf("retry_after_ms is %d where Retry-After is %d", ms, seconds)
	}
	if got := a.Header.Get("RateLimit"); !regexp.MustCompile(`^"(calls|cu)";r=[0-9]+;t=[0-9]+$`).MatchString(got) {
		t.Errorf("RateLimit is %q", got)
	}
	return time.Duration(ms) * time.Millisecond
}

// A batch is admitted whole or refused whole.
func TestBatchLimits(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.start()
	h.org("acme")
	for name, c := range map[string]struct {
		flags []string
		fits  int
	}{
		"calls": {[]string{"--calls-per-second", "1", "--calls-burst", "20"}, 20},
		"cu":    {[]string{"--cu-per-second", "1", "--cu-burst", "205"}, 20},
	} {
		t.Run(name, func(t *testing.T) {
			h := h.in(t)
			k := h.key("acme", c.flags...)
			w := h.wire(t)
			expect := func(size, status, code int) answer {
				t.Helper()
				a, err := w.exchange(post("/v1/dev/"+k.Token, batch(size, "eth_blockNumber")))
				must(t, err)
				m, got := a.message()
				if a.StatusCode != status || status != http.StatusOK && (got != code || string(m.ID) != "null") {
					t.Errorf("a batch of %d: %s %.300s, want %d and code %d", size, a.Status, a.body, status, code)
				}
				return a
			}
			// One that no waiting would help is told so, and takes nothing.
			if a := expect(c.fits+1, 400, -32600); a.Header.Get("Retry-After") != "" {
				t.Error("a batch above the burst is told to retry")
			}
			expect(c.fits-5, 200, 0)
			expect(10, 429, -32005)
			expect(5, 200, 0)
			expect(3, 429, -32005)
		})
	}
	h.stop()
	groups, _ := h.usage("acme", "status")
	want := map[string]count{"answered": {40, 400}, "rate_limited": {2 * (21 + 10 + 3), 0}}
	if diff := cmp.Diff(want, groups); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
}

// The month's quota is spent to its last unit and no further, also by many at
// once, also across a restart. What costs nothing goes on.
func TestMonthlyQuota(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.start()
	h.org("acme", "--monthly-cu", "505")
	keys := []key{h.key("acme"), h.key("acme")}
	var passed, refused atomic.Int64
	spend := func() {
		var wg sync.WaitGroup
		for i := range 40 {
			w := h.wire(t)
			wg.Go(func() {
				for range 2 {
					a, err := w.exchange(post("/v1/dev/"+keys[i%2].Token, call(1, "eth_blockNumber")))
					_, code := a.message()
					switch {
					case err != nil:
						t.Error(err)
					case a.StatusCode == http.StatusOK && code == 0:
						passed.Add(1)
					case a.StatusCode == http.StatusPaymentRequired && code == -32012 && a.Header.Get("Retry-After") == "":
						refused.Add(1)
					default:
						t.Errorf("answered with %s %s", a.Status, a.body)
					}
				}
			})
		}
		wg.Wait()
	}
	spend()
	h.kill()
	h.start()
	spend()
	if passed.Load() != 50 {
		t.Errorf("%d calls of 10 CU passed on a quota of 505", passed.Load())
	}
	if a := h.ask(h.wire(t), keys[0].Token, "eth_chainId"); a.StatusCode != http.StatusOK {
		t.Errorf("a call that costs nothing: %s", a.Status)
	}
	// A larger plan is used at once.
	h.cli("plan", "set", "acme", "--monthly-cu", "515")
	w := h.wire(t)
	eventually(t, "the larger quota counts", func() bool {
		a := h.ask(w, keys[1].Token, "eth_blockNumber")
		if a.StatusCode == http.StatusOK {
			passed.Add(1)
			return true
		}
		refused.Add(1)
		return false
	})
	if a := h.ask(w, keys[0].Token, "eth_blockNumber"); a.StatusCode != http.StatusPaymentRequired {
		t.Errorf("past the larger quota: %s", a.Status)
	}
	refused.Add(1)
	h.stop()
	groups, _ := h.usage("acme", "status")
	want := map[string]count{"answered": {passed.Load() + 1, 10 * passed.Load()}, "quota_exceeded": {refused.Load(), 0}}
	if diff := cmp.Diff(want, groups); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
}
