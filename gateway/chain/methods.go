package chain

import (
	"maps"
	"sync"
	"sync/atomic"
)

// A Method is what the gateway knows of a method on a chain. It is immutable.
type Method struct {
	Name       string
	Label      uint16 // the name's number in usage events
	CU         uint32
	Throughput uint32
	Safety     Safety
	Denied     bool // by the rules of the chain or of its kind
}

// Methods holds the methods of one chain. It is safe for concurrent use.
type Methods struct {
	known map[string]*Method // written once
	rules rules

	// Methods that the price table does not list are priced alike. They keep
	// their own names in usage, but not without bound: names are the clients'.
	label    func(name string) uint16
	fallback Price
	other    *Method // for the names past maxUnlisted
	denied   *Method // the same, denied

	mu       sync.Mutex // for changes of unlisted
	unlisted atomic.Pointer[map[string]*Method]
}

const (
	maxUnlisted = 128 // a chain
	otherName   = "other"
)

// MethodRules narrow what a chain relays. Patterns are names, or prefixes
// followed by "*".
type MethodRules struct {
	// Allow, if not empty, lists all that is relayed.
	Allow []string `yaml:"allow"`
	// Deny lists what is not relayed, beside what the kind of chain denies.
	Deny []string `yaml:"deny"`
}

type rules struct{ allow, deny patterns }

func (r rules) denies(name []byte) bool {
	return r.deny.match(name) || (!r.allow.empty() && !r.allow.match(name))
}

func newMethods(prices KindPrices, mr MethodRules, label func(string) uint16) *Methods {
	m := &Methods{
		known:    make(map[string]*Method, len(prices.Methods)),
		rules:    rules{allow: compilePatterns(mr.Allow), deny: compilePatterns(mr.Deny, prices.Deny)},
		label:    label,
		fallback: prices.Default,
	}
	for name, p := range prices.Methods {
		m.known[name] = newMethod(name, label(name), p, m.rules.denies([]byte(name)))
	}
	m.other = newMethod(otherName, label(otherName), m.fallback, false)
	m.denied = newMethod(otherName, label(otherName), m.fallback, true)
	m.unlisted.Store(&map[string]*Method{})
	return m
}

func newMethod(name string, label uint16, p Price, denied bool) *Method {
	m := &Method{Name: name, Label: label, CU: p.CU, Throughput: p.CU, Safety: p.Safety, Denied: denied}
	if p.Throughput != nil {
		m.Throughput = *p.Throughput
	}
	return m
}

// Lookup returns the method of that name; there is always one.
func (m *Methods) Lookup(name []byte) *Method {
	if method, ok := m.known[string(name)]; ok {
		return method
	}
	unlisted := *m.unlisted.Load()
	if method, ok := unlisted[string(name)]; ok {
		return method
	}
	if len(unlisted) < maxUnlisted && plainName(name) {
		if method := m.add(string(name)); method != nil {
			return method
		}
	}
	if m.rules.denies(name) {
		return m.denied
	}
	return m.other
}

// add makes the method of a name that is not listed, or returns nil if there are
// enough. It does so in a copy of the map, so that Lookup takes no lock.
func (m *Methods) add(name string) *Method {
	m.mu.Lock()
	defer m.mu.Unlock()
	unlisted := *m.unlisted.Load()
	if method, ok := unlisted[name]; ok {
		return method
	}
	if len(unlisted) >= maxUnlisted {
		return nil
	}
	method := newMethod(name, m.label(name), m.fallback, m.rules.denies([]byte(name)))
	unlisted = maps.Clone(unlisted)
	unlisted[name] = method
	m.unlisted.Store(&unlisted)
	return method
}

// plainName reports whether name looks like a method and not like an attempt to
// write into somebody's report.
func plainName(name []byte) bool {
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.':
		default:
			return false
		}
	}
	return len(name) > 0 && len(name) <= 64
}
