package forward_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/chain"
	"pokt.ai/gateway/forward"
	"pokt.ai/gateway/jsonrpc"
	"pokt.ai/gateway/upstream"
)

// items makes the items of a batch from a line of methods: all have the id 7, but
// for notifications, "-m"; "!m" is a write and "@m" is tied to one node.
func items(t testing.TB, line string) []forward.Item {
	t.Helper()
	var list []forward.Item
	for m := range strings.FieldsSeq(line) {
		it := forward.Item{}
		id := `"id":7,`
		switch m[0] {
		case '-':
			id, m = "", m[1:]
		case '!':
			it.Safety, m = chain.Write, m[1:]
		case '@':
			it.Safety, m = chain.Stateful, m[1:]
		}
		body := fmt.Sprintf(`{"jsonrpc":"2.0",%s"method":%q,"params":[1]}`, id, m)
		reqs, _, fault := jsonrpc.Scan([]byte(body), jsonrpc.Limits{MaxDepth: 10}, nil)
		if fault != nil || reqs[0].Err != nil {
			t.Fatal(fault, reqs[0].Err)
		}
		it.Request = &reqs[0]
		list = append(list, it)
	}
	return list
}

// batch sends items and describes their results.
func batch(pool *upstream.Pool, list []forward.Item, deadline time.Duration) []string {
	now := time.Now()
	responses := forward.New(metrics.NewSet()).Batch(now, now.Add(deadline), pool, list)
	var got []string
	for i := range list {
		got = append(got, describe(&list[i].Result))
	}
	for _, r := range responses {
		fasthttp.ReleaseResponse(r)
	}
	return got
}

// methods returns what each request asked for, sorted, as "m1+m2".
func methods(n *node) []string {
	var all []string
	for _, body := range n.seen() {
		var names []string
		for _, m := range requests(body) {
			names = append(names, m.Method)
		}
		all = append(all, strings.Join(names, "+"))
	}
	slices.Sort(all)
	return all
}

func one(t testing.TB, maxBatch int, behave behaviour) (*upstream.Pool, *node) {
	t.Helper()
	n := serve(t, behave)
	return upstream.NewPool([]*upstream.Endpoint{newEndpoint(t, newLoop(t), "a", n.url, maxBatch)}), n
}

func TestBatchIsCutToWhatTheNodeTakes(t *testing.T) {
	for _, tc := range []struct {
		max  int
		line string
		want []string
	}{
		{0, "a b c d e", []string{"a+b+c+d+e"}},
		{5, "a b c d e", []string{"a+b+c+d+e"}},
		{2, "a b c d e", []string{"a+b", "c+d", "e"}},
		{1, "a b c", []string{"a", "b", "c"}},
		{0, "a", []string{"a"}},
		{0, "a !w b @f c !x", []string{"a+b+c", "f", "w", "x"}},
		{0, "-n a", []string{"n+a"}},
		{0, "-n -o", []string{"n+o"}},
		{0, "-n", []string{"n"}},
	} {
		pool, n := one(t, tc.max, healthy("a"))
		list := items(t, tc.line)
		var want []string
		for _, it := range list {
			if it.Request.ID == nil {
				want = append(want, "answered ")
			} else {
				want = append(want, fmt.Sprintf(`answered "a %s"`, it.Request.Method))
			}
		}
		if diff := cmp.Diff(want, batch(pool, list, patience)); diff != "" {
			t.Errorf("%s by %d: results (-want +got):\n%s", tc.line, tc.max, diff)
		}
		if diff := cmp.Diff(tc.want, methods(n)); diff != "" {
			t.Errorf("%s by %d: requests (-want +got):\n%s", tc.line, tc.max, diff)
		}
	}
}

