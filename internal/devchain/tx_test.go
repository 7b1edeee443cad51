package devchain_test

import (
	"context"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/google/go-cmp/cmp"

	"pokt.ai/internal/devchain"
)

func TestTransactionReachesItsReceipt(t *testing.T) {
	to := common.HexToAddress("0x00000000000000000000000000000000000a11ce")
	list := types.AccessList{{Address: to, StorageKeys: []common.Hash{{1}, {2}}}}
	note := []byte("hi\x00")
	chainID := big.NewInt(1337)
	for _, tx := range []struct {
		name  string
		data  types.TxData
		gas   uint64
		price *big.Int
	}{
		{"legacy", &types.LegacyTx{To: &to, Gas: 30000, GasPrice: gwei(3), Value: big.NewInt(5)}, 21000, gwei(3)},
		{"access list", &types.AccessListTx{
			ChainID: chainID, To: &to, Gas: 60000, GasPrice: gwei(4), Value: big.NewInt(6), AccessList: list,
		}, 21000 + 2400 + 2*1900, gwei(4)},
		{"dynamic fee", &types.DynamicFeeTx{
			ChainID: chainID, To: &to, Gas: 30000, GasFeeCap: gwei(9), GasTipCap: gwei(2), Value: big.NewInt(7), Data: note,
		}, 21000 + 16 + 16 + 4, gwei(3)},
		{"fee cap below the tip asked for", &types.DynamicFeeTx{
			ChainID: chainID, To: &to, Gas: 21000, GasFeeCap: gwei(2), GasTipCap: gwei(2),
		}, 21000, gwei(2)},
	} {
		t.Run(tx.name, func(t *testing.T) {
			n := start(t, byHand)
			ctx, sender := t.Context(), n.address(0)
			signed := n.sign(t, 0, tx.data)
			before, _ := n.BalanceAt(ctx, sender, nil)
			n.send(t, signed)
			if _, pending, err := n.TransactionByHash(ctx, signed.Hash()); err != nil || !pending {
				t.Errorf("before the block: pending %v (%v)", pending, err)
			}
			if _, err := n.TransactionReceipt(ctx, signed.Hash()); !errors.Is(err, ethereum.NotFound) {
				t.Errorf("receipt before the block: %v", err)
			}
			if nonce, err := n.PendingNonceAt(ctx, sender); err != nil || nonce != 1 {
				t.Errorf("pending nonce %d (%v)", nonce, err)
			}

			height := n.Mine()
			n.verify(t, height)
			got, pending, err := n.TransactionByHash(ctx, signed.Hash())
			if err != nil || pending || got.Hash() != signed.Hash() {
				t.Fatalf("after the block: %v, pending %v (%v)", got, pending, err)
			}
			r, err := n.TransactionReceipt(ctx, signed.Hash())
			if err != nil {
				t.Fatal(err)
			}
			if r.Status != 1 || r.GasUsed != tx.gas || r.EffectiveGasPrice.Cmp(tx.price) != 0 || r.BlockNumber.Uint64() != height {
				t.Errorf("receipt %+v, want success, %d gas at %s", r, tx.gas, tx.price)
			}
			spent := new(big.Int).Mul(tx.price, new(big.Int).SetUint64(tx.gas))
			spent.Add(spent, signed.Value())
			after, _ := n.BalanceAt(ctx, sender, nil)
			if diff := cmp.Diff(spent.String(), new(big.Int).Sub(before, after).String()); diff != "" {
				t.Errorf("the sender paid (-want +got):\n%s", diff)
			}
			if has, err := n.BalanceAt(ctx, to, nil); err != nil || has.Cmp(signed.Value()) != 0 {
				t.Errorf("the receiver has %s (%v)", has, err)
			}
			if was, err := n.BalanceAt(ctx, sender, new(big.Int).SetUint64(height-1)); err != nil || was.Cmp(before) != 0 {
				t.Errorf("in the block before the sender had %s (%v), want %s", was, err, before)
			}
		})
	}
}

