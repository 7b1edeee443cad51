package upstream_test

import (
	"sync"
	"testing"
	"time"

	"pokt.ai/gateway/upstream"
	"pokt.ai/internal/secret"
)

// newPool returns a pool of endpoints of nodes that echo, and hold what is "slow".
func newPool(t testing.TB, n int, options ...option) (pool *upstream.Pool, arrived, release chan struct{}) {
	t.Helper()
	arrived, release = make(chan struct{}), make(chan struct{})
	loop := newLoop(t)
	endpoints := make([]*upstream.Endpoint, n)
	for i := range endpoints {
		node := serve(t, func(_ *node, c *peer) {
			for {
				body, more := c.read()
				if !more {
					return
				}
				if body == "slow" {
					arrived <- struct{}{}
					<-release
				}
				c.send(ok(body))
			}
		})
		endpoints[i] = newEndpoint(t, loop, node.url, options...)
	}
	return upstream.NewPool(endpoints), arrived, release
}

// shares returns how often each endpoint is picked at now, out of 3000 times.
func shares(pool *upstream.Pool, now time.Time) map[*upstream.Endpoint]int {
	counts := make(map[*upstream.Endpoint]int)
	for range 3000 {
		counts[pool.Pick(now, nil)]++
	}
	return counts
}

func TestPickShares(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8, 12} {
		pool, _, _ := newPool(t, n)
		counts := shares(pool, time.Now())
		for i, e := range pool.Endpoints() {
			// Eight standard deviations: by chance it never happens.
			if fair := 3000 / n; counts[e] < fair/2 || counts[e] > fair*2 {
				t.Errorf("endpoint %d of %d alike was picked %d times of 3000", i, n, counts[e])
			}
		}
	}
}

func TestPickNoneButOther(t *testing.T) {
	pool, _, _ := newPool(t, 2)
	a, b := pool.Endpoints()[0], pool.Endpoints()[1]
	for range 100 {
		if got := pool.Pick(time.Now(), a); got != b {
			t.Fatal("picked the endpoint that was not to be")
		}
	}
	if got := upstream.NewPool([]*upstream.Endpoint{a}).Pick(time.Now(), a); got != nil {
		t.Error("picked where there is no other")
	}
	empty := upstream.NewPool(nil)
	if empty.Pick(time.Now(), nil) != nil || empty.First(time.Now()) != nil {
		t.Error("picked from an empty pool")
	}
}

func TestPickAvoidsTheBusy(t *testing.T) {
	pool, arrived, release := newPool(t, 2)
	a, b := pool.Endpoints()[0], pool.Endpoints()[1]
	var calls sync.WaitGroup
	calls.Go(func() { call(a, "slow") })
	<-arrived
	if counts := shares(pool, time.Now()); counts[a] != 0 {
		t.Errorf("the endpoint with a call in flight was picked %d times of 3000", counts[a])
	}
	if pool.Pick(time.Now(), b) != a {
		t.Error("the busy endpoint is not picked where there is no other")
	}
	close(release)
	calls.Wait()
}

func TestPickAvoidsTheFull(t *testing.T) {
	pool, arrived, release := newPool(t, 2, func(c *upstream.Config, _ *upstream.Deps) { c.MaxConns = 1 })
	full, failing := pool.Endpoints()[0], pool.Endpoints()[1]
	report(t, failing, time.Now(), upstream.BadStatus) // and so it looks slow
	var calls sync.WaitGroup
	calls.Go(func() { call(full, "slow") })
	<-arrived
	for _, order := range [][]*upstream.Endpoint{{full, failing}, {failing, full}} {
		if counts := shares(upstream.NewPool(order), time.Now()); counts[full] != 0 {
			t.Errorf("the endpoint with all connections in use was picked %d times of 3000", counts[full])
		}
	}
	close(release)
	calls.Wait()
}

