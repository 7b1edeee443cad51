package gateway

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/allow"
	"pokt.ai/gateway/chain"
	"pokt.ai/gateway/forward"
	"pokt.ai/gateway/jsonrpc"
	"pokt.ai/gateway/keys"
	"pokt.ai/gateway/limit"
	"pokt.ai/meter"
)

// relay is one request on its way. It is reused for later requests, so that a
// single call allocates nothing; nothing in it outlives the handler.
type relay struct {
	server *Server
	snap   *snapshot
	ctx    *fasthttp.RequestCtx
	id     uint64
	now    time.Time

	chain *chain.Chain
	grant *grant
	reqs  []jsonrpc.Request
	batch bool
	admit limit.Admission
	scope meter.Event // what all events of this request have in common

	fault   refusal // backs refusals with a text of their own
	items   []item
	sends   []forward.Item
	body    []byte // the decompressed request
	out     []byte // the answer, where it is not the node's own bytes
	headers []byte
}

func (r *relay) begin(ctx *fasthttp.RequestCtx) {
	r.ctx, r.snap, r.id, r.now = ctx, r.server.snapshot.Load(), r.server.nextID(), ctx.Time()
	if r.now.IsZero() { // unreadable requests have none
		r.now = time.Now()
	}
}

// end forgets the request, but keeps buffers unless they have grown large.
func (r *relay) end() {
	r.answerHeaders()
	clear(r.reqs)
	clear(r.items)
	clear(r.sends)
	*r = relay{
		server: r.server,
		reqs:   keep(r.reqs), items: keep(r.items), sends: keep(r.sends),
		body: keep(r.body), out: keep(r.out), headers: keep(r.headers),
	}
}

const keptCap = 64 << 10

func keep[T any](s []T) []T {
	if cap(s) > keptCap {
		return nil
	}
	return s[:0]
}

// relay is the request story. It returns why the request as a whole is refused,
// or nil if it was answered.
func (r *relay) relay() *refusal {
	name, token, ok := splitPath(r.ctx.URI().PathOriginal())
	if !ok {
		return notFound
	}
	if r.chain = r.snap.chains.Lookup(name); r.chain == nil {
		return unknownChain
	}
	if ref := r.identify(token); ref != nil {
		return ref
	}
	if ref := r.allowed(); ref != nil {
		return r.rejected(ref)
	}
	body, ref := r.readBody()
	if ref != nil {
		return r.rejected(ref)
	}
	reqs, batch, fault := jsonrpc.Scan(body, r.snap.limits, r.reqs[:0])
	if fault != nil {
		r.fault = scanFault(fault)
		return r.rejected(&r.fault)
	}
	r.reqs, r.batch = reqs, batch
	if batch {
		return r.relayBatch()
	}
	return r.relaySingle()
}

// identify finds out which key this is.
func (r *relay) identify(token []byte) *refusal {
	if len(token) == 0 {
		token = headerToken(&r.ctx.Request.Header)
	}
	if len(token) == 0 {
		return keyMissing
	}
	g, err := r.server.keys.Lookup(accepted{r.ctx}, token, r.now)
	if err != nil {
		switch {
		case errors.Is(err, keys.ErrMalformed):
			return keyMalformed
		case errors.Is(err, keys.ErrUnknown):
			return keyUnknown
		}
		return keyUnavailable
	}
	r.grant = g
	r.scope = meter.Event{
		TimeMicros: r.now.UnixMicro(),
		Org:        g.org,
		Key:        g.key,
		RequestID:  r.id,
		Chain:      meter.Name(r.chain.Label),
		Prices:     meter.Name(r.snap.chains.Label),
	}
	return nil
}

// accepted is the context of a request that is to be answered also if the server
// begins to stop meanwhile: fasthttp's own ends then.
type accepted struct{ *fasthttp.RequestCtx }

func (accepted) Done() <-chan struct{} { return nil }
func (accepted) Err() error            { return nil }

func headerToken(h *fasthttp.RequestHeader) []byte {
	if token := h.Peek("X-API-Key"); len(token) > 0 {
		return token
	}
	auth := h.Peek("Authorization")
	if len(auth) > len("Bearer ") && bytes.EqualFold(auth[:len("Bearer ")], []byte("Bearer ")) {
		return auth[len("Bearer "):]
	}
	return nil
}

// allowed asks the key's allowlists whether it may be used from here.
func (r *relay) allowed() *refusal {
	list := r.grant.allow
	if list.Empty() {
		return nil
	}
	switch {
	case !list.Origin(r.ctx.Request.Header.Peek("Origin")):
		return originForbidden
	case !list.IP(r.clientIP()):
		return ipForbidden
	case !list.Chain(r.chain.Name):
		return chainForbidden
	}
	return nil
}

func (r *relay) clientIP() netip.Addr {
	tcp, ok := r.ctx.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	remote, _ := netip.AddrFromSlice(tcp.IP)
	if len(r.snap.trusted) == 0 {
		return remote.Unmap()
	}
	return allow.ClientIP(remote.Unmap(), forwardedFor(&r.ctx.Request.Header), r.snap.trusted)
}

// forwardedFor joins the lines of X-Forwarded-For: each proxy may add its own.
func forwardedFor(h *fasthttp.RequestHeader) []byte {
	lines := h.PeekAll("X-Forwarded-For")
	if len(lines) == 1 {
		return lines[0]
	}
	return bytes.Join(lines, []byte(","))
}

