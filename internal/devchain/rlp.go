package devchain

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/holiman/uint256"
)

// RLP as in appendix B of the Yellow Paper: appenders for what this chain
// writes, and a reader that takes only the canonical form.

func appendRLPBytes(dst, b []byte) []byte {
	if len(b) == 1 && b[0] < 0x80 {
		return append(dst, b[0])
	}
	return append(appendRLPHead(dst, 0x80, len(b)), b...)
}

func appendRLPUint(dst []byte, n uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return appendRLPBytes(dst, b[bits.LeadingZeros64(n)/8:])
}

func appendRLPInt(dst []byte, n *uint256.Int) []byte {
	return appendRLPBytes(dst, n.Bytes())
}

func appendRLPList(dst, payload []byte) []byte {
	return append(appendRLPHead(dst, 0xc0, len(payload)), payload...)
}

func appendRLPHead(dst []byte, kind byte, size int) []byte {
	if size < 56 {
		return append(dst, kind+byte(size))
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(size))
	length := b[bits.LeadingZeros64(uint64(size))/8:]
	return append(append(dst, kind+55+byte(len(length))), length...)
}

var errRLP = errors.New("rlp: input is not canonical or ends early")

// rlpReader reads items one after another. After the first fault every read
// gives zero values, and end reports it.
type rlpReader struct {
	rest   []byte
	failed bool
}

// end reports a fault, or bytes that nothing has read.
func (r *rlpReader) end() error {
	if r.failed || len(r.rest) > 0 {
		return errRLP
	}
	return nil
}

func (r *rlpReader) fail() {
	r.failed, r.rest = true, nil
}

// next takes one item off and returns its payload.
func (r *rlpReader) next(list bool) []byte {
	if len(r.rest) == 0 {
		r.fail()
		return nil
	}
	first, rest := r.rest[0], r.rest[1:]
	if first < 0x80 {
		if list {
			r.fail()
			return nil
		}
		payload := r.rest[:1]
		r.rest = rest
		return payload
	}
	kind := byte(0x80)
	if first >= 0xc0 {
		kind = 0xc0
	}
	size := uint64(first - kind)
	if size > 55 {
		n := int(size - 55)
		if len(rest) < n || rest[0] == 0 {
			r.fail()
			return nil
		}
		size = 0
		for _, b := range rest[:n] {
			size = size<<8 | uint64(b)
		}
		rest = rest[n:]
		if size < 56 {
			r.fail()
			return nil
		}
	}
	if size > uint64(len(rest)) || list != (kind == 0xc0) || (!list && size == 1 && rest[0] < 0x80) {
		r.fail()
		return nil
	}
	r.rest = rest[size:]
	return rest[:size]
}

func (r *rlpReader) bytes() []byte { return r.next(false) }

func (r *rlpReader) list() rlpReader {
	payload := r.next(true)
	return rlpReader{rest: payload, failed: r.failed}
}

func (r *rlpReader) more() bool { return len(r.rest) > 0 }

func (r *rlpReader) int() (n uint256.Int) {
	b := r.bytes()
	if len(b) > 32 || (len(b) > 0 && b[0] == 0) {
		r.fail()
		return n
	}
	n.SetBytes(b)
	return n
}

func (r *rlpReader) uint() uint64 {
	n := r.int()
	if !n.IsUint64() {
		r.fail()
	}
	return n.Uint64()
}

// fixed reads exactly len(dst) bytes into dst.
func (r *rlpReader) fixed(dst []byte) {
	if b := r.bytes(); len(b) == len(dst) {
		copy(dst, b)
	} else {
		r.fail()
	}
}
