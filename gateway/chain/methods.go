package chain

import (
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

	// Methods that the price table does not list are priced alike. They keep
	// their own names in usage, but not without bound: names are the clients'.
	rules    rules
	label    func(name string) uint16
	fallback Price
	unlisted sync.Map // name -> *Method
	count    atomic.Int32
	other    *Method // for the names past maxUnlisted
	denied   *Method // the same, denied
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

func (r rules) denies(name string) bool {
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
		m.known[name] = newMethod(name, label(name), p, m.rules.denies(name))
	}
	m.other = newMethod(otherName, label(otherName), m.fallback, false)
	m.denied = newMethod(otherName, label(otherName), m.fallback, true)
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
	return m.lookupUnlisted(string(name))
}

func (m *Methods) lookupUnlisted(name string) *Method {
	if method, ok := m.unlisted.Load(name); ok {
		return method.(*Method)
	}
	denied := m.rules.denies(name)
	if !plainName(name) || m.count.Load() >= maxUnlisted {
		if denied {
			return m.denied
		}
		return m.other
	}
	m.count.Add(1)
	method, _ := m.unlisted.LoadOrStore(name, newMethod(name, m.label(name), m.fallback, denied))
	return method.(*Method)
}

// plainName reports whether name looks like a method and not like an attempt to
// write into somebody's report.
func plainName(name string) bool {
	if len(name) > 64 {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
