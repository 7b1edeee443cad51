package keys

import (
	"encoding/binary"
	"sync/atomic"

	"pokt.ai/internal/account"
)

// maxPeppers bounds the peppers in use at once: a token's digests under all of
// them fit on the stack.
const maxPeppers = 4

// digests are what a token may be stored as: its hashes under the peppers that
// come into question, most likely first.
type digests struct {
	hash [maxPeppers]account.Hash
	n    int
}

func (d *digests) all() []account.Hash { return d.hash[:d.n] }

// generations tell whether what was read earlier may have changed since. A
// change of one key invalidates all that share its slot, which costs each of
// those a look-up: 6 of 100,000.
type generations struct {
	slots [1 << 14]atomic.Uint64
	every atomic.Uint64
}

// slot uses other bytes of the hash than the entries and the unknown keys do.
func (g *generations) slot(hash *account.Hash) *atomic.Uint64 {
	return &g.slots[binary.LittleEndian.Uint16(hash[8:])%uint16(len(g.slots))]
}

// A stamp is taken before a read; while taking it again gives the same, nothing
// that could have been read has changed.
type stamp struct {
	slot  [maxPeppers]uint64
	every uint64
}

func (g *generations) stamp(d *digests) (s stamp) {
	for i := range d.all() {
		s.slot[i] = g.slot(&d.hash[i]).Load()
	}
	s.every = g.every.Load()
	return s
}

// flight names a read of d under s, so that one which began before a change is
// not joined after it.
func (d *digests) flight(s stamp) string {
	b := make([]byte, 0, len(account.Hash{})+8*(maxPeppers+1))
	b = append(b, d.hash[0][:]...)
	for _, n := range s.slot {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return string(binary.LittleEndian.AppendUint64(b, s.every))
}
