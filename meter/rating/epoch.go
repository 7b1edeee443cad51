package rating

import (
	"fmt"

	"pokt.ai/internal/account"
	"pokt.ai/meter"
)

// An epochCheck goes through the segments of an epoch that the sink has, in the
// order of their numbers, and compares them with what the gateway reported.
type epochCheck struct {
	epoch account.Epoch
	gone  bool // nobody has its spool any more: what was not shipped will not come
	found *Differences

	last     uint64 // number of the last segment seen
	rows     int64
	prefix   quantity // of the segments up to SealedSeq
	lost     int      // segments that are nowhere
	waiting  int      // segments that are not stored yet
	inPrefix bool     // one of either is among those up to SealedSeq
}

func (c *epochCheck) name() string {
	return fmt.Sprintf("gateway %s, epoch %d", c.epoch.Gateway, c.epoch.Number)
}

func (c *epochCheck) segmentName(seq uint64) string {
	return fmt.Sprintf("segment %s-%013d-%08d", c.epoch.Gateway, c.epoch.Number, seq)
}

func (c *epochCheck) segment(s *meter.SegmentTotal) {
	if s.Seq <= c.last {
		c.found.add(c.segmentName(s.Seq), "the sink lists it more than once")
		return
	}
	if s.Rows == 0 {
		// Its calls are there, but not the sink's word that all of them are: it is
		// being stored, or was not stored to its end.
		return
	}
	c.absent(c.last+1, s.Seq-1)
	c.last = s.Seq
	if s.Counted && (s.CountedRows != s.Rows || s.CountedCU != s.CU) {
		c.found.add(c.segmentName(s.Seq), "%v were sent and %v are stored",
			quantity{s.Rows, s.CU}, quantity{s.CountedRows, s.CountedCU})
	}
	c.rows += s.Rows
	if s.Seq <= c.epoch.SealedSeq {
		c.prefix.calls += s.Rows
		c.prefix.cu += s.CU
	}
	if c.epoch.Ended == account.Clean && s.Seq > c.epoch.FinalSeq {
		c.found.add(c.segmentName(s.Seq), "it is stored, and the gateway had none after %d", c.epoch.FinalSeq)
	}
}

// absent notes that the sink has no segments from the number first to last.
func (c *epochCheck) absent(first, last uint64) {
	for seq := first; seq <= last; seq++ {
		c.inPrefix = c.inPrefix || seq <= c.epoch.SealedSeq
		switch {
		case seq <= c.epoch.AckedSeq:
			c.lost++
			c.found.add(c.segmentName(seq), "it has left the gateway and is not stored")
		case c.gone:
			c.lost++
			c.found.add(c.segmentName(seq), "it is not stored, and its gateway is retired")
		default:
			c.waiting++
		}
	}
}

func (c *epochCheck) finish() EpochReport {
	e := &c.epoch
	c.absent(c.last+1, max(e.SealedSeq, e.FinalSeq))
	rep := EpochReport{
		Gateway: e.Gateway, Epoch: e.Number, Ended: e.Ended,
		Accepted: e.Accepted, Dropped: e.Dropped, Spooled: e.Sealed, Stored: c.rows,
	}
	accepted := quantity{e.Accepted - e.Dropped, e.AcceptedCU}
	sealed := quantity{e.Sealed, e.SealedCU}
	if e.Dropped > 0 {
		c.found.add(c.name(), "%d calls were served and dropped, because the spool was full and on_full is count_and_drop", e.Dropped)
		accepted.cu = sealed.cu // nobody knows what they would have cost
	}
	switch {
	case e.Ended == account.Clean && accepted != sealed:
		c.found.add(c.name(), "%v were accepted and %v spooled", accepted, sealed)
	case accepted.calls < sealed.calls || accepted.cu < sealed.cu:
		c.found.add(c.name(), "only %v were accepted, but %v spooled", accepted, sealed)
	}
	if !c.inPrefix && c.prefix != sealed {
		c.found.add(c.name(), "%v were spooled up to segment %d and %v stored of them", sealed, e.SealedSeq, c.prefix)
		return rep
	}
	short := accepted.calls - c.rows
	switch over := c.gone || e.Ended != account.Running; {
	case short <= 0:
	case c.waiting > 0 || !over:
		rep.Waiting = short
	case c.lost == 0 && e.Ended != account.Clean:
		// What a killed process had accepted was recovered, all of it in segments
		// that are numbered.
		c.found.add(c.name(), "%d calls were accepted and %d stored, and no more are to come", accepted.calls, c.rows)
	}
	return rep
}
