package forward

import (
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

// Batch sends items in as few batches as the upstreams take, and sets the Result
// of each. Ids are replaced by positions on the way, so that neither equal ids
// nor a node's order can mix up answers. Calls that are not safe to repeat are
// sent on their own, so that they do not keep the others from being retried.
//
// The answers are spans of the returned responses: release them when done.
func (f *Forwarder) Batch(now, deadline time.Time, pool *upstream.Pool, items []Item) []*fasthttp.Response {
	parts := split(items, maxBatch(pool))
	responses := make([]*fasthttp.Response, len(parts))
	for i := range responses {
		responses[i] = fasthttp.AcquireResponse()
	}
	var wg sync.WaitGroup
	for i, part := range parts[1:] {
		wg.Go(func() { f.part(now, deadline, pool, part, responses[i+1]) })
	}
	f.part(now, deadline, pool, parts[0], responses[0])
	wg.Wait()
	return responses
}

// maxBatch is the largest batch that every upstream of the pool takes: the
// parts are made before it is known who gets them.
func maxBatch(pool *upstream.Pool) int {
	n := 1
	for i, e := range pool.Endpoints() {
		if i == 0 || e.MaxBatch < n {
			n = e.MaxBatch
		}
	}
	return n
}

func split(items []Item, size int) [][]*Item {
	var parts [][]*Item
	var safe []*Item
	for i := range items {
		item := &items[i]
		if item.Safety != chain.Safe {
			parts = append(parts, []*Item{item})
			continue
		}
		if safe = append(safe, item); len(safe) == size {
			parts = append(parts, safe)
			safe = nil
		}
	}
	if len(safe) > 0 {
		parts = append(parts, safe)
	}
	return parts
}

func (f *Forwarder) part(now, deadline time.Time, pool *upstream.Pool, items []*Item, resp *fasthttp.Response) {
	if len(items) == 1 {
		item := items[0]
		var id []byte
		if item.Request.ID != nil {
			id = []byte("0")
		}
		body := jsonrpc.AppendRequest(nil, id, item.Request)
		item.Result = f.Call(now, deadline, pool, item.Safety, id, body, resp)
		return
	}
	var body []byte
	calls := 0
	for i, item := range items {
		sep := byte(',')
		if i == 0 {
			sep = '['
		}
		body = append(body, sep)
		var id []byte
		if item.Request.ID != nil {
			id = strconv.AppendInt(nil, int64(i), 10)
			calls++
		}
		body = jsonrpc.AppendRequest(body, id, item.Request)
	}
	body = append(body, ']')

	answers := make([]*jsonrpc.Response, len(items))
	r := f.send(now, deadline, pool, chain.Safe, body, resp, func(body []byte) bool {
		return match(body, answers, calls)
	})
	for i, item := range items {
		item.Result = r
		if r.Outcome != Answered || item.Request.ID == nil {
			continue
		}
		item.Result.Answer = *answers[i]
		if answers[i].Error != nil {
			item.Result.Outcome = RPCError
		}
	}
}

// match puts the answers of body at their positions, and reports whether there
// is exactly one for each call.
func match(body []byte, answers []*jsonrpc.Response, calls int) bool {
	if calls == 0 {
		return true
	}
	clear(answers)
	list, batch, err := jsonrpc.ScanResponses(body, make([]jsonrpc.Response, 0, calls))
	if err != nil || !batch || len(list) != calls {
		return false
	}
	for i := range list {
		at, err := strconv.Atoi(string(list[i].ID))
		if err != nil || at < 0 || at >= len(answers) || answers[at] != nil {
			return false
		}
		answers[at] = &list[i]
	}
	return true
}
