package spool

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"time"
)

// A Segment is a sealed segment in memory, verified: immutable, and known by
// its name for good. It is safe for concurrent use.
type Segment struct {
	Name    string // "<gateway>-<epoch>-<number>", unique for ever
	Gateway string
	Epoch   uint64 // one each start of the gateway, ascending
	Seq     uint64 // number within the epoch, from 1
	Rows    int64  // records in it
	CU      int64  // their sum
	First   time.Time
	Last    time.Time         // First and Last are the extremes of the records' times
	SHA256  [sha256.Size]byte // of the file but for the hash itself

	slots []byte
	names []string
}

// ReadSegment reads and verifies the file of a sealed segment.
func ReadSegment(path string) (*Segment, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	s, err := decodeSegment(b)
	if err != nil {
		return nil, fmt.Errorf("read segment %q: %w", path, err)
	}
	if name := strings.TrimSuffix(filepath.Base(path), sealedExt); name != s.Name {
		return nil, fmt.Errorf("read segment %q: %w: it holds %q", path, errFormat, s.Name)
	}
	return s, nil
}

// decodeSegment checks that b is, byte for byte, what sealing its records
// writes.
func decodeSegment(b []byte) (*Segment, error) {
	parts, err := splitSealed(b)
	if err != nil {
		return nil, err
	}
	i, err := decodeHeader(b)
	if err != nil {
		return nil, err
	}
	names, err := decodeNames(parts.names)
	if err != nil {
		return nil, err
	}
	sum := scanSlots(parts.slots, names)
	again := appendTail(nil, sum.summary, &sum.used, func(n Name) string { return names[n] })
	if len(sum.bad) > 0 || sum.rows == 0 || !bytes.Equal(again, parts.tail) {
		return nil, fmt.Errorf("%w: its tail does not fit its records", errFormat)
	}
	return &Segment{
		Name:    i.String(),
		Gateway: i.gateway,
		Epoch:   i.epoch,
		Seq:     i.seq,
		Rows:    int64(sum.rows),
		CU:      int64(sum.cu),
		First:   time.UnixMicro(sum.first).UTC(),
		Last:    time.UnixMicro(sum.last).UTC(),
		SHA256:  parts.hash,
		slots:   parts.slots,
		names:   names,
	}, nil
}

// Records yields the records in the order in which their slots were reserved.
func (s *Segment) Records() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		var r Record
		for b := s.slots; len(b) > 0; b = b[recordSize:] {
			yieldAfter(len(b) / recordSize)
			slot := (*[recordSize]byte)(b)
			if *slot == [recordSize]byte{} {
				continue // a killed process never wrote it
			}
			if r.get(slot); !yield(r) {
				return
			}
		}
	}
}

// Text returns the string of a name in one of the segment's records.
func (s *Segment) Text(n Name) string { return s.names[n] }