func TestBlockIsMadeForATransaction(t *testing.T) {
	n := start(t, nil)
	to := common.Address{9}
	tx := func(nonce uint64) *types.Transaction {
		return n.sign(t, 0, &types.LegacyTx{Nonce: nonce, To: &to, Gas: 30_000_000, GasPrice: gwei(2)})
	}
	n.send(t, tx(1))
	if head, _ := n.BlockNumber(t.Context()); head != 16 {
		t.Errorf("a transaction after a nonce gap made block %d", head)
	}
	n.send(t, tx(0))
	for nonce := range uint64(2) { // too much gas for one block
		r, err := n.TransactionReceipt(t.Context(), tx(nonce).Hash())
		if err != nil || r.BlockNumber.Uint64() != 17+nonce {
			t.Errorf("receipt of nonce %d: %+v (%v), want block %d", nonce, r, err, 17+nonce)
		}
		n.verify(t, 17+nonce)
	}
}

// More than 128 transactions make tries with keys of two bytes.
func TestFullBlockVerifies(t *testing.T) {
	n := start(t, byHand)
	to := common.Address{9}
	for nonce := range uint64(300) {
		n.send(t, n.sign(t, 0, &types.LegacyTx{Nonce: nonce, To: &to, Gas: 21000, GasPrice: gwei(2), Value: big.NewInt(1)}))
	}
	if b := n.verify(t, n.Mine()); len(b.Transactions()) < 300 {
		t.Errorf("block has %d transactions", len(b.Transactions()))
	}
	if has, err := n.BalanceAt(t.Context(), to, nil); err != nil || has.Int64() != 300 {
		t.Errorf("the receiver has %s (%v)", has, err)
	}
}

func TestReplacementNeedsHigherFees(t *testing.T) {
	n := start(t, byHand)
	offer := func(price int64) (*types.Transaction, error) {
		tx := n.sign(t, 0, &types.LegacyTx{To: &common.Address{9}, Gas: 21000, GasPrice: gwei(price)})
		return tx, n.SendTransaction(t.Context(), tx)
	}
	first, err := offer(100)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := offer(109); err == nil || err.Error() != "replacement transaction underpriced" {
		t.Errorf("9 %% more: %v", err)
	}
	second, err := offer(110)
	if err != nil {
		t.Fatal(err)
	}
	n.Mine()
	if _, err := n.TransactionReceipt(t.Context(), first.Hash()); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("the replaced transaction has a receipt (%v)", err)
	}
	if _, err := n.TransactionReceipt(t.Context(), second.Hash()); err != nil {
		t.Error(err)
	}
}

