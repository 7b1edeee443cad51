package spool

// Outcome says what came of a call. Only Answered and RPCError are charged.
type Outcome uint8

// The outcomes. Their numbers are on disk: never renumber them, and never use
// a number again.
const (
	Answered         Outcome = 1  // a node answered with a result
	RPCError         Outcome = 2  // a node answered with a JSON-RPC error
	InvalidRequest   Outcome = 3  // not a JSON-RPC request that can be passed on
	Forbidden        Outcome = 4  // the key's allowlist says no
	MethodNotAllowed Outcome = 5  // the chain does not offer the method
	RateLimited      Outcome = 6  // over calls or compute units a second
	QuotaExceeded    Outcome = 7  // the month's quota is used up
	NoUpstream       Outcome = 8  // no upstream could be asked
	UpstreamTimeout  Outcome = 9  // the deadline passed before an answer
	BadUpstream      Outcome = 10 // the upstream failed, or answered no JSON-RPC
	Cancelled        Outcome = 11 // the client went away first
	Unavailable      Outcome = 12 // the gateway itself could not serve the call
	Unauthorized     Outcome = 13 // no key, or one that is unknown, revoked or expired
)

// outcomeTexts are stable: they stand in usage rows and metric labels.
var outcomeTexts = [...]string{
	Answered:         "answered",
	RPCError:         "rpc_error",
	InvalidRequest:   "invalid_request",
	Forbidden:        "forbidden",
	MethodNotAllowed: "method_not_allowed",
	RateLimited:      "rate_limited",
	QuotaExceeded:    "quota_exceeded",
	NoUpstream:       "no_upstream",
	UpstreamTimeout:  "upstream_timeout",
	BadUpstream:      "bad_upstream",
	Cancelled:        "cancelled",
	Unavailable:      "unavailable",
	Unauthorized:     "unauthorized",
}

// String returns the text used in usage rows, such as "rate_limited", and
// "unknown" for a number that is no outcome.
func (o Outcome) String() string {
	if int(o) < len(outcomeTexts) && outcomeTexts[o] != "" {
		return outcomeTexts[o]
	}
	return "unknown"
}
