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
	NoUpstream                     // none works, or none takes more
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

// attempts is how often a call is sent at most, each time to another upstream.
const attempts = 2

// Call sends one message, whose id is given as raw JSON (nil: a notification).
// The HTTP response is read into resp and belongs to the caller.
func (f *Forwarder) Call(now, deadline time.Time, pool *upstream.Pool, safety chain.Safety, id, body []byte, resp *fasthttp.Response) Result {
	var answer jsonrpc.Response
	r := f.send(now, deadline, pool, safety, body, resp, func(body []byte) bool {
		if id == nil {
			return true // nodes answer notifications with anything or nothing
		}
		var err error
		answer, err = jsonrpc.ScanResponse(body)
		return err == nil && sameID(id, &answer)
	})
	r.Answer = answer
	if r.Outcome == Answered && answer.Error != nil {
		r.Outcome = RPCError
	}
	return r
}

// send makes the attempts. understood reports whether a body is an answer.
func (f *Forwarder) send(now, deadline time.Time, pool *upstream.Pool, safety chain.Safety, body []byte, resp *fasthttp.Response, understood func(body []byte) bool) Result {
	r := Result{Outcome: NoUpstream, End: now}
	for attempt := range attempts {
		var e *upstream.Endpoint
		if safety == chain.Stateful {
			e = pool.First(r.End)
		} else {
			e = pool.Pick(r.End, r.Upstream)
		}
		if e == nil {
			return r
		}
		if attempt > 0 {
			f.retries.Inc()
			r.Retried = true
		}
		start := r.End
		err := e.Call(start, deadline, body, safety == chain.Safe, resp)
		r.Upstream, r.End = e, time.Now()
		v := judge(err, resp, understood)
		switch v {
		case answered:
			e.Succeeded(r.End.Sub(start))
		case busy, tooLarge: // no fault of the node
		default:
			e.Failed(r.End)
		}
		r.Outcome = v.outcome()
		if !v.again(safety) || !r.End.Before(deadline) {
			return r
		}
	}
	return r
}

// verdict is what came of one attempt.
type verdict uint8

const (
	answered  verdict = iota
	notSent           // the node has seen nothing
	busy              // all its connections are in use
	throttled         // the node refused to act
	ambiguous         // the node may have acted
	timedOut
	tooLarge
)

func judge(err *upstream.Error, resp *fasthttp.Response, understood func([]byte) bool) verdict {
	if err != nil {
		switch err.Failure {
		case upstream.NotSent:
			return notSent
		case upstream.Busy:
			return busy
		case upstream.TimedOut:
			return timedOut
		case upstream.TooLarge:
			return tooLarge
		case upstream.NoAnswer:
		}
		return ambiguous
	}
	switch status := resp.StatusCode(); {
	case status == fasthttp.StatusTooManyRequests:
		return throttled
	case status == fasthttp.StatusUnauthorized, status == fasthttp.StatusForbidden:
		return throttled // our credentials, not the caller's fault
	case status >= 500:
		return ambiguous
	}
	if !understood(resp.Body()) {
		return ambiguous
	}
	return answered
}

// again reports whether a call of that safety may be sent to another upstream.
func (v verdict) again(safety chain.Safety) bool {
	switch v {
	case notSent, busy, throttled:
		return safety != chain.Stateful
	case ambiguous:
		return safety == chain.Safe
	case answered, timedOut, tooLarge:
	}
	return false
}

func (v verdict) outcome() Outcome {
	switch v {
	case answered:
		return Answered
	case notSent, busy, throttled:
		return NoUpstream
	case timedOut:
		return TimedOut
	case tooLarge:
		return TooLarge
	case ambiguous:
	}
	return BadUpstream
}