func TestTransactionsRefused(t *testing.T) {
	n := start(t, byHand)
	to := common.Address{9}
	rich := new(big.Int).Mul(big.NewInt(20_000), big.NewInt(1e18))
	known := n.sign(t, 1, &types.LegacyTx{To: &to, Gas: 21000, GasPrice: gwei(2)})
	n.send(t, known)
	n.send(t, n.sign(t, 2, &types.LegacyTx{To: &to, Gas: 21000, GasPrice: gwei(2)}))
	n.send(t, n.sign(t, 3, &types.LegacyTx{To: &to, Gas: 21000, GasPrice: gwei(2), Value: new(big.Int).Mul(big.NewInt(6000), big.NewInt(1e18))}))
	sign := func(i int, d types.TxData) *types.Transaction { return n.sign(t, i, d) }
	unprotected, err := types.SignNewTx(n.keys[0], types.HomesteadSigner{}, &types.LegacyTx{To: &to, Gas: 21000, GasPrice: gwei(2)})
	if err != nil {
		t.Fatal(err)
	}
	other, err := types.SignNewTx(n.keys[0], types.LatestSignerForChainID(big.NewInt(5)), &types.LegacyTx{To: &to, Gas: 21000, GasPrice: gwei(2)})
	if err != nil {
		t.Fatal(err)
	}
	for want, tx := range map[string]*types.Transaction{
		"already known": known,
		"insufficient funds for gas * price + value: balance 10000000000000000000000, tx cost 20000000042000000000000, overshot 10000000042000000000000": sign(0, &types.LegacyTx{To: &to, Gas: 21000, GasPrice: gwei(2), Value: rich}),
		"insufficient funds for gas * price + value: balance 10000000000000000000000, queued cost":                                                       sign(3, &types.LegacyTx{Nonce: 1, To: &to, Gas: 21000, GasPrice: gwei(2), Value: new(big.Int).Mul(big.NewInt(6000), big.NewInt(1e18))}),
		"insufficient funds for gas * price + value: balance 10000000000000000000000, tx cost over 256 bits":                                             sign(0, &types.LegacyTx{To: &to, Gas: 21000, GasPrice: new(big.Int).Lsh(big.NewInt(1), 255)}),
		"intrinsic gas too low: gas 20999, minimum needed 21000":                                                                                         sign(0, &types.LegacyTx{To: &to, Gas: 20999, GasPrice: gwei(2)}),
		"exceeds block gas limit":                                       sign(0, &types.LegacyTx{To: &to, Gas: 30_000_001, GasPrice: gwei(2)}),
		"max fee per gas less than block base fee":                      sign(0, &types.LegacyTx{To: &to, Gas: 21000, GasPrice: big.NewInt(1)}),
		"max priority fee per gas higher than max fee per gas":          sign(0, &types.DynamicFeeTx{ChainID: big.NewInt(1337), To: &to, Gas: 21000, GasFeeCap: gwei(2), GasTipCap: gwei(3)}),
		"simulated chain: contract creation is not supported":           sign(0, &types.LegacyTx{Gas: 90000, GasPrice: gwei(2), Data: []byte{0x60}}),
		"simulated chain: precompiled contracts are not":                sign(0, &types.LegacyTx{To: &common.Address{19: 4}, Gas: 90000, GasPrice: gwei(2)}),
		"transaction type not supported":                                sign(0, &types.BlobTx{ChainID: nil, To: to, Gas: 21000, BlobHashes: []common.Hash{{1}}}),
		"only replay-protected (EIP-155) transactions allowed":          unprotected,
		"invalid sender: invalid chain id for signer: have 5 want 1337": other,
		"oversized data": sign(0, &types.LegacyTx{To: &to, Gas: 3_000_000, GasPrice: gwei(2), Data: make([]byte, 128<<10)}),
	} {
		if err := n.SendTransaction(t.Context(), tx); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	n.Mine()
	for _, i := range []int{1, 2} {
		again := n.sign(t, i, &types.LegacyTx{To: &to, Gas: 21000, GasPrice: gwei(2), Value: big.NewInt(1)})
		if err := n.SendTransaction(t.Context(), again); err == nil || err.Error() != "nonce too low: next nonce 1, tx nonce 0" {
			t.Errorf("a nonce that was used: %v", err)
		}
	}
}

// Readers, senders and blocks at once; the race detector watches, and no wei
// may come or go but by the books.
func TestConcurrentUse(t *testing.T) {
	n := start(t, func(c *devchain.Config) { c.InitialBlocks = 1 })
	ctx, to := t.Context(), common.Address{9}
	const each = 20
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for nonce := range uint64(each) {
				tx, err := types.SignNewTx(n.keys[i], n.signer, &types.LegacyTx{Nonce: nonce, To: &to, Gas: 21000, GasPrice: gwei(2), Value: big.NewInt(1)})
				if err != nil {
					t.Error(err)
					return
				}
				if err := n.SendTransaction(ctx, tx); err != nil {
					t.Error(err)
					return
				}
				if r, err := n.TransactionReceipt(ctx, tx.Hash()); err != nil || r.Status != 1 {
					t.Errorf("receipt at once after sending: %+v (%v)", r, err)
				}
				if _, err := n.FilterLogs(ctx, ethereum.FilterQuery{FromBlock: common.Big0}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Go(func() {
		for range each {
			n.Mine()
		}
	})
	all.Wait()
	if has, err := n.BalanceAt(context.Background(), to, nil); err != nil || has.Int64() != 4*each {
		t.Errorf("the receiver has %s (%v), want %d", has, err, 4*each)
	}
}
