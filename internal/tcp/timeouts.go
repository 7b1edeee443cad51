package tcp

import "time"

// Timeouts bound what a client may do to the connection of a server: one that
// reads a request, writes its answer, and then waits for the next. Zero is no
// bound. Set as deadlines, they would cost three readings of the clock for every
// request; kept here, none.
type Timeouts struct {
	// Request is from the first byte of a request, or from accepting the
	// connection, to its last byte.
	Request time.Duration
	// Idle is from an answer to the first byte of the next request.
	Idle time.Duration
	// Write is how long the client may take nothing of an answer.
	Write time.Duration
}
