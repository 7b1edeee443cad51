package account

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash"
	"hash/crc32"
	"sync"
)

// Env says what a key is for.
type Env string

// The environments of keys.
const (
	Live Env = "live"
	Test Env = "test"
)

// Tokens look like pokt_live_<30 base62><6 base62 of CRC32 of what precedes>.
// TokenPattern is for secret scanners.
const (
	TokenPattern = `pokt_(live|test)_[0-9A-Za-z]{36}`
	TokenLen     = 46

	tokenPrefixLen = len("pokt_live_")
	tokenCRCLen    = 6
	base62         = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// NewToken returns a new secret for a key.
func NewToken(env Env) (string, error) {
	if env != Live && env != Test {
		return "", fmt.Errorf("environment %q is neither %q nor %q", env, Live, Test)
	}
	b := make([]byte, 0, TokenLen)
	b = append(b, "pokt_"...)
	b = append(b, env...)
	b = append(b, '_')
	var random [64]byte
	for len(b) < TokenLen-tokenCRCLen {
		rand.Read(random[:])
		for _, r := range random {
			// 248 is the largest multiple of 62 in a byte: bytes above it
			// would make the first characters likelier than the others.
			if r < 248 && len(b) < TokenLen-tokenCRCLen {
				b = append(b, base62[r%62])
			}
		}
	}
	crc := tokenCRC(b)
	return string(append(b, crc[:]...)), nil
}

// WellFormed reports whether token has the form and the checksum of a key's
// token. It says nothing of whether such a key exists.
func WellFormed(token []byte) bool {
	if len(token) != TokenLen {
		return false
	}
	switch string(token[:tokenPrefixLen]) {
	case "pokt_live_", "pokt_test_":
	default:
		return false
	}
	body := token[:TokenLen-tokenCRCLen]
	if tokenCRC(body) != [tokenCRCLen]byte(token[len(body):]) {
		return false
	}
	for _, c := range body[tokenPrefixLen:] {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func tokenCRC(b []byte) (crc [tokenCRCLen]byte) {
	n := crc32.ChecksumIEEE(b)
	for i := tokenCRCLen - 1; i >= 0; i-- {
		crc[i] = base62[n%62]
		n /= 62
	}
	return crc
}

// Describe returns the parts of a token that may be stored and shown.
func Describe(token string) (prefix, lastFour string) {
	return token[:tokenPrefixLen+4], token[TokenLen-4:]
}

// Hash is HMAC-SHA256 of a token under a pepper.
type Hash [sha256.Size]byte

// A Hasher hashes tokens under one pepper. It is safe for concurrent use.
type Hasher struct {
	version int
	states  sync.Pool // of *hashState
}

// MinPepperLen is the shortest pepper taken, in bytes.
const MinPepperLen = 32

// NewHasher returns a Hasher for the pepper of that version.
func NewHasher(version int, pepper []byte) (*Hasher, error) {
	if len(pepper) < MinPepperLen {
		return nil, fmt.Errorf("pepper %d has %d bytes, at least %d are needed", version, len(pepper), MinPepperLen)
	}
	secret := append([]byte(nil), pepper...)
	h := &Hasher{version: version}
	h.states.New = func() any { return &hashState{mac: hmac.New(sha256.New, secret)} }
	return h, nil
}

// Version is the version of the pepper.
func (h *Hasher) Version() int { return h.version }

// Sum hashes token. A state is reused because making one costs six times the
// hash itself, and the sum is in it because a local one would be allocated
// (BenchmarkHasher).
func (h *Hasher) Sum(token []byte) Hash {
	s := h.states.Get().(*hashState)
	s.mac.Reset()
	s.mac.Write(token)
	s.mac.Sum(s.sum[:0])
	sum := s.sum
	h.states.Put(s)
	return sum
}

type hashState struct {
	mac hash.Hash
	sum Hash
}
