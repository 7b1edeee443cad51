package spool

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strconv"
	"strings"
)

// A segment file, little endian:
//
//	header  128 bytes
//	slots   64 bytes each: a record, or zeros where a killed process had
//	        reserved a slot and not written it
//	tail    magic; the names used in the slots, ascending: number u16, length
//	        u16, bytes
//	footer  slots u32, records u32, CU u64, first and last time i64,
//	        SHA-256 of everything before it
//
// While it is open the file is preallocated and ends in zeros.
const (
	headerSize = 128
	footerSize = 64
	magicSize  = 8

	headerMagic = "poktsegm"
	// tailMagic stands where a slot could be. Read as the time of a record it
	// is far beyond any clock, so recovery knows it from a record.
	tailMagic = "pokttail"

	formatVersion = 1
)

// openSize is the size of the file of an open segment: it has room for the
// longest tail, so that sealing never needs more of the disk.
func openSize(rows int) int64 {
	return headerSize + int64(rows)*recordSize + magicSize + namesSize + footerSize
}

// An id names a segment for good: the gateway, the epoch (one each start) and
// the number within it.
type id struct {
	gateway string
	epoch   uint64
	seq     uint64
}

func (i id) String() string {
	return fmt.Sprintf("%s-%013d-%08d", i.gateway, i.epoch, i.seq)
}

func (i id) compare(o id) int {
	return cmp.Or(cmp.Compare(i.epoch, o.epoch), cmp.Compare(i.seq, o.seq), cmp.Compare(i.gateway, o.gateway))
}

// parseID reads what String wrote, and nothing else.
func parseID(s string) (id, bool) {
	rest, seq, ok1 := cutLast(s)
	gateway, epoch, ok2 := cutLast(rest)
	i := id{gateway: gateway, epoch: epoch, seq: seq}
	return i, ok1 && ok2 && validGateway(gateway) && i.String() == s
}

func cutLast(s string) (rest string, n uint64, ok bool) {
	at := strings.LastIndexByte(s, '-')
	if at < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(s[at+1:], 10, 64)
	return s[:at], n, err == nil
}

func encodeHeader(i id) [headerSize]byte {
	var b [headerSize]byte
	le := binary.LittleEndian
	copy(b[0:], headerMagic)
	le.PutUint16(b[8:], formatVersion)
	le.PutUint16(b[10:], uint16(len(i.gateway)))
	copy(b[12:12+maxGateway], i.gateway)
	le.PutUint64(b[80:], i.epoch)
	le.PutUint64(b[88:], i.seq)
	le.PutUint32(b[124:], crc32.Checksum(b[:124], castagnoli))
	return b
}

var errFormat = errors.New("not a sealed segment")

func decodeHeader(b []byte) (id, error) {
	if len(b) < headerSize || string(b[:magicSize]) != headerMagic {
		return id{}, fmt.Errorf("%w: no header", errFormat)
	}
	le := binary.LittleEndian
	if v := le.Uint16(b[8:]); v != formatVersion {
		return id{}, fmt.Errorf("%w: format version %d, this program reads %d", errFormat, v, formatVersion)
	}
	length := int(le.Uint16(b[10:]))
	if length > maxGateway {
		return id{}, fmt.Errorf("%w: gateway id of %d bytes", errFormat, length)
	}
	i := id{gateway: string(b[12 : 12+length]), epoch: le.Uint64(b[80:]), seq: le.Uint64(b[88:])}
	if want := encodeHeader(i); !validGateway(i.gateway) || !bytes.Equal(want[:], b[:headerSize]) {
		return id{}, fmt.Errorf("%w: damaged header", errFormat)
	}
	return i, nil
}

// A summary is what the footer says of the slots.
type summary struct {
	slots, rows uint32
	cu          uint64
	first, last int64
}

func (s *summary) add(r *Record) {
	if s.rows == 0 {
		s.first, s.last = math.MaxInt64, math.MinInt64
	}
	s.rows++
	s.cu += uint64(r.CU)
	s.first = min(s.first, r.TimeMicros) // clocks step back, so neither end
	s.last = max(s.last, r.TimeMicros)   // need be the first or last record
}

// appendTail appends everything that follows the slots but the hash.
func appendTail(b []byte, sum summary, used *nameSet, text func(Name) string) []byte {
	le := binary.LittleEndian
	b = append(b, tailMagic...)
	for n := range used.all() {
		s := text(n)
		b = le.AppendUint16(b, uint16(n))
		b = le.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	b = le.AppendUint32(b, sum.slots)
	b = le.AppendUint32(b, sum.rows)
	b = le.AppendUint64(b, sum.cu)
	b = le.AppendUint64(b, uint64(sum.first))
	return le.AppendUint64(b, uint64(sum.last))
}

// parts are those of a sealed file, by reference.
type parts struct {
	slots []byte
	tail  []byte // all that is hashed of it
	names []byte // in the tail
	hash  [sha256.Size]byte
}

// splitSealed cuts a sealed file into its parts after checking its hash.
func splitSealed(b []byte) (p parts, err error) {
	if len(b) < headerSize+magicSize+footerSize {
		return p, fmt.Errorf("%w: only %d bytes", errFormat, len(b))
	}
	hashed := b[:len(b)-sha256.Size]
	sum := sha256.New()
	hashAll(sum, hashed)
	sum.Sum(p.hash[:0])
	if [sha256.Size]byte(b[len(hashed):]) != p.hash {
		return p, fmt.Errorf("%w: its hash is another", errFormat)
	}
	footer := len(b) - footerSize
	slots := int64(binary.LittleEndian.Uint32(b[footer:]))
	names := headerSize + slots*recordSize + magicSize
	if names > int64(footer) || string(b[names-magicSize:names]) != tailMagic {
		return p, fmt.Errorf("%w: no tail after %d slots", errFormat, slots)
	}
	p.slots = b[headerSize : names-magicSize]
	p.tail = hashed[names-magicSize:]
	p.names = b[names:footer]
	return p, nil
}

// decodeNames reads the names of a tail into a table indexed by number.
func decodeNames(b []byte) ([]string, error) {
	le := binary.LittleEndian
	table := []string{""}
	for len(b) > 0 {
		if len(b) < 4 {
			return nil, fmt.Errorf("%w: torn names", errFormat)
		}
		n, length := int(le.Uint16(b)), int(le.Uint16(b[2:]))
		if n < len(table) || length == 0 || length > maxNameLen || len(b) < 4+length {
			return nil, fmt.Errorf("%w: damaged name %d", errFormat, n)
		}
		table = append(table, make([]string, n+1-len(table))...)
		table[n] = string(b[4 : 4+length])
		b = b[4+length:]
	}
	return table, nil
}
