package gateway

import (
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/chain"
	"pokt.ai/gateway/forward"
	"pokt.ai/gateway/jsonrpc"
	"pokt.ai/meter"
)

// item is one message of a batch, at the position of its request.
type item struct {
	method *chain.Method
	refuse *refusal // why it is answered alone
	fault  refusal  // backs refuse where the text is the item's own
	send   int      // its position among those sent
}

// relayBatch answers a batch: everything is priced, then admitted together or
// refused together, and one refused item never touches its neighbours.
func (r *relay) relayBatch() *refusal {
	throughput, cu := r.priceBatch()
	ref := r.recordable()
	if ref == nil {
		ref = r.spend(int64(len(r.reqs)), throughput, cu)
	}
	if ref != nil {
		for i := range r.reqs {
			ev := r.itemEvent(i)
			r.record(&ev, ref.outcome, ref)
		}
		return ref
	}
	var responses []*fasthttp.Response
	if len(r.sends) > 0 {
		responses = r.server.forward.Batch(r.now, r.now.Add(r.snap.cfg.RequestTimeout), r.chain.Pool, r.sends)
		r.scope.TimeMicros = time.Now().UnixMicro() // events are recorded in the order of their times
	}
	r.out = append(r.out[:0], '[')
	for i := range r.reqs {
		r.answerItem(i)
	}
	for _, resp := range responses {
		fasthttp.ReleaseResponse(resp)
	}
	if len(r.out) == 1 {
		r.answerNothing() // nothing but notifications
		return nil
	}
	r.out[len(r.out)-1] = ']' // was the comma behind the last answer
	r.answer(fasthttp.StatusOK, r.out)
	return nil
}

// priceBatch sets items and sends, and returns what all that is sent costs.
func (r *relay) priceBatch() (throughput, cu int64) {
	r.items, r.sends = slices.Grow(r.items[:0], len(r.reqs))[:len(r.reqs)], r.sends[:0]
	clear(r.items)
	for i := range r.reqs {
		req, it := &r.reqs[i], &r.items[i]
		if req.Err != nil {
			it.fault = scanFault(req.Err)
			it.refuse = &it.fault
			continue
		}
		if it.method, it.refuse = r.price(req); it.refuse != nil {
			continue
		}
		it.send = len(r.sends)
		r.sends = append(r.sends, forward.Item{Request: req, Safety: it.method.Safety})
		throughput += int64(it.method.Throughput)
		cu += int64(it.method.CU)
	}
	return throughput, cu
}

func (r *relay) itemEvent(i int) meter.Event {
	ev := r.scope
	ev.Flags |= meter.InBatch
	ev.RequestBytes = uint32(len(r.reqs[i].Raw))
	if m := r.items[i].method; m != nil {
		ev.Method = meter.Name(m.Label)
	}
	return ev
}

// answerItem records one item and appends its answer, with a comma behind.
func (r *relay) answerItem(i int) {
	req, it, ev := &r.reqs[i], &r.items[i], r.itemEvent(i)
	if it.refuse != nil {
		r.record(&ev, it.refuse.outcome, it.refuse)
		r.appendRefusal(req, it.refuse)
		return
	}
	res := &r.sends[it.send].Result
	r.describeResult(&ev, it.method, req, res)
	ev.TimeMicros = r.scope.TimeMicros
	if ev.CU == 0 {
		r.grant.quota.Give(r.now, int64(it.method.CU))
	}
	if res.Outcome != forward.Answered && res.Outcome != forward.RPCError {
		r.record(&ev, ev.Outcome, nil)
		r.appendRefusal(req, unanswered(res.Outcome))
		return
	}
	if err := r.server.recorder.Record(&ev); err != nil {
		r.grant.quota.Give(r.now, int64(ev.CU))
		r.appendRefusal(req, spoolFull)
		return
	}
	r.count(&ev)
	if req.ID != nil {
		r.out = jsonrpc.AppendAnswer(r.out, req.ID, &res.Answer)
		r.out = append(r.out, ',')
	}
}

// appendRefusal answers one item of a batch. What has no id gets no answer,
// unless it is no valid request: then it is not a notification either.
func (r *relay) appendRefusal(req *jsonrpc.Request, ref *refusal) {
	if req.ID == nil && req.Err == nil {
		return
	}
	r.out = jsonrpc.AppendError(r.out, req.ID, ref.code, ref.message, nil)
	r.out = append(r.out, ',')
}
