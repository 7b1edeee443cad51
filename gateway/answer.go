package gateway

import (
	"fmt"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/jsonrpc"
	"pokt.ai/gateway/limit"
)

// answerInPlace answers with the body that the upstream's response left in ours,
// without a copy. Not one of its headers is passed on.
func (r *relay) answerInPlace() {
	resp := &r.ctx.Response
	resp.Header.Reset()
	resp.Header.SetNoDefaultContentType(true)
	resp.Header.SetContentType(contentJSON)
	if body := resp.Body(); r.compresses(body) {
		r.out = append(r.out[:0], body...)
		r.answer(fasthttp.StatusOK, r.out)
	}
}

// answer answers with body, which may be part of r.
func (r *relay) answer(status int, body []byte) {
	resp := &r.ctx.Response
	resp.Reset()
	resp.SetStatusCode(status)
	resp.Header.SetContentType(contentJSON)
	if !r.compresses(body) {
		resp.SetBody(body)
		return
	}
	resp.Header.Set("Content-Encoding", "gzip")
	resp.Header.Set("Vary", "Accept-Encoding")
	resp.SetBodyRaw(fasthttp.AppendGzipBytesLevel(nil, body, fasthttp.CompressBestSpeed))
}

// answerNothing answers notifications.
func (r *relay) answerNothing() {
	r.ctx.Response.Reset()
	r.ctx.Response.SetStatusCode(fasthttp.StatusNoContent)
}

const (
	contentJSON = "application/json"
	// A body that fits into one packet gains nothing from compression.
	minCompressed = 1400
)

func (r *relay) compresses(body []byte) bool {
	return len(body) >= minCompressed && r.ctx.Request.Header.HasAcceptEncoding("gzip")
}

// refuse answers with the JSON-RPC error of ref, with the caller's id if the
// request has one that can be read.
func (r *relay) refuse(ref *refusal) {
	if c := r.server.refused[ref]; c != nil {
		c.Inc()
	}
	var data []byte
	if ref.retry {
		r.headers = append(r.headers[:0], `{"retry_after_ms":`...)
		r.headers = strconv.AppendInt(r.headers, int64(r.retryAfter()/time.Millisecond), 10)
		r.headers = append(r.headers, '}')
		data = r.headers
	}
	r.out = jsonrpc.AppendError(r.out[:0], r.callerID(), ref.code, ref.message, data)
	r.answer(ref.status, r.out)
	if ref.retry {
		r.headers = strconv.AppendInt(r.headers[:0], int64((r.retryAfter()+time.Second-1)/time.Second), 10)
		r.ctx.Response.Header.SetCanonical(headerRetryAfter, r.headers)
	}
}

// retryAfter is how long a refused client should wait, in whole milliseconds:
// until the limit that refused it gives way, or a second where nobody knows.
func (r *relay) retryAfter() time.Duration {
	if wait := max(r.admit.Calls.RetryAfter, r.admit.CU.RetryAfter); wait > 0 {
		return (wait + time.Millisecond - 1).Truncate(time.Millisecond) // up: no earlier than it helps
	}
	return time.Second
}

// Ids are looked for in bodies up to this size when a request is refused unread.
const peekLimit = 64 << 10

// callerID returns the id of a single call.
func (r *relay) callerID() []byte {
	if r.batch {
		return nil
	}
	if len(r.reqs) == 0 {
		body := r.ctx.Request.Body()
		if len(body) == 0 || len(body) > peekLimit || len(r.ctx.Request.Header.ContentEncoding()) > 0 {
			return nil
		}
		reqs, batch, fault := jsonrpc.Scan(body, r.snap.limits, r.reqs[:0])
		if fault != nil || batch {
			return nil
		}
		r.reqs = reqs
	}
	return r.reqs[0].ID
}

// answerHeaders adds what every answer has.
func (r *relay) answerHeaders() {
	h := &r.ctx.Response.Header
	r.headers = appendHex(r.headers[:0], r.id)
	h.SetCanonical(headerRequestID, r.headers)
	if r.grant != nil && len(r.grant.policy) > 0 && r.admit != (limit.Admission{}) {
		h.SetCanonical(headerRateLimitPolicy, r.grant.policy)
		r.headers = r.grant.appendRateLimit(r.headers[:0], &r.admit)
		h.SetCanonical(headerRateLimit, r.headers)
	}
	if len(r.ctx.Request.Header.Peek("Origin")) > 0 {
		// Any page may read the answer: what a key may be used from is
		// enforced by its allowlist, and no cookie opens anything here.
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "RateLimit, RateLimit-Policy, Retry-After, X-Request-Id")
	}
}

var (
	headerRequestID       = []byte("X-Request-Id")
	headerRateLimitPolicy = []byte("Ratelimit-Policy")
	headerRateLimit       = []byte("Ratelimit")
	headerRetryAfter      = []byte("Retry-After")
)

// preflight answers what a browser asks before a call of another origin.
func (r *relay) preflight() {
	r.answerNothing()
	h := &r.ctx.Response.Header
	h.Set("Access-Control-Allow-Methods", "POST, GET, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Content-Type, Content-Encoding, Authorization, X-API-Key")
	h.Set("Access-Control-Max-Age", "86400")
}

// describe tells a person who opened the address in a browser what it is. It
// does not repeat the key.
func (r *relay) describe() {
	name, _, ok := splitPath(r.ctx.URI().PathOriginal())
	if !ok {
		r.refuse(notFound)
		return
	}
	c := r.snap.chains.Lookup(name)
	if c == nil {
		r.refuse(unknownChain)
		return
	}
	text := fmt.Appendf(nil, "This is the JSON-RPC endpoint of the chain %s.\n\n"+
		"Send calls with POST to /v1/%s/YOUR_KEY, or to /v1/%s with the header X-API-Key:\n\n"+
		"  curl -H 'Content-Type: application/json' \\\n"+
		"    -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":%q,\"params\":[]}' \\\n"+
		"    http://%s/v1/%s/YOUR_KEY\n", c.Name, c.Name, c.Name, firstMethod(c.Kind), r.ctx.Host(), c.Name)
	r.answer(fasthttp.StatusOK, text)
	r.ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
}

func firstMethod(kind string) string {
	if kind == "solana" {
		return "getSlot"
	}
	return "eth_blockNumber"
}

const hexDigits = "0123456789abcdef"

func appendHex(dst []byte, n uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[n>>shift&15])
	}
	return dst
}