func TestBatchOnTheWire(t *testing.T) {
	pool, n := one(t, 2, healthy("a"))
	batch(pool, items(t, "a -b !c -d"), patience)
	got := n.seen()
	slices.Sort(got)
	want := []string{
		`[{"jsonrpc":"2.0","id":0,"method":"a","params":[1]},{"jsonrpc":"2.0","method":"b","params":[1]}]`,
		`{"jsonrpc":"2.0","id":0,"method":"c","params":[1]}`,
		`{"jsonrpc":"2.0","method":"d","params":[1]}`,
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// The first node answers a batch of three calls, of which the second is a
// notification, in some way; the second node is healthy.
func TestAnswersOfBatches(t *testing.T) {
	const fault = `"error":{"code":-32600,"message":"batch too large"}`
	entry := func(id, result string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%q}`, id, result)
	}
	array := func(entries ...string) string { return "[" + strings.Join(entries, ",") + "]" }
	byB := []string{`answered "b x", retried`, `answered , retried`, `answered "b y", retried`}
	byA := []string{`answered "0"`, `answered `, `answered "2"`}
	for name, tc := range map[string]struct {
		a    behaviour
		want []string
	}{
		"in order":      {says(200, array(entry("0", "0"), entry("2", "2"))), byA},
		"in no order":   {says(200, array(entry("2", "2"), entry("0", "0"))), byA},
		"error of one":  {says(200, array(`{"id":2,`+fault+`}`, entry("0", "0"))), []string{byA[0], byA[1], `error {"code":-32600,"message":"batch too large"}`}},
		"missing":       {says(200, array(entry("0", "0"))), byB},
		"twice":         {says(200, array(entry("0", "0"), entry("0", "2"))), byB},
		"too many":      {says(200, array(entry("0", "0"), entry("2", "2"), entry("1", "1"))), byB},
		"foreign":       {says(200, array(entry("0", "0"), entry("3", "2"))), byB},
		"negative":      {says(200, array(entry("0", "0"), entry("-2", "2"))), byB},
		"fraction":      {says(200, array(entry("0", "0"), entry("2.5", "2"))), byB},
		"text":          {says(200, array(entry("0", "0"), entry(`"2"`, "2"))), byB},
		"no id":         {says(200, array(entry("0", "0"), entry("null", "2"))), byB},
		"notification":  {says(200, array(entry("0", "0"), entry("1", "2"))), byB},
		"empty":         {says(200, "[]"), byB},
		"nothing":       {says(200, ""), byB},
		"one result":    {says(200, entry("0", "0")), byB},
		"one error":     {says(200, `{"id":null,`+fault+`}`), byB},
		"one as geth":   {says(200, array(`{"id":0,`+fault+`}`)), byB},
		"one with 400":  {says(400, `{"id":null,`+fault+`}`), byB},
		"all with 500":  {says(500, array(entry("0", "0"), entry("2", "2"))), byB},
		"throttled":     {says(429, ""), byB},
		"cut":           {sends("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[" + entry("0", "0")), byB},
		"too large":     {sends("HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"), []string{"too large", "too large", "too large"}},
		"nested inside": {says(200, array(array(entry("0", "0"), entry("2", "2")))), byB},
	} {
		t.Run(name, func(t *testing.T) {
			pool, a, _ := newPool(t, newLoop(t), tc.a)
			if diff := cmp.Diff(tc.want, batch(pool, items(t, "x -n y"), patience)); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
			if len(a.seen()) != 1 {
				t.Errorf("%d requests, want 1", len(a.seen()))
			}
		})
	}
}

// A node that takes no batches is no worse for single calls.
func TestRefusedBatchPutsNoNodeToRest(t *testing.T) {
	pool, _ := one(t, 0, func(c *net.TCPConn, body string) bool {
		if strings.HasPrefix(body, "[") {
			return says(200, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no batches"}}`)(c, body)
		}
		return healthy("a")(c, body)
	})
	other, _ := one(t, 0, healthy("b"))
	for range 5 {
		if diff := cmp.Diff([]string{"bad upstream", "bad upstream"}, batch(pool, items(t, "x y"), patience)); diff != "" {
			t.Fatalf("results (-want +got):\n%s", diff)
		}
	}
	both := upstream.NewPool([]*upstream.Endpoint{pool.Endpoints()[0], other.Endpoints()[0]})
	if both.First(time.Now()) != pool.Endpoints()[0] {
		t.Error("it rests")
	}
}

