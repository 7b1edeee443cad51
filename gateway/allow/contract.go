package allow

import (
	"bytes"
	"encoding/hex"
	"errors"

	"pokt.ai/gateway/jsonrpc"
)

type address [20]byte

// A use is what a method does with contracts.
type use uint8

const (
	useNone   use = iota
	useCall       // calls the contract in "to" of its first parameter
	useLogs       // reads the logs of those in "address" of its first parameter
	useHidden     // calls contracts named where this package does not look
)

// contractMethods are the methods that a list of contracts restricts.
var contractMethods = [...]struct {
	name []byte
	use  use
}{
	{[]byte("eth_call"), useCall},
	{[]byte("eth_estimateGas"), useCall},
	{[]byte("eth_createAccessList"), useCall},
	{[]byte("eth_getLogs"), useLogs},
	{[]byte("eth_newFilter"), useLogs},

	// Each of these is eth_call under another name: taking them would make the
	// list no restriction.
	{[]byte("eth_simulateV1"), useHidden},
	{[]byte("eth_callMany"), useHidden},
	{[]byte("eth_callBundle"), useHidden},
	{[]byte("debug_traceCall"), useHidden},
	{[]byte("debug_traceCallMany"), useHidden},
	{[]byte("trace_call"), useHidden},
	{[]byte("trace_callMany"), useHidden},
}

// Contract reports whether the contracts that a call names are allowed. params is
// raw JSON, nil if absent.
//
// For eth_call, eth_estimateGas, eth_createAccessList, eth_getLogs and
// eth_newFilter every address in "to" or "address" must be in the list, and there
// must be one: a call without is a deployment, a filter without reads every
// contract. State overrides are refused, because code put at an allowed address
// can call any other. Simulations and call traces are refused whole. Other
// methods are not restricted: combine with Methods.
//
// A node may take any of several members whose names are equal without regard to
// case, so all of them count; names with escapes are refused. Parameters by name
// are refused.
func (l *List) Contract(method, params []byte) bool {
	if len(l.contracts) == 0 {
		return true
	}
	switch useOf(method) {
	case useCall:
		return l.allowsCall(params)
	case useLogs:
		return l.allowsLogs(params)
	case useHidden:
		return false
	case useNone:
	}
	return true
}

// useOf disregards case, in case a node does.
func useOf(method []byte) use {
	for i := range contractMethods {
		if m := &contractMethods[i]; len(m.name) == len(method) && bytes.EqualFold(m.name, method) {
			return m.use
		}
	}
	return useNone
}

func (l *List) allowsCall(params []byte) bool {
	const transaction, block = 0, 1
	n := 0
	return jsonrpc.AllElements(params, func(i int, value []byte) bool {
		n++
		switch i {
		case transaction:
			return everyMember(value, "to", l.allowsAddress)
		case block:
			return true
		default:
			return string(value) == "null" || isEmptyObject(value)
		}
	}) && n > 0
}

func (l *List) allowsLogs(params []byte) bool {
	n := 0
	return jsonrpc.AllElements(params, func(_ int, value []byte) bool {
		n++
		return everyMember(value, "address", l.allowsAddresses)
	}) && n == 1
}

// everyMember reports whether object has members of that name and ok holds for
// all of them.
func everyMember(object []byte, name string, ok func(value []byte) bool) bool {
	found := false
	return jsonrpc.AllMembers(object, func(member, value []byte) bool {
		if bytes.IndexByte(member, '\\') >= 0 {
			return false
		}
		if !bytes.EqualFold(member, []byte(name)) { // folds as encoding/json does: "addreſſ"
			return true
		}
		found = true
		return ok(value)
	}) && found
}

func isEmptyObject(value []byte) bool {
	return jsonrpc.AllMembers(value, func(_, _ []byte) bool { return false })
}

// allowsAddresses takes one address or an array of at least one: to a node, an
// empty array is every contract.
func (l *List) allowsAddresses(value []byte) bool {
	if value[0] != '[' {
		return l.allowsAddress(value)
	}
	n := 0
	return jsonrpc.AllElements(value, func(_ int, value []byte) bool {
		n++
		return l.allowsAddress(value)
	}) && n > 0
}

// allowsAddress takes a JSON string. Escapes are no hex digits and so refused.
func (l *List) allowsAddress(value []byte) bool {
	if len(value) < 2 || value[0] != '"' {
		return false
	}
	a, ok := parseAddress(value[1 : len(value)-1])
	if !ok {
		return false
	}
	_, ok = l.contracts[a]
	return ok
}

func (l *List) addContract(entry string) error {
	a, ok := parseAddress([]byte(entry))
	if !ok {
		return errors.New("not an address: 0x and 40 hex digits")
	}
	add(&l.contracts, a)
	return nil
}

func parseAddress(text []byte) (a address, ok bool) {
	if len(text) != 2+2*len(a) || text[0] != '0' || text[1] != 'x' {
		return a, false
	}
	_, err := hex.Decode(a[:], text[2:])
	return a, err == nil
}
