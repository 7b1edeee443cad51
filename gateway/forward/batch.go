package forward

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/chain"
	"pokt.ai/gateway/jsonrpc"
	"pokt.ai/gateway/upstream"
)

// An Item is one call of a batch.
type Item struct {
	Request *jsonrpc.Request
	Safety  chain.Safety
	Result  Result // set by Batch
}

// maxParts bounds how many parts of one batch are under way at once.
const maxParts = 16

// Batch sends items in as few batches as the upstreams take, and sets the Result
// of each. Ids are replaced by positions on the way, so that neither equal ids
// nor a node's order can mix up answers. Calls that are not safe to repeat are
// sent on their own, so that they do not keep the others from being retried.
//
// The answers are spans of the returned responses: release them when done.
func (f *Forwarder) Batch(now, deadline time.Time, pool *upstream.Pool, items []Item) []*fasthttp.Response {
	b := batch{forward: f, pool: pool, deadline: deadline}
	var safe []*Item
	for i := range items {
		item := &items[i]
		item.Result = Result{Outcome: NoUpstream, End: now}
		if item.Safety == chain.Safe {
			safe = append(safe, item)
		} else {
			b.todo = append(b.todo, &part{items: []*Item{item}, last: item.Result})
		}
	}
	if len(safe) > 0 {
		b.todo = append(b.todo, &part{items: safe, last: Result{Outcome: NoUpstream, End: now}})
	}
	b.workers = 1
	b.work()
	b.running.Wait()
	if b.fault != nil {
		panic(b.fault)
	}
	return b.responses
}

// batch is a batch under way.
type batch struct {
	forward  *Forwarder
	pool     *upstream.Pool
	deadline time.Time
	running  sync.WaitGroup

	mu        sync.Mutex
	todo      []*part
	workers   int
	responses []*fasthttp.Response
	fault     error // a panic of a worker, for the goroutine of the request
}

// part is some calls of a batch that are sent together: either all of them are
// safe to repeat, or there is only one.
type part struct {
	items []*Item
	last  Result // of all of them; it says who is not asked again
}

// work sends parts until there are none left. Parts that come back are sent by
// the worker that brought them, if by no other.
func (b *batch) work() {
	defer func() {
		if fault := recover(); fault != nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.todo, b.fault = nil, fmt.Errorf("%v\n%s", fault, debug.Stack())
		}
	}()
	for {
		p, e, resp := b.take()
		if p == nil {
			return
		}
		if e != nil && b.send(p, e, resp) {
			b.mu.Lock()
			b.todo = append(b.todo, p)
			b.mu.Unlock()
		}
	}
}

// take returns the next part, cut to what the upstream that shall have it takes,
// and a response to read into; or a part and no upstream if there is none for it,
// or no part if there are none left. It starts another worker if more are.
func (b *batch) take() (*part, *upstream.Endpoint, *fasthttp.Response) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.todo) == 0 {
		b.workers--
		return nil, nil, nil
	}
	p := b.todo[0]
	p.last.End = time.Now() // it may have waited
	e := next(b.pool, p.items[0].Safety, &p.last)
	if e == nil || len(p.items) <= e.MaxBatch {
		b.todo = b.todo[1:]
	} else {
		rest := &part{items: p.items[e.MaxBatch:], last: p.last}
		p.items, b.todo[0] = p.items[:e.MaxBatch], rest
	}
	if len(b.todo) > 0 && b.workers < maxParts {
		b.workers++
		b.running.Go(b.work)
	}
	if e == nil {
		return p, nil, nil
	}
	resp := fasthttp.AcquireResponse()
	b.responses = append(b.responses, resp)
	return p, e, resp
}

// send asks e, and reports whether p is to be sent once more.
func (b *batch) send(p *part, e *upstream.Endpoint, resp *fasthttp.Response) (again bool) {
	body := appendPart(p.items)
	answers := make([]jsonrpc.Response, len(p.items))
	read := func(body []byte, errorsOnly bool) upstream.Failure {
		if len(p.items) == 1 {
			return readAnswer(position(p.items, 0), body, errorsOnly, &answers[0])
		}
		return readAnswers(p.items, body, errorsOnly, answers)
	}
	again = b.forward.ask(e, b.deadline, p.items[0].Safety, body, resp, &p.last, read)
	for i, item := range p.items {
		item.Result = p.last
		if p.last.Outcome == Answered {
			item.Result.settle(&answers[i])
		}
	}
	return again
}

// position is the id that the item at i is sent with, nil for a notification.
func position(items []*Item, i int) []byte {
	if items[i].Request.ID == nil {
		return nil
	}
	return strconv.AppendInt(nil, int64(i), 10)
}

// appendPart returns the message of one item, or the batch of several.
func appendPart(items []*Item) []byte {
	size := 2
	for _, item := range items {
		size += len(item.Request.Raw) + len(`{"jsonrpc":"2.0","id":1000,"method":"","params":},`)
	}
	body := make([]byte, 0, size)
	if len(items) == 1 {
		return jsonrpc.AppendRequest(body, position(items, 0), items[0].Request)
	}
	body = append(body, '[')
	for i, item := range items {
		body = jsonrpc.AppendRequest(body, position(items, i), item.Request)
		body = append(body, ',')
	}
	body[len(body)-1] = ']'
	return body
}

// readAnswers puts the answers of body at their positions. There must be exactly
// one for each call. One error for all of them is how nodes refuse a batch: not in
// an array as the specification has it, or in one, as geth does.
func readAnswers(items []*Item, body []byte, errorsOnly bool, answers []jsonrpc.Response) upstream.Failure {
	calls := 0
	for _, item := range items {
		if item.Request.ID != nil {
			calls++
		}
	}
	if calls == 0 && !errorsOnly {
		return upstream.None
	}
	list, array, err := jsonrpc.ScanResponses(body, make([]jsonrpc.Response, 0, calls))
	switch {
	case err != nil:
		return upstream.BadAnswer
	case len(list) == 1 && list[0].Error != nil && (!array || calls > 1):
		return upstream.Unfit
	case !array || errorsOnly || len(list) != calls:
		return upstream.BadAnswer
	}
	clear(answers)
	for i := range list {
		at, err := strconv.Atoi(string(list[i].ID))
		if err != nil || at < 0 || at >= len(items) || items[at].Request.ID == nil || answers[at].ID != nil {
			return upstream.BadAnswer
		}
		answers[at] = list[i]
	}
	return upstream.None
}