// One item does not decide what becomes of the others.
func TestPartsFailAlone(t *testing.T) {
	pool, _, _ := newPool(t, newLoop(t), func(c *net.TCPConn, body string) bool {
		if strings.Contains(body, `"bad`) {
			return false
		}
		return healthy("a")(c, body)
	})
	a := upstream.NewPool(pool.Endpoints()[:1])
	want := []string{`answered "a x"`, "bad upstream", "bad upstream", `answered "a y"`}
	if diff := cmp.Diff(want, batch(a, items(t, "x !bad1 @bad2 y"), patience)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

// What the first node failed to answer is cut anew for the second.
func TestRetryIsCutToWhatTheOtherTakes(t *testing.T) {
	loop := newLoop(t)
	pool, a, b := newPool(t, loop, says(500, ""))
	pool = upstream.NewPool([]*upstream.Endpoint{pool.Endpoints()[0], newEndpoint(t, loop, "b", b.url, 2)})
	for len(a.seen()) == 0 { // b is asked first now and then
		list := items(t, "v w x y z")
		for i, got := range batch(pool, list, patience) {
			if got = strings.TrimSuffix(got, ", retried"); got != fmt.Sprintf(`answered "b %s"`, list[i].Request.Method) {
				t.Errorf("item %d: %s", i, got)
			}
		}
	}
	for _, body := range b.seen() {
		if n := len(requests(body)); n > 2 {
			t.Errorf("b was sent %d calls at once, want at most 2", n)
		}
	}
}

// A thousand calls that go singly are sixteen at once.
func TestPartsAtOnce(t *testing.T) {
	const atOnce = 16
	var (
		mu        sync.Mutex
		now, most int
		arrived   = make(chan struct{})
	)
	pool, n := one(t, 1, func(c *net.TCPConn, body string) bool {
		mu.Lock()
		now++
		if most = max(most, now); now == atOnce {
			select {
			case <-arrived:
			default:
				close(arrived)
			}
		}
		mu.Unlock()
		<-arrived // never, if there are fewer
		mu.Lock()
		now--
		mu.Unlock()
		return healthy("a")(c, body)
	})
	list := items(t, strings.Repeat("m ", 1000))
	for i, got := range batch(pool, list, patience) {
		if got != `answered "a m"` {
			t.Fatalf("item %d: %s", i, got)
		}
	}
	if most > atOnce || len(n.seen()) != 1000 {
		t.Errorf("%d requests, %d at once, want 1000 and %d", len(n.seen()), most, atOnce)
	}
}

// What a call waited for before it was sent is not the node's slowness.
func TestWaitingIsNotTheNodes(t *testing.T) {
	pool, _ := one(t, 0, healthy("a"))
	list, began := items(t, "x y"), time.Now().Add(-10*time.Second)
	forward.New(metrics.NewSet()).Batch(began, began.Add(time.Minute), pool, list)
	slow, _ := one(t, 0, healthy("b"))
	var resp fasthttp.Response
	slow.Endpoints()[0].Call(time.Now(), time.Now().Add(patience), []byte("{}"), true, &resp, func(*fasthttp.Response) upstream.Failure {
		return upstream.BadStatus // counts as a second
	})
	both := upstream.NewPool([]*upstream.Endpoint{slow.Endpoints()[0], pool.Endpoints()[0]})
	if both.Pick(time.Now(), nil) != pool.Endpoints()[0] {
		t.Error("the node looks slow")
	}
}

func TestDeadlineOfBatch(t *testing.T) {
	pool, n := one(t, 1, hangs)
	for i, got := range batch(pool, items(t, strings.Repeat("m ", 100)), 100*time.Millisecond) {
		if got != "timed out" {
			t.Fatalf("item %d: %s", i, got)
		}
	}
	if got := len(n.seen()); got > 16 {
		t.Errorf("%d requests: some were sent when the time was over", got)
	}
	empty := upstream.NewPool(nil)
	if diff := cmp.Diff([]string{"no upstream", "no upstream"}, batch(empty, items(t, "a !b"), patience)); diff != "" {
		t.Errorf("empty pool (-want +got):\n%s", diff)
	}
}

func TestBatchOfNothing(t *testing.T) {
	pool, n := one(t, 0, healthy("a"))
	if got := batch(pool, nil, patience); got != nil || len(n.seen()) != 0 {
		t.Errorf("%v after %d requests", got, len(n.seen()))
	}
}

// A fault comes to the goroutine that can do something about it, and only when
// nothing reads the request any more.
func TestFaultComesToTheCaller(t *testing.T) {
	pool, _ := one(t, 1, healthy("a"))
	list := items(t, strings.Repeat("m ", 100))
	list[50].Request = nil
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	batch(pool, list, patience)
}
