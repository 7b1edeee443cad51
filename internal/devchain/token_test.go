package devchain_test

import (
	"bytes"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/google/go-cmp/cmp"

	"pokt.ai/internal/devchain"
)

var token = common.HexToAddress("0xdecaf00000000000000000000000000000000001")

const tokenABI = `[
	{"type":"function","name":"name","stateMutability":"view","inputs":[],"outputs":[{"type":"string"}]},
	{"type":"function","name":"symbol","stateMutability":"view","inputs":[],"outputs":[{"type":"string"}]},
	{"type":"function","name":"decimals","stateMutability":"view","inputs":[],"outputs":[{"type":"uint8"}]},
	{"type":"function","name":"totalSupply","stateMutability":"view","inputs":[],"outputs":[{"type":"uint256"}]},
	{"type":"function","name":"balanceOf","stateMutability":"view","inputs":[{"type":"address"}],"outputs":[{"type":"uint256"}]},
	{"type":"function","name":"approve","inputs":[{"type":"address"},{"type":"uint256"}],"outputs":[{"type":"bool"}]},
	{"type":"function","name":"transfer","inputs":[{"type":"address"},{"type":"uint256"}],"outputs":[{"type":"bool"}]},
	{"type":"event","name":"Transfer","inputs":[{"name":"from","type":"address","indexed":true},{"name":"to","type":"address","indexed":true},{"name":"value","type":"uint256"}]}
]`

