package gateway

import (
	"errors"

	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/forward"
	"pokt.ai/gateway/jsonrpc"
	"pokt.ai/meter"
)

// A refusal is one way in which the gateway says no. This table is the only
// place that pairs HTTP statuses with JSON-RPC codes; docs/errors.md explains
// each to clients.
//
// The codes of our own, -32010 to -32015, are outside those that EIP-1474 has
// given meanings and those that viem retries (-1, -32005, -32603, -32007, 429).
type refusal struct {
	status  int
	code    int
	message string
	outcome meter.Outcome // in usage, if the key is known
	retry   bool          // has Retry-After
}

var (
	notFound       = &refusal{404, codeNotFound, "not found: send POST requests to /v1/{chain}/{key}", meter.InvalidRequest, false}
	unknownChain   = &refusal{404, codeNotFound, "unknown chain", meter.InvalidRequest, false}
	notPost        = &refusal{405, jsonrpc.CodeInvalidRequest, "JSON-RPC calls are sent with POST", meter.InvalidRequest, false}
	notJSON        = &refusal{415, jsonrpc.CodeInvalidRequest, "content type must be application/json", meter.InvalidRequest, false}
	badEncoding    = &refusal{415, jsonrpc.CodeInvalidRequest, "content encoding must be gzip or identity", meter.InvalidRequest, false}
	badGzip        = &refusal{400, jsonrpc.CodeParse, "body is not valid gzip", meter.InvalidRequest, false}
	bodyTooLarge   = &refusal{413, jsonrpc.CodeInvalidRequest, "body is too large", meter.InvalidRequest, false}
	headerTooLarge = &refusal{431, jsonrpc.CodeInvalidRequest, "request headers are too large", meter.InvalidRequest, false}
	tooSlow        = &refusal{408, jsonrpc.CodeInvalidRequest, "request did not arrive in time", meter.InvalidRequest, false}
	badHTTP        = &refusal{400, jsonrpc.CodeInvalidRequest, "not a valid HTTP request", meter.InvalidRequest, false}

	keyMissing     = &refusal{401, codeUnauthorized, "API key is missing: put it in the path or in the X-API-Key header", meter.Forbidden, false}
	keyMalformed   = &refusal{401, codeUnauthorized, "API key is not valid: check for a typing error", meter.Forbidden, false}
	keyUnknown     = &refusal{401, codeUnauthorized, "API key is not valid", meter.Forbidden, false}
	keyUnavailable = &refusal{503, jsonrpc.CodeInternal, "API key cannot be checked at the moment", meter.Unavailable, true}

	originForbidden   = &refusal{403, codeForbidden, "this API key may not be used from this origin", meter.Forbidden, false}
	ipForbidden       = &refusal{403, codeForbidden, "this API key may not be used from this address", meter.Forbidden, false}
	chainForbidden    = &refusal{403, codeForbidden, "this API key may not be used on this chain", meter.Forbidden, false}
	methodForbidden   = &refusal{403, codeForbidden, "this API key may not call this method", meter.Forbidden, false}
	contractForbidden = &refusal{403, codeForbidden, "this API key may not be used with this contract", meter.Forbidden, false}
	methodDenied      = &refusal{200, jsonrpc.CodeMethodNotFound, "this method is not available on this chain", meter.MethodNotAllowed, false}

	rateLimited = &refusal{429, codeRateLimited, "rate limit exceeded", meter.RateLimited, true}
	overBurst   = &refusal{400, jsonrpc.CodeInvalidRequest, "this request costs more at once than the rate limit ever allows: split the batch", meter.RateLimited, false}
	quotaUsedUp = &refusal{402, codeQuota, "the monthly quota of compute units is used up", meter.QuotaExceeded, false}

	capReached = &refusal{402, codeQuota, "the organisation's spend cap or quota is reached", meter.QuotaExceeded, false}

	spoolFull     = &refusal{503, jsonrpc.CodeInternal, "usage cannot be recorded at the moment", meter.Unavailable, true}
	noUpstream    = &refusal{503, jsonrpc.CodeInternal, "no upstream is available for this chain", meter.NoUpstream, true}
	timedOut      = &refusal{504, codeTimeout, "upstream did not answer in time", meter.UpstreamTimeout, false}
	badUpstream   = &refusal{502, jsonrpc.CodeInternal, "upstream gave no valid answer", meter.BadUpstream, false}
	internalError = &refusal{500, jsonrpc.CodeInternal, "internal error", meter.Unavailable, false}
	tooLarge      = &refusal{502, codeTooLarge, "the answer is larger than this gateway passes on", meter.BadUpstream, false}
)

// countedRefusals are those that happen before chain and key are known, and so
// are counted apart from calls.
var countedRefusals = map[string]*refusal{
	"not_found":        notFound,
	"unknown_chain":    unknownChain,
	"not_post":         notPost,
	"body_too_large":   bodyTooLarge,
	"header_too_large": headerTooLarge,
	"too_slow":         tooSlow,
	"bad_http":         badHTTP,
	"key_missing":      keyMissing,
	"key_malformed":    keyMalformed,
	"key_unknown":      keyUnknown,
	"key_unavailable":  keyUnavailable,
}

const (
	codeRateLimited  = -32005 // "limit exceeded" in EIP-1474: clients wait and retry
	codeUnauthorized = -32010
	codeForbidden    = -32011
	codeQuota        = -32012 // must not be retried
	codeTimeout      = -32013
	codeNotFound     = -32014
	codeTooLarge     = -32015
)

// scanFault is the refusal of a body that jsonrpc.Scan refused.
func scanFault(e *jsonrpc.Error) refusal {
	r := refusal{400, e.Code, e.Message, meter.InvalidRequest, false}
	if e.TooLarge {
		r.status = 413
	}
	return r
}

// unanswered is the refusal for a call that no upstream answered.
func unanswered(o forward.Outcome) *refusal {
	switch o {
	case forward.NoUpstream:
		return noUpstream
	case forward.TimedOut:
		return timedOut
	case forward.TooLarge:
		return tooLarge
	case forward.BadUpstream:
		return badUpstream
	case forward.Answered, forward.RPCError:
	}
	panic("BUG: an answered call is not refused")
}

// unreadable is the refusal for an HTTP request that could not be read.
func unreadable(err error) *refusal {
	var (
		small   *fasthttp.ErrSmallBuffer
		timeout interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &small):
		return headerTooLarge
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return bodyTooLarge
	case errors.As(err, &timeout) && timeout.Timeout():
		return tooSlow
	}
	return badHTTP
}
