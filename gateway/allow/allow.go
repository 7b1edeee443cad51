// Package allow decides from where and for what a key may be used: the
// allowlists of account.Allow, compiled once and asked at each request without
// allocation.
//
// It holds no keys and answers no client: who is asking is the job of
// gateway/keys, what a refusal looks like is that of gateway.
package allow

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"pokt.ai/internal/account"
)

// A List is the compiled allowlists of a key. A kind without entries allows
// everything. It is immutable and safe for concurrent use.
type List struct {
	origins   map[string]struct{} // normalised
	wildcards []wildcard
	ips       []netip.Prefix
	chains    map[string]struct{}
	methods   map[string]struct{}
	prefixes  []string // of methods
	contracts map[address]struct{}
}

// Compile checks and compiles a key's allowlists. Its error joins the faults of
// all entries, each with its kind and index.
func Compile(a account.Allow) (*List, error) {
	var l List
	err := errors.Join(
		compile("origins", a.Origins, l.addOrigin),
		compile("ips", a.IPs, l.addIP),
		compile("chains", a.Chains, l.addChain),
		compile("methods", a.Methods, l.addMethod),
		compile("contracts", a.Contracts, l.addContract),
	)
	if err != nil {
		return nil, err
	}
	return &l, nil
}

func compile(kind string, entries []string, add func(entry string) error) error {
	var faults []error
	for i, entry := range entries {
		if err := add(entry); err != nil {
			faults = append(faults, fmt.Errorf("%s[%d] %q: %w", kind, i, entry, err))
		}
	}
	return errors.Join(faults...)
}

// Empty reports whether l restricts nothing.
func (l *List) Empty() bool {
	return len(l.origins) == 0 && len(l.wildcards) == 0 && len(l.ips) == 0 && len(l.chains) == 0 &&
		len(l.methods) == 0 && len(l.prefixes) == 0 && len(l.contracts) == 0
}

// Chain reports whether the chain of that canonical name may be asked.
func (l *List) Chain(name string) bool {
	if len(l.chains) == 0 {
		return true
	}
	_, ok := l.chains[name]
	return ok
}

func (l *List) addChain(entry string) error {
	if entry == "" {
		return errEmpty
	}
	add(&l.chains, entry)
	return nil
}

// Method reports whether method may be called. Method names are compared with
// case, as nodes do.
func (l *List) Method(method []byte) bool {
	if len(l.methods) == 0 && len(l.prefixes) == 0 {
		return true
	}
	if _, ok := l.methods[string(method)]; ok {
		return true
	}
	for _, prefix := range l.prefixes {
		if len(method) >= len(prefix) && string(method[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

func (l *List) addMethod(entry string) error {
	prefix, wild := strings.CutSuffix(entry, "*")
	switch {
	case entry == "":
		return errEmpty
	case strings.Contains(prefix, "*"):
		return errors.New(`"*" is possible only at the end`)
	case wild:
		l.prefixes = append(l.prefixes, prefix)
	default:
		add(&l.methods, entry)
	}
	return nil
}

var errEmpty = errors.New("empty entry")

func add[K comparable](set *map[K]struct{}, k K) {
	if *set == nil {
		*set = make(map[K]struct{})
	}
	(*set)[k] = struct{}{}
}
