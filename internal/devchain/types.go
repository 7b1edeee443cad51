package devchain

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/holiman/uint256"
	"golang.org/x/crypto/sha3"
)

type (
	hash     [32]byte
	address  [20]byte
	hexBytes []byte
	quantity struct{ uint256.Int }
)

func keccak(parts ...[]byte) (h hash) {
	state := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		state.Write(p)
	}
	state.Sum(h[:0])
	return h
}

// derive is where everything that is neither given nor computed comes from.
func derive(seed int64, what string, n uint64) hash {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(seed))
	binary.BigEndian.PutUint64(b[8:], n)
	return keccak([]byte("poktai devchain "+what), b[:])
}

func (a address) String() string { return "0x" + hex.EncodeToString(a[:]) }

// The forms of JSON-RPC arguments: DATA has an even number of digits, QUANTITY
// no leading zeros. As encoding/json asks for, null leaves the value as it is.

func (h *hash) UnmarshalJSON(b []byte) error    { return decodeFixed(h[:], b, "hash") }
func (a *address) UnmarshalJSON(b []byte) error { return decodeFixed(a[:], b, "address") }

func (d *hexBytes) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	digits, err := hexDigits(b)
	if err != nil {
		return err
	}
	*d = make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(*d, digits); errors.Is(err, hex.ErrLength) {
		return errors.New("hex string of odd length")
	} else if err != nil {
		return errors.New("invalid hex string")
	}
	return nil
}

func (q *quantity) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	digits, err := hexDigits(b)
	switch {
	case err != nil:
		return err
	case len(digits) == 0:
		return errors.New(`hex string "0x"`)
	case len(digits) > 1 && digits[0] == '0':
		return errors.New("hex number with leading zero digits")
	case len(digits) > 64:
		return errors.New("hex number > 256 bits")
	}
	return q.SetFromHex("0x" + string(digits))
}

func decodeFixed(dst, b []byte, what string) error {
	if string(b) == "null" {
		return nil
	}
	digits, err := hexDigits(b)
	if err != nil {
		return err
	}
	if len(digits) != 2*len(dst) {
		return fmt.Errorf("hex string has length %d, want %d for %s", len(digits), 2*len(dst), what)
	}
	if _, err := hex.Decode(dst, digits); err != nil {
		return errors.New("invalid hex string")
	}
	return nil
}

func hexDigits(b []byte) ([]byte, error) {
	if len(b) < 2 || b[0] != '"' {
		return nil, errors.New("not a string")
	}
	b = b[1 : len(b)-1]
	if digits, ok := bytes.CutPrefix(b, []byte("0x")); ok {
		return digits, nil
	}
	return nil, errors.New("hex string without 0x prefix")
}

func appendHex(dst, b []byte) []byte {
	return append(hex.AppendEncode(append(dst, `"0x`...), b), '"')
}

func appendQuantity(dst []byte, n uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return appendQuantityBytes(dst, b[:])
}

func appendQuantityInt(dst []byte, n *uint256.Int) []byte {
	b := n.Bytes32()
	return appendQuantityBytes(dst, b[:])
}

func appendQuantityBytes(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	b = bytes.TrimLeft(b, "\x00")
	dst = append(dst, `"0x`...)
	switch {
	case len(b) == 0:
		dst = append(dst, '0')
	case b[0] < 16:
		dst = append(dst, digits[b[0]])
		b = b[1:]
	}
	return append(hex.AppendEncode(dst, b), '"')
}

// A field name is written with what precedes its value.
func appendDataField(dst []byte, name string, b []byte) []byte {
	return appendHex(append(dst, name...), b)
}

func appendQuantityField(dst []byte, name string, n uint64) []byte {
	return appendQuantity(append(dst, name...), n)
}

func appendIntField(dst []byte, name string, n *uint256.Int) []byte {
	return appendQuantityInt(append(dst, name...), n)
}
