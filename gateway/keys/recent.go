package keys

import (
	"hash/maphash"
	"math/rand/v2"
	"sync/atomic"

	"pokt.ai/internal/account"
)

// recent leads from the tokens in use to their entries without hashing them,
// which is two thirds of a look-up (BenchmarkLookup). Whether an entry may be used
// is asked all the same. It keeps tokens in the clear, in this process's memory,
// where each request brings its own anyway.
type recent[V any] struct {
	seed  maphash.Seed
	slots [recentSlots]atomic.Pointer[remembered[V]]
}

type remembered[V any] struct {
	token [account.TokenLen]byte
	entry *entry[V]
}

const (
	recentSlots = 1024
	// One in so many uses of a token that is not remembered puts it in its slot,
	// so that more tokens than slots do not allocate on every request.
	recentOdds = 64
)

func (r *recent[V]) slot(token []byte) *atomic.Pointer[remembered[V]] {
	return &r.slots[maphash.Bytes(r.seed, token)%recentSlots]
}

// find returns the entry that token had when it was last put, or nil.
func (r *recent[V]) find(token []byte) *entry[V] {
	m := r.slot(token).Load()
	if m == nil || string(m.token[:]) != string(token) {
		return nil
	}
	return m.entry
}

// put remembers the entry of a token that is well formed, now and then.
func (r *recent[V]) put(token []byte, e *entry[V]) {
	if rand.Uint32N(recentOdds) == 0 {
		r.slot(token).Store(&remembered[V]{[account.TokenLen]byte(token), e})
	}
}
