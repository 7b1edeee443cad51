package limit

import (
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// A Registry owns the States and Quotas of this process, apart from any cache, so
// that a cache which forgets a key never resets its limits. It is asked when an
// entry of the cache is made, not for every request. The zero Registry is ready;
// it is safe for concurrent use and must not be copied.
type Registry struct {
	states [64]stateShard

	loads    singleflight.Group
	quotasMu sync.RWMutex
	quotas   map[uint64]*Quota
}

// Shards keep a Sweep of a million states from holding up all loads at once.
type stateShard struct {
	mu sync.Mutex
	m  map[uint64]*State
}

func (r *Registry) shard(id uint64) *stateShard { return &r.states[id%uint64(len(r.states))] }

// Key returns the State of a key, the same one for as long as it matters.
func (r *Registry) Key(id uint64) *State {
	shard := r.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	s := shard.m[id]
	if s == nil {
		s = &State{id: id, registry: r}
		shard.putLocked(s)
	}
	return s
}

func (s *stateShard) putLocked(state *State) {
	if s.m == nil {
		s.m = make(map[uint64]*State)
	}
	s.m[state.id] = state
}

// Sweep forgets the States that are full at now, as a new one would be. Whoever
// still holds such a State may go on using it: its next Admit brings it back, or
// finds the one that has taken its place.
func (r *Registry) Sweep(now int64) {
	for i := range r.states {
		shard := &r.states[i]
		shard.mu.Lock()
		for id, s := range shard.m {
			if !s.fullAt(now) {
				continue
			}
			// An Admit takes first and looks at swept then; here it is the other
			// way round, so one of the two sees the other.
			s.swept.Store(true)
			if !s.fullAt(now) {
				s.swept.Store(false)
				continue
			}
			delete(shard.m, id)
		}
		shard.mu.Unlock()
	}
}

// adopt returns the State that is to be used in place of s, which was found
// swept: s itself unless the key has got another meanwhile.
func (r *Registry) adopt(s *State) *State {
	shard := r.shard(s.id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if current := shard.m[s.id]; current != nil {
		return current
	}
	s.swept.Store(false)
	shard.putLocked(s)
	return s
}

// Quota returns the Quota of an organisation, the same one for ever. The first
// time, used is asked for what was used since month began; concurrent callers
// share that one call and its error, and an error is not remembered.
//
// A Quota is never forgotten: the store lags behind it by the events that are not
// shipped yet. It is one word for an organisation that has been seen.
func (r *Registry) Quota(org uint64, now time.Time, used func(month time.Time) (int64, error)) (*Quota, error) {
	if q := r.quota(org); q != nil {
		return q, nil
	}
	v, err, _ := r.loads.Do(strconv.FormatUint(org, 36), func() (any, error) {
		if q := r.quota(org); q != nil {
			return q, nil
		}
		month := monthOf(now)
		n, err := used(startOf(month))
		if err != nil {
			return nil, err
		}
		q := &Quota{}
		q.word.Store(month<<usedBits | min(max(n, 0), maxUsed))
		r.quotasMu.Lock()
		defer r.quotasMu.Unlock()
		if r.quotas == nil {
			r.quotas = make(map[uint64]*Quota)
		}
		r.quotas[org] = q
		return q, nil
	})
	if err != nil {
		return nil, err
	}
	return v.(*Quota), nil
}

func (r *Registry) quota(org uint64) *Quota {
	r.quotasMu.RLock()
	defer r.quotasMu.RUnlock()
	return r.quotas[org]
}
