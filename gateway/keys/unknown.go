package keys

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"pokt.ai/internal/account"
)

// unknownKeys remembers keys that the store does not know. It is apart from the
// entries so that a flood of made-up keys cannot drive out real ones, and each
// slot holds the last key that fell on it: such a flood costs no more than this
// table, 1.8 MB when all of it is used.
type unknownKeys struct {
	slots [1 << 14]atomic.Pointer[unknownKey]
}

type unknownKey struct {
	hash  account.Hash
	stamp stamp
	until time.Duration // since Cache.start
}

func (u *unknownKeys) slot(hash *account.Hash) *atomic.Pointer[unknownKey] {
	return &u.slots[binary.LittleEndian.Uint16(hash[10:])%uint16(len(u.slots))]
}

func (u *unknownKeys) has(hash *account.Hash, s stamp, at time.Duration) bool {
	k := u.slot(hash).Load()
	return k != nil && k.hash == *hash && k.stamp == s && at < k.until
}

func (u *unknownKeys) add(hash *account.Hash, s stamp, until time.Duration) {
	u.slot(hash).Store(&unknownKey{hash: *hash, stamp: s, until: until})
}
