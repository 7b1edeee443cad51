package upstream

// A Failure is why a call got no answer to pass on; None if it got one.
type Failure uint8

// The failures of a call. Endpoint.Call finds those up to TooLarge; the others are
// what its judge may say of an HTTP response.
const (
	None      Failure = iota
	NotSent           // no connection, or it broke before the request was sent whole
	Busy              // max_conns are in use
	TimedOut          // the deadline passed
	Cut               // the connection ended before the answer did
	TooLarge          // the answer is larger than allowed
	Denied            // the node does not serve us: throttled, or not our credentials
	Unfit             // the node does not take this request: too large, too many calls
	Refused           // another HTTP status by which the node declined to act
	BadStatus         // an HTTP status by which the node, or its proxy, is broken
	BadAnswer         // not HTTP, not JSON-RPC, or the answer to something else
)

// failureNames are the values of the label "reason".
var failureNames = [...]string{
	None:      "none",
	NotSent:   "not_sent",
	Busy:      "busy",
	TimedOut:  "timed_out",
	Cut:       "cut",
	TooLarge:  "too_large",
	Denied:    "denied",
	Unfit:     "unfit",
	Refused:   "refused",
	BadStatus: "bad_status",
	BadAnswer: "bad_answer",
}

func (f Failure) String() string { return failureNames[f] }

// MayHaveActed reports whether the node may have done what it was asked to. What
// must not happen twice is sent again only if not.
func (f Failure) MayHaveActed() bool {
	switch f {
	case NotSent, Busy, Denied, Unfit, Refused:
		return false
	case None, TimedOut, Cut, TooLarge, BadStatus, BadAnswer:
	}
	return true
}

// fault reports whether the failure is the node's doing. Where it may be that of
// the request, a client could put nodes to rest for all others.
func (f Failure) fault() bool {
	switch f {
	case None, Busy, TooLarge, Unfit:
		return false
	case NotSent, TimedOut, Cut, Denied, Refused, BadStatus, BadAnswer:
	}
	return true
}
