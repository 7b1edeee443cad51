package limit

import "sync/atomic"

// Rates are what one key may use.
type Rates struct {
	Calls Rate // calls a second
	CU    Rate // compute units a second
}

// A State is what is kept for one key between requests. It comes from
// Registry.Key and is safe for concurrent use.
type State struct {
	calls, cu Bucket

	swept    atomic.Bool
	id       uint64
	registry *Registry
}

// An Admission holds the decisions on both dimensions. If the calls were refused,
// CU tells how things stand there without anything having been taken.
type Admission struct {
	Calls Decision
	CU    Decision
}

// OK reports whether the request was admitted.
func (a Admission) OK() bool { return a.Calls.OK && a.CU.OK }

// Admit takes calls and compute units, both or neither: the calls are given back
// if the compute units are refused. Between the two steps another request may be
// refused for those calls; none is ever admitted beyond a rate.
func (s *State) Admit(now int64, r Rates, calls, cu int64) Admission {
	if s.swept.Load() {
		s = s.registry.adopt(s)
	}
	for {
		a := s.take(now, r, calls, cu)
		if !s.swept.Load() {
			return a
		}
		// Swept after the look above. What was taken is in s: that counts if s is
		// what the registry goes on with, and is void if it has begun a new one.
		current := s.registry.adopt(s)
		if current == s {
			return a
		}
		s = current
	}
}

func (s *State) take(now int64, r Rates, calls, cu int64) Admission {
	a := Admission{Calls: s.calls.Take(now, r.Calls, calls)}
	if !a.Calls.OK {
		a.CU = s.cu.Take(now, r.CU, 0)
		return a
	}
	if a.CU = s.cu.Take(now, r.CU, cu); !a.CU.OK {
		s.calls.Put(now, r.Calls, calls)
	}
	return a
}

// fullAt reports whether s is no different from a new State.
func (s *State) fullAt(now int64) bool { return s.calls.fullAt(now) && s.cu.fullAt(now) }
