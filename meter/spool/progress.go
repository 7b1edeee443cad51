package spool

import (
	"encoding/binary"
	"os"
	"slices"
	"time"
)

// Progress is how far the records of a spool have come at one moment.
type Progress struct {
	// Epochs are this one, and behind it those that the folder held segments of
	// when it was opened, the oldest first.
	Epochs []EpochProgress
	// Appended: what is not sealed was appended at that time or later. Zero:
	// there is nothing of that kind.
	Appended time.Time
	// First is the earliest time of a record in a sealed segment. Zero: there is
	// no sealed segment.
	First time.Time
}

// EpochProgress is how far the records of one start have come.
type EpochProgress struct {
	Epoch uint64
	// What was sealed in this process: segments 1 to SealedSeq of this epoch.
	// Older epochs have zeros here.
	SealedRows, SealedCU int64
	SealedSeq            uint64
	// AckedSeq: no segment up to it is in the folder any more.
	AckedSeq uint64
	// FinalSeq is the last segment of an older epoch, as far as the folder told:
	// the segment after it was still there and empty, or it was there itself.
	FinalSeq uint64
}

func (p *EpochProgress) sealed(done *sealed) {
	p.SealedSeq = done.id.seq
	p.SealedRows += int64(done.rows)
	p.SealedCU += int64(done.cu)
}

// Gateway is the id in the names of this spool's segments.
func (s *Spool) Gateway() string { return s.gateway }

// ID is the folder's own id, random and made once: what tells the folder of a
// gateway from that of another one with its id.
func (s *Spool) ID() string { return s.id }

// Epoch is the number of this start, more than any before.
func (s *Spool) Epoch() uint64 { return s.epoch }

// Dropped returns how many records were not kept for want of room since the
// start, by the policy "count_and_drop".
func (s *Spool) Dropped() int64 { return int64(s.metrics.rowsDropped.Get()) }

// Progress returns how far the records are. A record whose Append begins after
// the call is in none of it.
func (s *Spool) Progress() Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Progress{Epochs: append([]EpochProgress{s.counts}, s.older...)}

	appended := func(o *openSegment) {
		at := time.UnixMicro(o.emptySince.Load())
		if p.Appended.IsZero() || at.Before(p.Appended) {
			p.Appended = at
		}
	}
	for _, o := range s.sealing {
		appended(o)
	}
	if o := s.current.Load(); o != nil && !o.empty() {
		appended(o)
	}

	for i := range p.Epochs {
		e := &p.Epochs[i]
		e.AckedSeq = max(e.SealedSeq, e.FinalSeq)
	}
	for _, f := range s.sealed {
		if first := time.UnixMicro(f.first); p.First.IsZero() || first.Before(p.First) {
			p.First = first
		}
		i := slices.IndexFunc(p.Epochs, func(e EpochProgress) bool { return e.Epoch == f.id.epoch })
		if f.id.gateway == s.gateway && i >= 0 {
			p.Epochs[i].AckedSeq = min(p.Epochs[i].AckedSeq, f.id.seq-1)
		}
	}
	return p
}

// epochEnds finds out which segment was the last of an epoch from those that it
// has left in the folder. A process keeps the next segment ready, so one that
// was killed left an empty one behind its last.
type epochEnds map[epochOf]*epochEnd

type epochOf struct {
	gateway string
	epoch   uint64
}

type epochEnd struct{ lastUsed, firstUnused uint64 }

func (m epochEnds) of(i id) *epochEnd {
	key := epochOf{i.gateway, i.epoch}
	if m[key] == nil {
		m[key] = new(epochEnd)
	}
	return m[key]
}

func (m epochEnds) used(i id) {
	end := m.of(i)
	end.lastUsed = max(end.lastUsed, i.seq)
}

func (m epochEnds) unused(i id) {
	end := m.of(i)
	if end.firstUnused == 0 || i.seq < end.firstUnused {
		end.firstUnused = i.seq
	}
}

func (m epochEnds) list(gateway string) []EpochProgress {
	var list []EpochProgress
	for key, end := range m {
		if key.gateway != gateway { // the folder's gateway had another id then
			continue
		}
		final := end.lastUsed
		if end.firstUnused > 0 {
			final = max(final, end.firstUnused-1)
		}
		list = append(list, EpochProgress{Epoch: key.epoch, FinalSeq: final})
	}
	slices.SortFunc(list, func(a, b EpochProgress) int { return int(int64(a.Epoch - b.Epoch)) })
	return list
}

// readSummary reads what the footer of a sealed file says, unverified. Of a file
// that is too short it returns zeros: it will be set aside when it is read.
func readSummary(path string, size int64) (summary, error) {
	if size < headerSize+magicSize+footerSize {
		return summary{}, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return summary{}, err
	}
	defer file.Close()
	b := make([]byte, footerSize)
	if _, err := file.ReadAt(b, size-footerSize); err != nil {
		return summary{}, err
	}
	return summaryOf(b), nil
}

// summaryOf decodes the footer at the end of b.
func summaryOf(b []byte) summary {
	le := binary.LittleEndian
	b = b[len(b)-footerSize:]
	return summary{
		slots: le.Uint32(b), rows: le.Uint32(b[4:]), cu: le.Uint64(b[8:]),
		first: int64(le.Uint64(b[16:])), last: int64(le.Uint64(b[24:])),
	}
}