func parseABI(t testing.TB) abi.ABI {
	t.Helper()
	parsed, err := abi.JSON(strings.NewReader(tokenABI))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func pack(t testing.TB, name string, args ...any) []byte {
	t.Helper()
	data, err := parseABI(t).Pack(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (n *node) view(t *testing.T, at *big.Int, name string, args ...any) any {
	t.Helper()
	out, err := n.CallContract(t.Context(), ethereum.CallMsg{To: &token, Data: pack(t, name, args...)}, at)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	values, err := parseABI(t).Unpack(name, out)
	if err != nil {
		t.Fatalf("%s answered %x: %v", name, out, err)
	}
	return values[0]
}

func tokens(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e18)) }

func TestTokenDescribesItself(t *testing.T) {
	n := start(t, nil)
	got := []any{n.view(t, nil, "name"), n.view(t, nil, "symbol"), n.view(t, nil, "decimals"), n.view(t, nil, "totalSupply").(*big.Int).String()}
	want := []any{"Simulated Token", "SIM", uint8(18), tokens(4_000_000_000 + 10*1000).String()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("name, symbol, decimals, totalSupply (-want +got):\n%s", diff)
	}
	if code, err := n.CodeAt(t.Context(), token, nil); err != nil || !bytes.HasPrefix(code, []byte{0xfe}) {
		t.Errorf("code %q (%v), want one that begins with INVALID", code, err)
	}
}

// Whoever pays, the sum over all holders is the supply.
func TestTokensAreConserved(t *testing.T) {
	n := start(t, nil)
	logs, err := n.FilterLogs(t.Context(), ethereum.FilterQuery{FromBlock: common.Big0, Addresses: []common.Address{token}})
	if err != nil {
		t.Fatal(err)
	}
	holders := map[common.Address]bool{}
	for _, l := range logs {
		holders[common.BytesToAddress(l.Topics[1][:])] = true
		holders[common.BytesToAddress(l.Topics[2][:])] = true
	}
	for i := range n.keys {
		holders[n.address(i)] = true
	}
	sum := new(big.Int)
	for h := range holders {
		sum.Add(sum, n.view(t, nil, "balanceOf", h).(*big.Int))
	}
	if supply := n.view(t, nil, "totalSupply").(*big.Int); sum.Cmp(supply) != 0 {
		t.Errorf("%d holders have %s of %s", len(holders), sum, supply)
	}
}

func TestTokenTransfer(t *testing.T) {
	n := start(t, nil)
	ctx, from, to := t.Context(), n.address(0), n.address(1)
	call := ethereum.CallMsg{From: from, To: &token, Data: pack(t, "transfer", to, tokens(250))}
	if out, err := n.CallContract(ctx, call, nil); err != nil || new(big.Int).SetBytes(out).Int64() != 1 {
		t.Errorf("eth_call: %x (%v), want true", out, err)
	}
	gas, err := n.EstimateGas(ctx, call)
	if err != nil {
		t.Fatal(err)
	}
	signed := n.sign(t, 0, &types.DynamicFeeTx{
		ChainID: big.NewInt(1337), To: &token, Gas: gas, GasFeeCap: gwei(5), GasTipCap: gwei(1), Data: call.Data,
	})
	n.send(t, signed)
	r, err := n.TransactionReceipt(ctx, signed.Hash())
	if err != nil {
		t.Fatal(err)
	}
	n.verify(t, r.BlockNumber.Uint64())
	if r.Status != 1 || r.GasUsed != gas || len(r.Logs) != 1 {
		t.Fatalf("receipt %+v, want success with the %d gas estimated and one log", r, gas)
	}
	event, err := parseABI(t).Unpack("Transfer", r.Logs[0].Data)
	if err != nil || event[0].(*big.Int).Cmp(tokens(250)) != 0 || r.Logs[0].Topics[0] != parseABI(t).Events["Transfer"].ID {
		t.Errorf("log %+v (%v)", r.Logs[0], err)
	}
	before := new(big.Int).Sub(r.BlockNumber, common.Big1)
	for _, want := range []struct {
		who common.Address
		at  *big.Int
		has int64
	}{{from, before, 1000}, {to, before, 1000}, {from, nil, 750}, {to, nil, 1250}} {
		if has := n.view(t, want.at, "balanceOf", want.who).(*big.Int); has.Cmp(tokens(want.has)) != 0 {
			t.Errorf("%s has %s at %v, want %d tokens", want.who, has, want.at, want.has)
		}
	}
}

func TestRevertCarriesItsData(t *testing.T) {
	n := start(t, nil)
	me := n.address(0)
	for _, call := range []struct {
		name, reason string
		msg          ethereum.CallMsg
	}{
		{"beyond the balance", "ERC20: transfer amount exceeds balance", ethereum.CallMsg{Data: pack(t, "transfer", me, tokens(1001))}},
		{"to nobody", "ERC20: transfer to the zero address", ethereum.CallMsg{Data: pack(t, "transfer", common.Address{}, tokens(1))}},
		{"a function it lacks", "", ethereum.CallMsg{Data: pack(t, "approve", me, tokens(1))}},
		{"no function", "", ethereum.CallMsg{}},
		{"ether to a function", "", ethereum.CallMsg{Data: pack(t, "transfer", me, tokens(1)), Value: common.Big1}},
		{"an argument cut short", "", ethereum.CallMsg{Data: pack(t, "transfer", me, tokens(1))[:67]}},
		{"an address over 160 bits", "", ethereum.CallMsg{Data: append(pack(t, "name"), bytes.Repeat([]byte{1}, 64)...)}},
	} {
		call.msg.From, call.msg.To = me, &token
		if call.name == "an address over 160 bits" {
			copy(call.msg.Data, pack(t, "transfer", me, tokens(1))[:4])
		}
		for method, ask := range map[string]func() error{
			"eth_call":        func() error { _, err := n.CallContract(t.Context(), call.msg, nil); return err },
			"eth_estimateGas": func() error { _, err := n.EstimateGas(t.Context(), call.msg); return err },
		} {
			err := ask()
			var withCode rpc.Error
			var withData rpc.DataError
			if !errors.As(err, &withCode) || !errors.As(err, &withData) || withCode.ErrorCode() != 3 {
				t.Errorf("%s, %s: %v, want code 3", method, call.name, err)
				continue
			}
			data := common.FromHex(withData.ErrorData().(string))
			if call.reason == "" {
				if err.Error() != "execution reverted" || len(data) != 0 {
					t.Errorf("%s, %s: %v with data %x, want none", method, call.name, err, data)
				}
				continue
			}
			if reason, unpackErr := abi.UnpackRevert(data); unpackErr != nil || reason != call.reason || err.Error() != "execution reverted: "+call.reason {
				t.Errorf("%s, %s: %v with data %q (%v)", method, call.name, err, reason, unpackErr)
			}
		}
	}
}

func TestFailedTransactionsStillPay(t *testing.T) {
	n := start(t, nil)
	for i, tx := range []*types.LegacyTx{
		{To: &token, Gas: 100_000, GasPrice: gwei(2), Data: pack(t, "transfer", n.address(5), tokens(1001))}, // reverts
		{To: &token, Gas: 30_000, GasPrice: gwei(2), Data: pack(t, "transfer", n.address(5), tokens(1))},     // out of gas
		{To: &token, Gas: 100_000, GasPrice: gwei(2), Value: tokens(1)},                                      // pays a contract that takes none
	} {
		signed := n.sign(t, i, tx)
		n.send(t, signed)
		r, err := n.TransactionReceipt(t.Context(), signed.Hash())
		if err != nil {
			t.Fatal(err)
		}
		n.verify(t, r.BlockNumber.Uint64())
		if r.Status != 0 || len(r.Logs) != 0 || (i == 1 && r.GasUsed != tx.Gas) {
			t.Errorf("receipt of transaction %d: %+v, want failure", i, r)
		}
		fee := new(big.Int).Mul(gwei(2), new(big.Int).SetUint64(r.GasUsed))
		has, _ := n.BalanceAt(t.Context(), n.address(i), nil)
		if want := new(big.Int).Sub(tokens(10_000), fee); has.Cmp(want) != 0 {
			t.Errorf("after transaction %d its sender has %s, want %s", i, has, want)
		}
		if has := n.view(t, nil, "balanceOf", n.address(i)).(*big.Int); has.Cmp(tokens(1000)) != 0 {
			t.Errorf("after transaction %d its sender has %s tokens", i, has)
		}
	}
}

func TestLogsAreFiltered(t *testing.T) {
	n := start(t, func(c *devchain.Config) { c.InitialBlocks = 80 })
	ctx := t.Context()
	var all []types.Log
	for number := range uint64(81) {
		receipts, err := n.BlockReceipts(ctx, rpc.BlockNumberOrHashWithNumber(rpc.BlockNumber(number)))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range receipts {
			for _, l := range r.Logs {
				all = append(all, *l)
			}
		}
	}
	some := all[7]
	other := all[40]
	for name, query := range map[string]struct {
		ethereum.FilterQuery
		keep func(types.Log) bool
	}{
		"everything": {ethereum.FilterQuery{FromBlock: common.Big0}, func(types.Log) bool { return true }},
		"a range": {
			ethereum.FilterQuery{FromBlock: big.NewInt(10), ToBlock: big.NewInt(20)},
			func(l types.Log) bool { return l.BlockNumber >= 10 && l.BlockNumber <= 20 },
		},
		"from finalized to safe": {
			ethereum.FilterQuery{FromBlock: big.NewInt(int64(rpc.FinalizedBlockNumber)), ToBlock: big.NewInt(int64(rpc.SafeBlockNumber))},
			func(l types.Log) bool { return l.BlockNumber >= 16 && l.BlockNumber <= 48 },
		},
		"latest alone": {ethereum.FilterQuery{FromBlock: big.NewInt(int64(rpc.LatestBlockNumber))}, func(l types.Log) bool { return l.BlockNumber == 80 }},
		"a block": {
			ethereum.FilterQuery{BlockHash: &some.BlockHash},
			func(l types.Log) bool { return l.BlockHash == some.BlockHash },
		},
		"two senders": {
			ethereum.FilterQuery{FromBlock: common.Big0, Topics: [][]common.Hash{{}, {some.Topics[1], other.Topics[1]}}},
			func(l types.Log) bool { return l.Topics[1] == some.Topics[1] || l.Topics[1] == other.Topics[1] },
		},
		"a sender and a receiver": {
			ethereum.FilterQuery{FromBlock: common.Big0, Topics: [][]common.Hash{{some.Topics[0]}, {some.Topics[1]}, {some.Topics[2]}}},
			func(l types.Log) bool { return l.Topics[1] == some.Topics[1] && l.Topics[2] == some.Topics[2] },
		},
		"another contract":     {ethereum.FilterQuery{FromBlock: common.Big0, Addresses: []common.Address{{1}}}, func(types.Log) bool { return false }},
		"one of two contracts": {ethereum.FilterQuery{FromBlock: common.Big0, Addresses: []common.Address{{1}, token}}, func(types.Log) bool { return true }},
		"more topics than there are": {
			ethereum.FilterQuery{FromBlock: common.Big0, Topics: [][]common.Hash{{}, {}, {}, {}}},
			func(types.Log) bool { return false },
		},
		"beyond the head": {ethereum.FilterQuery{FromBlock: big.NewInt(500)}, func(types.Log) bool { return false }},
	} {
		want := []types.Log{}
		for _, l := range all {
			if query.keep(l) {
				want = append(want, l)
			}
		}
		got, err := n.FilterLogs(ctx, query.FilterQuery)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	var unbounded []types.Log // the client above fills in what is left out
	if err := n.raw.Call(&unbounded, "eth_getLogs", map[string]any{"address": token}); err != nil || unbounded[0].BlockNumber != 80 {
		t.Errorf("without a range: %+v (%v), want the latest block's", unbounded, err)
	}
}

func TestTooManyLogsAreRefused(t *testing.T) {
	if raceEnabled {
		t.Skip("signing ten thousand transfers takes half a minute under the race detector")
	}
	n := start(t, func(c *devchain.Config) { c.InitialBlocks = 4095 })
	_, err := n.FilterLogs(t.Context(), ethereum.FilterQuery{FromBlock: common.Big0})
	var rpcErr rpc.Error
	if !errors.As(err, &rpcErr) || err.Error() != "query returned more than 10000 results" || rpcErr.ErrorCode() != -32005 {
		t.Errorf("logs of 4095 blocks: %v", err)
	}
}
