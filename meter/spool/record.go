package spool

import (
	"encoding/binary"
	"hash/crc32"
)

// Name is the number of a string in the dictionary of the running process:
// chains, methods, upstreams and price versions stand in a Record as numbers.
// A sealed segment carries the strings of its own numbers.
type Name uint16

const (
	// NoName stands for the empty string.
	NoName Name = 0
	// Other stands for "other": what Intern answers when it can take no more.
	Other Name = 1
)

// Flags are properties of a call that change no price and no total.
type Flags uint8

// The flags. Their bits are on disk: never renumber them.
const (
	InBatch      Flags = 1 << 0 // the call was an item of a batch
	Notification Flags = 1 << 1 // the call had no id, so nobody read its answer
	Retried      Flags = 1 << 2 // more than one upstream was tried
)

// A Record is one JSON-RPC call as it is metered: what was asked by whom, what
// came of it and what it costs. It holds no bytes of the request.
type Record struct {
	TimeMicros    int64 // when the call ended, Unix microseconds
	Org           uint64
	Key           uint64
	RequestID     uint64 // of the HTTP request; the items of a batch share it
	CU            uint32 // compute units charged
	LatencyMicros uint32
	RequestBytes  uint32
	ResponseBytes uint32
	Chain         Name
	Method        Name
	Upstream      Name // NoName: none was asked
	Prices        Name // version of the price table that CU comes from
	Outcome       Outcome
	Flags         Flags
	RPCCode       int16 // code of the JSON-RPC error, the nearest int16; 0: none
}

// recordSize is the size of a record on disk: one cache line, so that writers
// of neighbouring slots do not share one.
const recordSize = 64

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// put writes r into its slot, the checksum last: a slot whose checksum holds
// was written whole. It encodes in place because the checksum function would
// move a buffer on the stack to the heap (BenchmarkAppend).
func (r *Record) put(b *[recordSize]byte) {
	le := binary.LittleEndian
	le.PutUint64(b[0:], uint64(r.TimeMicros))
	le.PutUint64(b[8:], r.Org)
	le.PutUint64(b[16:], r.Key)
	le.PutUint64(b[24:], r.RequestID)
	le.PutUint32(b[32:], r.CU)
	le.PutUint32(b[36:], r.LatencyMicros)
	le.PutUint32(b[40:], r.RequestBytes)
	le.PutUint32(b[44:], r.ResponseBytes)
	le.PutUint16(b[48:], uint16(r.Chain))
	le.PutUint16(b[50:], uint16(r.Method))
	le.PutUint16(b[52:], uint16(r.Upstream))
	le.PutUint16(b[54:], uint16(r.Prices))
	b[56] = byte(r.Outcome)
	b[57] = byte(r.Flags)
	le.PutUint16(b[58:], uint16(r.RPCCode))
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

// whole reports whether the checksum of a slot holds, as it never does for a
// slot of zeros.
func whole(b *[recordSize]byte) bool {
	return binary.LittleEndian.Uint32(b[60:]) == crc32.Checksum(b[:60], castagnoli)
}

// get reads a slot.
func (r *Record) get(b *[recordSize]byte) {
	le := binary.LittleEndian
	r.TimeMicros = int64(le.Uint64(b[0:]))
	r.Org = le.Uint64(b[8:])
	r.Key = le.Uint64(b[16:])
	r.RequestID = le.Uint64(b[24:])
	r.CU = le.Uint32(b[32:])
	r.LatencyMicros = le.Uint32(b[36:])
	r.RequestBytes = le.Uint32(b[40:])
	r.ResponseBytes = le.Uint32(b[44:])
	r.Chain = Name(le.Uint16(b[48:]))
	r.Method = Name(le.Uint16(b[50:]))
	r.Upstream = Name(le.Uint16(b[52:]))
	r.Prices = Name(le.Uint16(b[54:]))
	r.Outcome = Outcome(b[56])
	r.Flags = Flags(b[57])
	r.RPCCode = int16(le.Uint16(b[58:]))
}

// names are the dictionary numbers in r.
func (r *Record) names() [4]Name {
	return [4]Name{r.Chain, r.Method, r.Upstream, r.Prices}
}
