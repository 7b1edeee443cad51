package account

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"
)

// OrgID identifies an organisation; its text form is "org_" and 13 digits of
// Crockford's base32. Zero is no organisation.
type OrgID uint64

// KeyID identifies a key; its text form is "key_" and 13 digits.
type KeyID uint64

// NewOrgID returns a random id.
func NewOrgID() OrgID { return OrgID(random64()) }

// NewKeyID returns a random id.
func NewKeyID() KeyID { return KeyID(random64()) }

func (id OrgID) String() string { return formatID("org_", uint64(id)) }
func (id KeyID) String() string { return formatID("key_", uint64(id)) }

// ParseOrgID reads what OrgID.String wrote.
func ParseOrgID(s string) (OrgID, error) {
	n, err := parseID("org_", s)
	return OrgID(n), err
}

// ParseKeyID reads what KeyID.String wrote.
func ParseKeyID(s string) (KeyID, error) {
	n, err := parseID("key_", s)
	return KeyID(n), err
}

// 64 bits are enough: among a million ids the chance of one collision is 3e-8,
// and the store's primary key refuses it. They are small enough to stand in
// every usage event.
func random64() uint64 {
	var b [8]byte
	for {
		rand.Read(b[:]) // never fails since Go 1.24
		if n := binary.LittleEndian.Uint64(b[:]); n != 0 {
			return n
		}
	}
}

const (
	crockford = "0123456789abcdefghjkmnpqrstvwxyz"
	idDigits  = 13
)

func formatID(prefix string, n uint64) string {
	if n == 0 {
		return ""
	}
	var b [idDigits]byte
	for i := idDigits - 1; i >= 0; i-- {
		b[i] = crockford[n&31]
		n >>= 5
	}
	return prefix + string(b[:])
}

func parseID(prefix, s string) (uint64, error) {
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok || len(digits) != idDigits {
		return 0, fmt.Errorf("%q is not an id of the form %s and %d characters", s, prefix, idDigits)
	}
	var n uint64
	for i := range len(digits) {
		d := strings.IndexByte(crockford, digits[i])
		if d < 0 || (i == 0 && d > 15) {
			return 0, fmt.Errorf("%q is not an id: character %d is not possible there", s, len(prefix)+i+1)
		}
		n = n<<5 | uint64(d)
	}
	if n == 0 {
		return 0, fmt.Errorf("%q is not an id: zero stands for none", s)
	}
	return n, nil
}
