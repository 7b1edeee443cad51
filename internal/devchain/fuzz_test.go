package devchain

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/rs/zerolog"
)

// FuzzTransaction holds decoding, hash and sender against go-ethereum's.
func FuzzTransaction(f *testing.F) {
	key, err := crypto.ToECDSA(common.LeftPadBytes([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	signer := types.LatestSignerForChainID(big.NewInt(1337))
	to := common.Address{1}
	list := types.AccessList{{Address: to}, {Address: to, StorageKeys: []common.Hash{{1}, {2}}}}
	for _, tx := range []types.TxData{
		&types.LegacyTx{},
		&types.LegacyTx{Nonce: 128, To: &to, GasPrice: big.NewInt(1e9), Gas: 21000, Value: big.NewInt(1), Data: make([]byte, 60)},
		&types.AccessListTx{ChainID: big.NewInt(1337), To: &to, GasPrice: big.NewInt(1), AccessList: list},
		&types.DynamicFeeTx{ChainID: big.NewInt(1337), To: &to, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2), AccessList: list},
		&types.DynamicFeeTx{ChainID: big.NewInt(1337), GasFeeCap: new(big.Int).Lsh(big.NewInt(1), 255), Data: []byte{0x7f}},
	} {
		raw, err := types.MustSignNewTx(key, signer, tx).MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(raw[:len(raw)-1])
	}
	f.Add([]byte{})
	f.Add([]byte{0xc0})
	f.Add([]byte{2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		tx, err := decodeTransaction(raw, 1337)
		var want types.Transaction
		wantErr := want.UnmarshalBinary(raw)
		var sender common.Address
		if wantErr == nil {
			sender, wantErr = types.Sender(signer, &want)
		}
		if wantErr == nil && !want.Protected() {
			wantErr = errUnprotected
		}
		if wantErr == nil && want.Type() > types.DynamicFeeTxType {
			return // a kind that this chain does not take
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("got %v, go-ethereum says %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if common.Address(tx.from) != sender || common.Hash(tx.hash) != want.Hash() {
			t.Errorf("%s from %s, want %s from %s", common.Hash(tx.hash), tx.from, want.Hash(), sender)
		}
		var shown types.Transaction
		if tx.to != nil {
			if err := shown.UnmarshalJSON(tx.appendJSON(nil, nil, 0)); err != nil || shown.Hash() != want.Hash() {
				t.Errorf("as JSON it is %s (%v), want %s", shown.Hash(), err, want.Hash())
			}
		}
	})
}

// FuzzBody asks for a JSON answer, or none, whatever comes.
func FuzzBody(f *testing.F) {
	cfg := DefaultConfig()
	cfg.BlockTime, cfg.InitialBlocks = 0, 3
	c, err := New(cfg, zerolog.Nop())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		``, `[`, `[]`, `[1]`, `null`, `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`,
		`[{"jsonrpc":"2.0","method":"eth_chainId"},{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}]`,
		`{"jsonrpc":"2.0","id":"a","method":"eth_getBalance","params":["0x0000000000000000000000000000000000000001",{"blockNumber":"0x1"}]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"to":"0xdecaf00000000000000000000000000000000001","data":"0xa9059cbb"},"safe"]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{"fromBlock":"earliest","topics":[null,["0x1"]]}]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_feeHistory","params":["0x4","latest",[0,50.5,100]]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x1",true]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x02c0"]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_getStorageAt","params":["0x0000000000000000000000000000000000000001","0x0","pending"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if answer := c.appendAnswer(nil, body); len(answer) > 0 && !json.Valid(answer) {
			t.Errorf("answer to %q is not JSON: %s", body, answer)
		}
	})
}
