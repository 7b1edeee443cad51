package chain_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/gateway/chain"
)

func methods(t testing.TB, rules chain.MethodRules) *chain.Methods {
	t.Helper()
	return newTable(t, chain.Configs{"ethereum": {Kind: "evm", Methods: rules}}, listed()).Lookup([]byte("ethereum")).Methods
}

func TestMethods(t *testing.T) {
	m := methods(t, chain.MethodRules{})
	for _, want := range []chain.Method{
		{Name: "eth_chainId"},
		{Name: "eth_call", CU: 26, Throughput: 26},
		{Name: "eth_getBlockReceipts", CU: 20, Throughput: 500},
		{Name: "eth_sendRawTransaction", CU: 40, Throughput: 40, Safety: chain.Write},
		{Name: "eth_newFilter", CU: 20, Throughput: 20, Safety: chain.Stateful},
		{Name: "eth_ofTomorrow", CU: 20, Throughput: 20},
		{Name: "eth_Call", CU: 20, Throughput: 20},
		{Name: "personal_ofTomorrow", CU: 20, Throughput: 20, Denied: true},
	} {
		first := m.Lookup([]byte(want.Name))
		got := *first
		if got.Label == 0 {
			t.Errorf("%s has no label", want.Name)
		}
		got.Label = 0
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if m.Lookup([]byte(want.Name)) != first {
			t.Errorf("%s is two methods", want.Name)
		}
	}
}

func TestRules(t *testing.T) {
	for name, tc := range map[string]struct {
		rules           chain.MethodRules
		relayed, denied string
	}{
		"none":          {chain.MethodRules{}, "eth_call eth_signTypedData web3_x personal persona", "eth_sign personal_ personal_sign"},
		"deny":          {chain.MethodRules{Deny: []string{"eth_get*", "web3_x"}}, "eth_call eth_ge web3_xy", "eth_get eth_getX web3_x eth_sign"},
		"allow":         {chain.MethodRules{Allow: []string{"eth_*", "web3_x"}}, "eth_call eth_ web3_x", "eth_sign net_version web3_xy eth"},
		"deny is above": {chain.MethodRules{Allow: []string{"*"}, Deny: []string{"eth_call"}}, "eth_chainId x", "eth_call eth_sign personal_x"},
		"allow no more": {chain.MethodRules{Allow: []string{"personal_*", "eth_sign"}}, "", "personal_x eth_sign eth_call"},
		"deny all":      {chain.MethodRules{Deny: []string{"*"}}, "", "eth_call x"},
	} {
		t.Run(name, func(t *testing.T) {
			m := methods(t, tc.rules)
			for name := range strings.FieldsSeq(tc.relayed) {
				if m.Lookup([]byte(name)).Denied {
					t.Errorf("%s is denied", name)
				}
			}
			for name := range strings.FieldsSeq(tc.denied) {
				if !m.Lookup([]byte(name)).Denied {
					t.Errorf("%s is relayed", name)
				}
			}
		})
	}
}

// Names are the clients': no more than 128 are kept, and none that could be
// something else in a report. All others have the same price and one name.
func TestUnlistedNamesAreBounded(t *testing.T) {
	m := methods(t, chain.MethodRules{Deny: []string{"bad*"}})
	for _, name := range []string{"", "a b", "a\n", "=1+1", "ünlisted", "a-b", "<b>", strings.Repeat("a", 65)} {
		if got := m.Lookup([]byte(name)); got.Name != "other" || got.CU != 20 || got.Denied {
			t.Errorf("%q is %+v", name, got)
		}
	}
	if got := m.Lookup([]byte("bad thing")); got.Name != "other" || !got.Denied {
		t.Errorf("what is denied is %+v", got)
	}
	var clients sync.WaitGroup
	var mu sync.Mutex
	names := make(map[string]bool)
	for c := range 8 {
		clients.Go(func() {
			for i := range 200 {
				got := m.Lookup(fmt.Appendf(nil, "x_%d", (i*7+c)%200))
				if got.CU != 20 || got.Denied {
					t.Errorf("%+v", got)
				}
				mu.Lock()
				names[got.Name] = true
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	if len(names) != 129 || !names["other"] {
		t.Errorf("%d names, want 128 and other", len(names))
	}
	if got := m.Lookup([]byte("bad_x")); got.Name != "other" || !got.Denied {
		t.Errorf("past the bound, what is denied is %+v", got)
	}
	if got := m.Lookup([]byte("eth_call")); got.Name != "eth_call" {
		t.Errorf("past the bound, a listed method is %+v", got)
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	table := newTable(t, chain.Configs{"ethereum": {Kind: "evm", Aliases: []string{"eth"}, Methods: chain.MethodRules{Deny: []string{"admin_*"}}}}, listed())
	m := table.Lookup([]byte("eth")).Methods
	for i := range 200 {
		m.Lookup(fmt.Appendf(nil, "x_%d", i))
	}
	name := []byte("eth")
	for _, method := range []string{"eth_call", "x_1", "x_199", "not a name", "admin_x"} {
		method := []byte(method)
		allocs := testing.AllocsPerRun(100, func() {
			if table.Lookup(name).Methods.Lookup(method) == nil {
				t.Fatal("nil")
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations, want 0", method, allocs)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	table := newTable(b, chain.Configs{"ethereum": {Kind: "evm", Aliases: []string{"eth"}}}, listed())
	name := []byte("ethereum")
	for _, method := range []string{"eth_call", "eth_ofTomorrow"} {
		b.Run(method, func(b *testing.B) {
			method := []byte(method)
			b.ReportAllocs()
			for b.Loop() {
				if table.Lookup(name).Methods.Lookup(method) == nil {
					b.Fatal("nil")
				}
			}
		})
	}
}
