package meter

import (
	"time"

	"pokt.ai/internal/account"
)

// A Total is the calls of one hour that have in common all that their price may
// depend on. A sink answers with totals when it is asked what it has stored.
type Total struct {
	Hour    time.Time // its beginning, UTC
	Org     account.OrgID
	Key     account.KeyID
	Chain   string
	Method  string
	Outcome string // text of an Outcome
	Prices  string // version of the price table that CU comes from
	Calls   int64
	CU      int64
}

// Charged reports whether calls with the outcome of that text are charged.
func Charged(outcome string) bool {
	return outcome == Answered.String() || outcome == RPCError.String()
}

// An HourTotal is all calls of one hour.
type HourTotal struct {
	Hour    time.Time // its beginning, UTC
	Calls   int64     // of any outcome
	Charged int64     // calls that are charged
	CU      int64     // of any outcome: what is not charged has none
}

// A SegmentTotal is what a sink knows of a segment that it has stored.
type SegmentTotal struct {
	Gateway     string
	Epoch, Seq  uint64
	Rows, CU    int64     // as the segment says of itself; 0: it is not stored to its end
	First, Last time.Time // the extremes of its events' times

	// What is found when the stored events of the segment are counted. A sink
	// that keeps no events, or has not counted them, leaves Counted false.
	Counted                bool
	CountedRows, CountedCU int64
}