func TestPickAvoidsTheFailing(t *testing.T) {
	faults := []upstream.Failure{
		upstream.NotSent, upstream.TimedOut, upstream.Cut, upstream.Denied, upstream.Refused, upstream.BadStatus, upstream.BadAnswer,
	}
	for _, f := range faults {
		pool, _, _ := newPool(t, 2)
		a, b := pool.Endpoints()[0], pool.Endpoints()[1]
		call(b, "x")
		began := time.Now()
		// It failed at once; that must not make it look fast.
		report(t, a, time.Now(), f)
		if counts := shares(pool, time.Now()); counts[a] != 0 {
			t.Errorf("%v: the endpoint that failed was picked %d times of 3000", f, counts[a])
		}
		for range 3 {
			report(t, a, time.Now(), f)
		}
		later := began.Add(time.Second)
		if counts := shares(pool, later); counts[a] != 0 {
			t.Errorf("%v: the endpoint that rests was picked %d times of 3000", f, counts[a])
		}
		if pool.First(later) != b {
			t.Errorf("%v: the first endpoint rests, and yet is taken", f)
		}
		if later := time.Now().Add(1100 * time.Millisecond); pool.First(later) != a {
			t.Errorf("%v: the endpoint rests for ever", f)
		}
		if later := time.Now().Add(10 * time.Minute); shares(pool, later)[a] == 0 {
			t.Errorf("%v: the endpoint is never tried again", f)
		}
	}
}

// What a client can bring about with its requests puts no node to rest for others.
func TestRequestsPutNoEndpointToRest(t *testing.T) {
	for _, f := range []upstream.Failure{upstream.Unfit, upstream.TooLarge, upstream.Busy} {
		pool, _, _ := newPool(t, 2)
		for range 10 {
			report(t, pool.Endpoints()[0], time.Now(), f)
		}
		if pool.First(time.Now()) != pool.Endpoints()[0] {
			t.Errorf("%v puts an endpoint to rest", f)
		}
	}
}

func TestLastEndpointIsAskedThoughItRests(t *testing.T) {
	for _, n := range []int{1, 3} {
		pool, _, _ := newPool(t, n)
		for _, e := range pool.Endpoints() {
			for range 5 {
				report(t, e, time.Now(), upstream.BadStatus)
			}
		}
		if pool.Pick(time.Now(), nil) == nil || pool.First(time.Now()) != pool.Endpoints()[0] {
			t.Errorf("none of %d endpoints is asked when all rest", n)
		}
		e := pool.Endpoints()[n-1]
		if _, f := call(e, "x"); f != upstream.None {
			t.Fatal(f)
		}
		if got := pool.Pick(time.Now(), nil); got != e {
			t.Errorf("the endpoint that answered is not picked among %d", n)
		}
	}
}

func TestPoolsKeepWhatStays(t *testing.T) {
	loop := newLoop(t)
	nodes := []*node{serve(t, echo), serve(t, echo), serve(t, echo)}
	cfg := func(name string, n *node) upstream.Config { return upstream.Config{Name: name, URL: secret.New(n.url)} }
	pools := upstream.NewPools(t.Context(), func() upstream.Deps { d := deps(); d.Dialer = loop; return d }())
	build := func(cfgs ...upstream.Config) []*upstream.Endpoint {
		t.Helper()
		pool, err := pools.Build("dev", cfgs)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range pool.Endpoints() {
			if _, f := call(e, "x"); f != upstream.None {
				t.Fatal(f)
			}
		}
		return pool.Endpoints()
	}
	before := build(cfg("a", nodes[0]), cfg("b", nodes[1]))
	pools.Commit()

	// A build that is discarded closes what it made, and nothing else.
	if discarded := build(cfg("a", nodes[0]), cfg("b", nodes[2])); discarded[0] != before[0] || discarded[1] == before[1] {
		t.Error("the unchanged endpoint is another, or the changed one the same")
	}
	pools.Discard()
	nodes[2].ended(t)

	after := build(cfg("b", nodes[1]), cfg("c", nodes[2]))
	if after[0] != before[1] {
		t.Error("the unchanged endpoint is another")
	}
	if got := nodes[1].accepted.Load(); got != 1 {
		t.Errorf("%d connections to the unchanged endpoint, want 1", got)
	}
	pools.Commit()
	nodes[0].ended(t)

	if _, err := pools.Build("dev", []upstream.Config{cfg("b", nodes[1]), {Name: "d"}}); err == nil {
		t.Error("an endpoint without a URL was built")
	}
	pools.Discard()
	pools.Close()
	nodes[1].ended(t)
	nodes[2].ended(t)
	pools.Close()
}
