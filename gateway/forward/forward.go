// Package forward makes one call, or one batch, under one deadline: it asks an
// upstream, says what came of it, and asks another one if that is safe.
//
// Which upstream is the best is the job of gateway/upstream; what a client is
// told is that of gateway.
package forward

import (
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/chain"
	"pokt.ai/gateway/jsonrpc"
	"pokt.ai/gateway/upstream"
)

// Outcome is what came of a call.
type Outcome uint8

// The outcomes of a call.
const (
	Answered    Outcome = iota + 1 // the node gave a result
	RPCError                       // the node gave a JSON-RPC error
	NoUpstream                     // none could be reached, or none takes more
	TimedOut                       // no answer by the deadline
	TooLarge                       // the answer is larger than allowed
	BadUpstream                    // cut off, or answered with something else than JSON-RPC
)

// A Result is the outcome of a call.
type Result struct {
	Outcome  Outcome
	Upstream *upstream.Endpoint // the last one asked; nil: none
	Retried  bool               // more than one upstream was asked
	Answer   jsonrpc.Response   // for Answered and RPCError; spans of the response's body
	End      time.Time
}

// A Forwarder is safe for concurrent use.
type Forwarder struct {
	retries *metrics.Counter
}

// New returns a Forwarder.
func New(set *metrics.Set) *Forwarder {
	return &Forwarder{retries: set.GetOrCreateCounter("poktai_forward_retries_total")}
}

// Call sends one message, whose id is given as raw JSON (nil: a notification).
// The HTTP response is read into resp and belongs to the caller.
func (f *Forwarder) Call(now, deadline time.Time, pool *upstream.Pool, safety chain.Safety, id, body []byte, resp *fasthttp.Response) Result {
	r := Result{Outcome: NoUpstream, End: now}
	for {
		e := next(pool, safety, &r)
		if e == nil {
			return r
		}
		var answer jsonrpc.Response
		again := f.ask(e, deadline, safety, body, resp, &r, func(body []byte, errorsOnly bool) upstream.Failure {
			return readAnswer(id, body, errorsOnly, &answer)
		})
		if r.Outcome == Answered {
			r.settle(&answer)
		}
		if !again {
			return r
		}
	}
}

// next returns the upstream to ask after what r says happened, or nil.
func next(pool *upstream.Pool, safety chain.Safety, r *Result) *upstream.Endpoint {
	if safety == chain.Stateful {
		return pool.First(r.End)
	}
	return pool.Pick(r.End, r.Upstream)
}

// ask sends body to e and puts what came of it into r. It reports whether another
// upstream may be asked: once, and only if there is time left.
func (f *Forwarder) ask(e *upstream.Endpoint, deadline time.Time, safety chain.Safety, body []byte, resp *fasthttp.Response, r *Result, read reader) (again bool) {
	if !r.End.Before(deadline) {
		r.Outcome = TimedOut
		return false
	}
	if r.Upstream != nil {
		f.retries.Inc()
		r.Retried = true
	}
	end, failure := e.Call(r.End, deadline, body, safety == chain.Safe, resp, func(resp *fasthttp.Response) upstream.Failure {
		return judge(resp, read)
	})
	r.Outcome, r.Upstream, r.End = outcome(failure), e, end
	return !r.Retried && end.Before(deadline) && repeatable(failure, safety)
}

// settle takes over the answer of a call that got one.
func (r *Result) settle(a *jsonrpc.Response) {
	r.Answer = *a
	if a.Error != nil {
		r.Outcome = RPCError
	}
}

// repeatable reports whether a call of that safety may be sent to another upstream
// after such a failure. Late and large answers would be so again.
func repeatable(f upstream.Failure, safety chain.Safety) bool {
	switch {
	case f == upstream.None, f == upstream.TimedOut, f == upstream.TooLarge, safety == chain.Stateful:
		return false
	}
	return safety == chain.Safe || !f.MayHaveActed()
}

func outcome(f upstream.Failure) Outcome {
	switch f {
	case upstream.None:
		return Answered
	case upstream.NotSent, upstream.Busy, upstream.Denied:
		return NoUpstream
	case upstream.TimedOut:
		return TimedOut
	case upstream.TooLarge:
		return TooLarge
	case upstream.Cut, upstream.Unfit, upstream.Refused, upstream.BadStatus, upstream.BadAnswer:
	}
	return BadUpstream
}
