package devchain

import (
	"encoding/binary"

	"github.com/holiman/uint256"
)

// The one contract of the chain, written in Go: name, symbol, decimals,
// totalSupply, balanceOf and transfer of ERC-20. There are no allowances, and
// every other call reverts without a reason, as a contract without a fallback
// does.
var (
	tokenAddress = address{0xde, 0xca, 0xf0, 19: 0x01}

	// tokenCode is what eth_getCode shows: INVALID, and words that say what it
	// is instead of bytecode.
	tokenCode = []byte("\xfepoktai simulated chain: this contract is built in")

	transferTopic = keccak([]byte("Transfer(address,address,uint256)"))
	wei           = uint256.NewInt(1e18) // to the ether, and units to the token
)

const (
	tokenName     = "Simulated Token"
	tokenSymbol   = "SIM"
	tokenDecimals = 18
	tokenGas      = 30_000 // of any call: what an ERC-20 transfer takes
)

// Selectors: the first four bytes of the hash of the signature.
const (
	selectName        = 0x06fdde03
	selectSymbol      = 0x95d89b41
	selectDecimals    = 0x313ce567
	selectTotalSupply = 0x18160ddd
	selectBalanceOf   = 0x70a08231
	selectTransfer    = 0xa9059cbb
	selectError       = 0x08c379a0 // Error(string)
)

// result is what a call came to. A revert's reason is its output.
type result struct {
	output   []byte
	reason   string // of the revert, if it was given one
	reverted bool
	transfer *transfer
}

type transfer struct {
	from, to address
	amount   uint256.Int
}

func (t *transfer) log() logEntry {
	amount := t.amount.Bytes32()
	return logEntry{
		address: tokenAddress,
		topics:  []hash{transferTopic, hash(abiAddress(t.from)), hash(abiAddress(t.to))},
		data:    amount[:],
	}
}

// callToken runs the contract. It changes nothing: the transfer that it allows
// is in the result.
func callToken(caller address, value *uint256.Int, data []byte, supply *uint256.Int, balanceOf func(address) uint256.Int) result {
	if len(data) < 4 || !value.IsZero() {
		return revert("")
	}
	args := data[4:]
	switch binary.BigEndian.Uint32(data) {
	case selectName:
		return result{output: abiString(tokenName)}
	case selectSymbol:
		return result{output: abiString(tokenSymbol)}
	case selectDecimals:
		return result{output: abiInt(uint256.NewInt(tokenDecimals))}
	case selectTotalSupply:
		return result{output: abiInt(supply)}
	case selectBalanceOf:
		owner, ok := addressArgument(args)
		if !ok {
			return revert("")
		}
		balance := balanceOf(owner)
		return result{output: abiInt(&balance)}
	case selectTransfer:
		to, ok := addressArgument(args)
		if !ok || len(args) < 64 {
			return revert("")
		}
		t := &transfer{from: caller, to: to}
		t.amount.SetBytes32(args[32:64])
		if to == (address{}) {
			return revert("ERC20: transfer to the zero address")
		}
		if balance := balanceOf(caller); balance.Lt(&t.amount) {
			return revert("ERC20: transfer amount exceeds balance")
		}
		return result{output: abiInt(uint256.NewInt(1)), transfer: t}
	default:
		return revert("")
	}
}

func revert(reason string) result {
	if reason == "" {
		return result{reverted: true}
	}
	selector := binary.BigEndian.AppendUint32(nil, selectError)
	return result{reverted: true, reason: reason, output: append(selector, abiString(reason)...)}
}

func transferCall(to address, amount *uint256.Int) []byte {
	data := binary.BigEndian.AppendUint32(nil, selectTransfer)
	return append(append(data, abiAddress(to)...), abiInt(amount)...)
}

// The contract ABI: words of 32 bytes.

func addressArgument(args []byte) (a address, ok bool) {
	if len(args) < 32 || [12]byte(args) != [12]byte{} {
		return a, false
	}
	return address(args[12:32]), true
}

func abiAddress(a address) []byte { return append(make([]byte, 12, 32), a[:]...) }

func abiInt(n *uint256.Int) []byte {
	b := n.Bytes32()
	return b[:]
}

func abiString(s string) []byte {
	out := append(abiInt(uint256.NewInt(32)), abiInt(uint256.NewInt(uint64(len(s))))...)
	out = append(out, s...)
	return append(out, make([]byte, (32-len(s)%32)%32)...)
}