// price says what a call costs, or why this key may not make it.
func (r *relay) price(req *jsonrpc.Request) (*chain.Method, *refusal) {
	m := r.chain.Methods.Lookup(req.Method)
	switch {
	case m.Denied:
		return m, methodDenied
	case !r.grant.allow.Method(req.Method):
		return m, methodForbidden
	case !r.grant.allow.Contract(req.Method, req.Params):
		return m, contractForbidden
	}
	return m, nil
}

// spend asks whether so many calls and compute units may be spent now.
// Everything a key sends counts as calls, also what is refused: otherwise a
// batch of nonsense would be free.
func (r *relay) spend(calls, throughput, cu int64) *refusal {
	r.admit = r.grant.state.Admit(r.now.UnixNano(), r.grant.rates, calls, throughput)
	if !r.admit.OK() {
		if r.admit.Calls.Never || r.admit.CU.Never {
			return overBurst
		}
		return rateLimited
	}
	if r.now.UnixNano() < r.grant.capped {
		return capReached
	}
	if ok, _ := r.grant.quota.Take(r.now, r.grant.monthly, cu); !ok {
		return quotaUsedUp
	}
	return nil
}

// recordable refuses what could not be recorded once it is done.
func (r *relay) recordable() *refusal {
	if r.server.recorder.Ready() != nil {
		return spoolFull
	}
	return nil
}

// relaySingle answers a single call.
func (r *relay) relaySingle() *refusal {
	req := &r.reqs[0]
	if req.Err != nil {
		r.fault = scanFault(req.Err)
		return r.rejected(&r.fault)
	}
	m, ref := r.price(req)
	ev := r.scope
	ev.Method = meter.Name(m.Label)
	cu, throughput := m.CU, m.Throughput
	if ref == nil {
		ref = r.recordable()
	}
	if ref != nil {
		cu, throughput = 0, 0
	}
	if limited := r.spend(1, int64(throughput), int64(cu)); limited != nil {
		ref = limited
	}
	if ref != nil {
		return r.record(&ev, ref.outcome, ref)
	}
	body := req.Raw
	if !req.Canonical {
		r.out = jsonrpc.AppendRequest(r.out[:0], req.ID, req)
		body = r.out
	}
	resp := &r.ctx.Response
	res := r.server.forward.Call(r.now, r.now.Add(r.snap.cfg.RequestTimeout), r.chain.Pool, m.Safety, req.ID, body, resp)
	r.describeResult(&ev, m, req, &res)
	if ev.CU == 0 {
		r.grant.quota.Give(r.now, int64(cu))
	}
	if res.Outcome != forward.Answered && res.Outcome != forward.RPCError {
		return r.record(&ev, ev.Outcome, unanswered(res.Outcome))
	}
	if err := r.server.recorder.Record(&ev); err != nil {
		r.grant.quota.Give(r.now, int64(ev.CU))
		return spoolFull
	}
	r.count(&ev)
	switch {
	case req.ID == nil:
		r.answerNothing()
	case bytes.Equal(req.ID, res.Answer.ID):
		r.answerInPlace()
	default:
		r.out = jsonrpc.AppendAnswer(r.out[:0], req.ID, &res.Answer)
		r.answer(fasthttp.StatusOK, r.out)
	}
	return nil
}

// describeResult writes what came of a call into its event.
func (r *relay) describeResult(ev *meter.Event, m *chain.Method, req *jsonrpc.Request, res *forward.Result) {
	ev.TimeMicros = res.End.UnixMicro()
	ev.Outcome = meterOutcome(res.Outcome)
	ev.LatencyMicros = uint32(min(res.End.Sub(r.now).Microseconds(), 1<<32-1))
	if res.Upstream != nil {
		ev.Upstream = meter.Name(res.Upstream.Label)
	}
	if req.ID == nil {
		ev.Flags |= meter.Notification
	}
	if res.Retried {
		ev.Flags |= meter.Retried
	}
	if ev.Outcome == meter.Answered || ev.Outcome == meter.RPCError {
		ev.CU = m.CU
		ev.ResponseBytes = uint32(len(res.Answer.Result) + len(res.Answer.Error))
		ev.RPCCode = int16(max(min(res.Answer.Code, 1<<15-1), -1<<15))
	}
}

func meterOutcome(o forward.Outcome) meter.Outcome {
	switch o {
	case forward.Answered:
		return meter.Answered
	case forward.RPCError:
		return meter.RPCError
	case forward.NoUpstream, forward.TimedOut, forward.TooLarge, forward.BadUpstream:
	}
	return unanswered(o).outcome
}

// rejected records that a request of a known key was refused before it was known
// what it asks. It counts as one call.
func (r *relay) rejected(ref *refusal) *refusal {
	if limited := r.spend(1, 0, 0); limited != nil {
		ref = limited
	}
	ev := r.scope
	return r.record(&ev, ref.outcome, ref)
}

// record records a call that ref refuses, and returns ref. What is not charged
// is refused all the same when there is no room to record it.
func (r *relay) record(ev *meter.Event, o meter.Outcome, ref *refusal) *refusal {
	ev.Outcome = o
	if r.server.recorder.Record(ev) == nil {
		r.count(ev)
	}
	return ref
}

// count keeps the metrics of a recorded call.
func (r *relay) count(ev *meter.Event) {
	r.snap.calls[r.chain.Index][ev.Outcome].Inc()
	if ev.LatencyMicros > 0 {
		r.snap.seconds[r.chain.Index].Observe(time.Duration(ev.LatencyMicros) * time.Microsecond)
	}
}
