package devchain_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"pokt.ai/internal/devchain"
)

// node is a served chain and a real client of it.
type node struct {
	*devchain.Chain
	*ethclient.Client
	raw    *rpc.Client
	signer types.Signer
	keys   []*ecdsa.PrivateKey
}

func config(change func(*devchain.Config)) devchain.Config {
	cfg := devchain.DefaultConfig()
	cfg.BlockTime, cfg.InitialBlocks = 0, 16
	if change != nil {
		change(&cfg)
	}
	return cfg
}

// byHand is for chains that make a block only when the test calls Mine.
func byHand(c *devchain.Config) { c.BlockTime = time.Hour }

func newChain(t testing.TB, change func(*devchain.Config)) *devchain.Chain {
	t.Helper()
	c, err := devchain.New(config(change), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func start(t *testing.T, change func(*devchain.Config)) *node {
	t.Helper()
	n := &node{Chain: newChain(t, change), signer: types.LatestSignerForChainID(big.NewInt(1337))}
	for _, a := range n.Accounts() {
		key, err := crypto.ToECDSA(a.PrivateKey[:])
		if err != nil {
			t.Fatal(err)
		}
		if got := crypto.PubkeyToAddress(key.PublicKey); got != common.Address(a.Address) {
			t.Fatalf("key of %x belongs to %s", a.Address, got)
		}
		n.keys = append(n.keys, key)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- n.Serve(ctx, ln) }()
	if n.raw, err = rpc.Dial("http://" + ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	n.Client = ethclient.NewClient(n.raw)
	t.Cleanup(func() {
		n.Close()
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve returned %v", err)
		}
	})
	return n
}

func (n *node) address(i int) common.Address { return crypto.PubkeyToAddress(n.keys[i].PublicKey) }

func (n *node) sign(t *testing.T, i int, tx types.TxData) *types.Transaction {
	t.Helper()
	signed, err := types.SignNewTx(n.keys[i], n.signer, tx)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func (n *node) send(t *testing.T, tx *types.Transaction) {
	t.Helper()
	if err := n.SendTransaction(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
}

func gwei(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e9)) }

// listHasher takes what go-ethereum puts into a block's trie.
type listHasher struct{ items map[uint64][]byte }

func (h *listHasher) Reset() { h.items = map[uint64][]byte{} }

func (h *listHasher) Update(key, value []byte) error {
	var index uint64
	err := rlp.DecodeBytes(key, &index)
	h.items[index] = bytes.Clone(value)
	return err
}

func (h *listHasher) Hash() common.Hash {
	items := make([][]byte, len(h.items))
	for i, item := range h.items {
		items[i] = item
	}
	return devchain.ListRoot(items)
}

// verify recomputes with go-ethereum all that a block commits to.
func (n *node) verify(t *testing.T, number uint64) *types.Block {
	t.Helper()
	b, err := n.BlockByNumber(t.Context(), new(big.Int).SetUint64(number))
	if err != nil {
		t.Fatalf("block %d: %v", number, err)
	}
	var said struct {
		Hash common.Hash
		Size string
	}
	if err := n.raw.CallContext(t.Context(), &said, "eth_getBlockByNumber", "0x"+new(big.Int).SetUint64(number).Text(16), false); err != nil {
		t.Fatal(err)
	}
	if b.Hash() != said.Hash {
		t.Errorf("block %d: hash %s, its header hashes to %s", number, said.Hash, b.Hash())
	}
	if size := "0x" + new(big.Int).SetUint64(b.Size()).Text(16); size != said.Size {
		t.Errorf("block %d: size %s, want %s", number, said.Size, size)
	}
	if root := types.DeriveSha(b.Transactions(), &listHasher{}); root != b.TxHash() {
		t.Errorf("block %d: transactionsRoot %s, want %s", number, b.TxHash(), root)
	}
	receipts, err := n.BlockReceipts(t.Context(), rpc.BlockNumberOrHashWithHash(b.Hash(), false))
	if err != nil {
		t.Fatalf("receipts of block %d: %v", number, err)
	}
	if root := types.DeriveSha(types.Receipts(receipts), &listHasher{}); root != b.ReceiptHash() {
		t.Errorf("block %d: receiptsRoot %s, want %s", number, b.ReceiptHash(), root)
	}
	if bloom := types.MergeBloom(receipts); bloom != b.Bloom() {
		t.Errorf("block %d: bloom differs from its receipts'", number)
	}
	var gas uint64
	logIndex := uint(0)
	for i, tx := range b.Transactions() {
		gas += receipts[i].GasUsed
		sender, err := types.Sender(n.signer, tx)
		if err != nil {
			t.Fatal(err)
		}
		said, err := n.TransactionSender(t.Context(), tx, b.Hash(), uint(i))
		if err != nil || said != sender {
			t.Errorf("sender of transaction %d of block %d is %s (%v), signed by %s", i, number, said, err, sender)
		}
		for _, l := range receipts[i].Logs {
			if l.Index != logIndex || l.TxHash != tx.Hash() || l.BlockHash != b.Hash() || l.BlockTimestamp != b.Time() {
				t.Errorf("log %d of block %d is misplaced: %+v", logIndex, number, l)
			}
			logIndex++
		}
	}
	if gas != b.GasUsed() {
		t.Errorf("block %d: gasUsed %d, its receipts' %d", number, b.GasUsed(), gas)
	}
	return b
}

func TestBlocksVerify(t *testing.T) {
	n := start(t, nil)
	head, err := n.BlockNumber(t.Context())
	if err != nil || head != 16 {
		t.Fatalf("head is %d (%v), want the initial 16", head, err)
	}
	kinds := map[uint8]int{}
	parent := n.verify(t, 0)
	for number := uint64(1); number <= 12; number++ {
		b := n.verify(t, number)
		if b.ParentHash() != parent.Hash() || b.Time() != parent.Time()+1 {
			t.Errorf("block %d does not follow block %d", number, number-1)
		}
		if len(b.Transactions()) == 0 {
			t.Errorf("block %d is empty", number)
		}
		for _, tx := range b.Transactions() {
			kinds[tx.Type()]++
		}
		parent = b
	}
	if len(kinds) != 3 {
		t.Errorf("types of transactions seen: %v, want all three", kinds)
	}
}

func TestSameSeedSameChain(t *testing.T) {
	last := func(seed int64, to common.Address) common.Hash {
		n := start(t, func(c *devchain.Config) { c.Seed = seed })
		n.send(t, n.sign(t, 0, &types.LegacyTx{To: &to, Gas: 21000, GasPrice: gwei(2), Value: big.NewInt(7)}))
		n.Mine()
		h, err := n.HeaderByNumber(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return h.Hash()
	}
	first := last(1, common.Address{1})
	if again := last(1, common.Address{1}); again != first {
		t.Errorf("the same seed and transactions gave %s and %s", first, again)
	}
	if other := last(2, common.Address{1}); other == first {
		t.Error("another seed gave the same chain")
	}
	if other := last(1, common.Address{2}); other == first {
		t.Error("another transaction gave the same chain")
	}
}

func TestTagsAreOrdered(t *testing.T) {
	n := start(t, func(c *devchain.Config) { c.InitialBlocks = 0 })
	mined := uint64(0)
	for _, height := range []uint64{0, 10, 40, 100} {
		for ; mined < height; mined++ {
			n.Mine()
		}
		var got []uint64
		for _, tag := range []rpc.BlockNumber{rpc.EarliestBlockNumber, rpc.FinalizedBlockNumber, rpc.SafeBlockNumber, rpc.LatestBlockNumber} {
			h, err := n.HeaderByNumber(t.Context(), big.NewInt(tag.Int64()))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, h.Number.Uint64())
		}
		want := []uint64{0, height - min(height, 64), height - min(height, 32), height}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("earliest, finalized, safe, latest at %d (-want +got):\n%s", height, diff)
		}
	}
}

func TestBlockTimeMakesBlocks(t *testing.T) {
	n := start(t, func(c *devchain.Config) { c.BlockTime = time.Millisecond })
	first, err := n.BlockNumber(t.Context())
	for head := first; err == nil && head < first+3; {
		head, err = n.BlockNumber(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestTimestampsAdvanceByWholeSeconds(t *testing.T) {
	for blockTime, want := range map[time.Duration]uint64{0: 1, 100 * time.Millisecond: 1, 12 * time.Second: 12} {
		n := start(t, func(c *devchain.Config) { c.BlockTime, c.InitialBlocks = blockTime, 2 })
		if got := n.verify(t, 2).Time() - n.verify(t, 1).Time(); got != want {
			t.Errorf("block time %s: timestamps %d s apart, want %d", blockTime, got, want)
		}
	}
}

func TestPrunedHistoryIsRefused(t *testing.T) {
	n := start(t, func(c *devchain.Config) { c.RetainBlocks, c.InitialBlocks = 65, 128 })
	ctx := t.Context()
	old := n.verify(t, 64) // the oldest of 128
	oldTx := old.Transactions()[0].Hash()
	n.Mine()
	n.verify(t, 0)
	n.verify(t, 65)
	for name, ask := range map[string]func() error{
		"block":    func() error { _, err := n.BlockByNumber(ctx, big.NewInt(64)); return err },
		"balance":  func() error { _, err := n.BalanceAt(ctx, n.address(0), big.NewInt(64)); return err },
		"receipts": func() error { _, err := n.BlockReceipts(ctx, rpc.BlockNumberOrHashWithNumber(64)); return err },
		"logs": func() error {
			_, err := n.FilterLogs(ctx, ethereum.FilterQuery{FromBlock: big.NewInt(60)})
			return err
		},
	} {
		err := ask()
		var rpcErr rpc.Error
		if !errors.As(err, &rpcErr) || rpcErr.ErrorCode() != 4444 || !strings.Contains(err.Error(), "keeps blocks from 65 on") {
			t.Errorf("%s: %v, want code 4444", name, err)
		}
	}
	if _, err := n.TransactionReceipt(ctx, oldTx); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("receipt of a pruned transaction: %v", err)
	}
	if _, err := n.BlockByHash(ctx, old.Hash()); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("pruned block by hash: %v", err)
	}
	// A trader's account changes often, so that most of its past is gone.
	trader, err := types.Sender(n.signer, n.verify(t, 66).Transactions()[0])
	if err != nil {
		t.Fatal(err)
	}
	before, err := n.NonceAt(ctx, trader, big.NewInt(65))
	if err != nil {
		t.Fatal(err)
	}
	after, err := n.NonceAt(ctx, trader, big.NewInt(66))
	if err != nil || after != before+1 {
		t.Errorf("nonce %d, then %d (%v) after one transaction", before, after, err)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	c := newChain(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop() // even if it ended before
	if err := c.Serve(ctx, ln); err != nil {
		t.Error(err)
	}
}

func TestAccountsAreAsDocumented(t *testing.T) {
	doc, err := os.ReadFile("config.go")
	if err != nil {
		t.Fatal(err)
	}
	n := start(t, nil)
	for _, a := range n.Accounts()[:2] {
		line := "//\t0x" + hex.EncodeToString(a.Address[:]) + " key 0x" + hex.EncodeToString(a.PrivateKey[:]) + "\n"
		if !strings.Contains(string(doc), line) {
			t.Errorf("the package comment should have this line:\n%s", line)
		}
	}
	var listed []common.Address
	if err := n.raw.Call(&listed, "eth_accounts"); err != nil || len(listed) != 10 || listed[0] != n.address(0) {
		t.Errorf("eth_accounts: %v (%v)", listed, err)
	}
}

func TestValidateReportsEveryFault(t *testing.T) {
	got := map[string]bool{}
	devchain.Config{BlockTime: -1, Accounts: -1, InitialBlocks: -1}.Validate(func(key, _ string) { got[key] = true })
	want := map[string]bool{
		"listen": true, "chain_id": true, "block_time": true, "accounts": true, "initial_blocks": true, "retain_blocks": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys reported (-want +got):\n%s", diff)
	}
	devchain.DefaultConfig().Validate(func(key, message string) { t.Errorf("the default is refused: %s: %s", key, message) })
}
