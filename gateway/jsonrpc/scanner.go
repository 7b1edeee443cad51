package jsonrpc

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// A scanner steps over JSON text (RFC 8259) and checks its grammar. Its methods
// take the index of what they step over and return the index after it, or -1
// when they stopped: fault and at then say why and where.
//
// Recursion is bounded by maxDepth.
type scanner struct {
	b        []byte
	maxDepth int
	at       int
	fault    fault
}

func (s *scanner) stop(i int, why fault) int {
	s.at, s.fault = i, why
	return -1
}

// space returns the index of the first byte from i on that is not white space.
func space(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// end checks that only white space follows.
func (s *scanner) end(i int) bool {
	if i = space(s.b, i); i < len(s.b) {
		s.stop(i, faultTrailing)
		return false
	}
	return true
}

// value steps over a value that starts at i inside depth open arrays and objects.
func (s *scanner) value(i, depth int) int {
	if i >= len(s.b) {
		return s.stop(i, faultValue)
	}
	switch s.b[i] {
	case '"':
		return s.str(i)
	case '{':
		return s.object(i, depth+1)
	case '[':
		return s.array(i, depth+1)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.number(i)
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	}
	return s.stop(i, faultValue)
}

func (s *scanner) object(i, depth int) int {
	i, more := s.open(i, depth, '}')
	for more {
		_, i = s.name(i)
		if i < 0 {
			return i
		}
		if i = s.value(i, depth); i < 0 {
			return i
		}
		i, more = s.next(i, '}', faultObjectEnd)
	}
	return i
}

func (s *scanner) array(i, depth int) int {
	i, more := s.open(i, depth, ']')
	for more {
		if i = s.value(i, depth); i < 0 {
			return i
		}
		i, more = s.next(i, ']', faultArrayEnd)
	}
	return i
}

// open steps into the array or object at i, the depth-th that is open. It
// returns the index of the first item and true, or the index after an empty
// array or object.
func (s *scanner) open(i, depth int, closing byte) (at int, more bool) {
	if depth > s.maxDepth {
		return s.stop(i, faultDepth), false
	}
	i = space(s.b, i+1)
	if i < len(s.b) && s.b[i] == closing {
		return i + 1, false
	}
	return i, true
}

// next steps from the end of an item to the next item, or out of the array or
// object.
func (s *scanner) next(i int, closing byte, why fault) (at int, more bool) {
	i = space(s.b, i)
	if i < len(s.b) {
		switch s.b[i] {
		case ',':
			return space(s.b, i+1), true
		case closing:
			return i + 1, false
		}
	}
	return s.stop(i, why), false
}

// name steps over a member's name and colon: the name ends, with its quote,
// before nameEnd, and the value starts at i.
func (s *scanner) name(start int) (nameEnd, i int) {
	if start >= len(s.b) || s.b[start] != '"' {
		return 0, s.stop(start, faultName)
	}
	nameEnd = s.str(start)
	if nameEnd < 0 {
		return 0, -1
	}
	i = space(s.b, nameEnd)
	if i >= len(s.b) || s.b[i] != ':' {
		return 0, s.stop(i, faultColon)
	}
	return nameEnd, space(s.b, i+1)
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks, by the high bit of their byte, the bytes of w that a string
// cannot simply contain: quote, backslash, control and non-ASCII. Only the
// lowest mark is exact: a borrow may mark bytes above it.
func special(w uint64) uint64 {
	quote := w ^ ones*'"'
	backslash := w ^ ones*'\\'
	return ((quote-ones)&^quote | (backslash-ones)&^backslash | (w-ones*' ')&^w | w) & highs
}

// str steps over the string whose opening quote is at i. Eight bytes at a time
// make hex data, which is most of what nodes answer, four times as fast as one by
// one (BenchmarkScanResponse).
func (s *scanner) str(i int) int {
	b := s.b
	i++
	for {
		for i+8 <= len(b) {
			mark := special(binary.LittleEndian.Uint64(b[i:]))
			if mark != 0 {
				i += bits.TrailingZeros64(mark) >> 3
				break
			}
			i += 8
		}
		if i >= len(b) {
			return s.stop(i, faultValue)
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			if i = s.escape(i); i < 0 {
				return i
			}
		case c < ' ':
			return s.stop(i, faultControl)
		case c < utf8.RuneSelf:
			i++ // among the last seven bytes of the text
		default:
			_, size := utf8.DecodeRune(b[i:])
			if size == 1 {
				return s.stop(i, faultUTF8)
			}
			i += size
		}
	}
}

func (s *scanner) escape(i int) int {
	b := s.b
	if i+1 >= len(b) {
		return s.stop(len(b), faultEscape)
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		for k := i + 2; k < i+6; k++ {
			if k >= len(b) || !isHex(b[k]) {
				return s.stop(k, faultEscape)
			}
		}
		return i + 6
	}
	return s.stop(i+1, faultEscape)
}

func isHex(c byte) bool {
	return c-'0' <= 9 || c|0x20-'a' <= 'f'-'a'
}

func (s *scanner) number(i int) int {
	b := s.b
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = s.digits(i); i < 0 {
		return i
	}
	if i < len(b) && b[i] == '.' {
		if i = s.digits(i + 1); i < 0 {
			return i
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return s.digits(i)
	}
	return i
}

// digits steps over one digit or more.
func (s *scanner) digits(i int) int {
	start := i
	for i < len(s.b) && s.b[i]-'0' <= 9 {
		i++
	}
	if i == start {
		return s.stop(i, faultNumber)
	}
	return i
}

func (s *scanner) literal(i int, word string) int {
	if end := i + len(word); end <= len(s.b) && string(s.b[i:end]) == word {
		return end
	}
	return s.stop(i, faultLiteral)
}
