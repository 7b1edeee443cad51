package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/google/go-cmp/cmp"
)

// Accounts of anvil and hardhat that everybody knows, one for each client.
const (
	ethersAccount = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
	viemAccount   = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
	goAccount     = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
)

// A contract that answers every call by the error Refused(42), and what that is
// on the wire. clients/refuser.mjs says how it is made.
const (
	refuser = "0x6015600c60003960156000f363590a515160e01b600052602a60045260246000fd"
	refused = "0x590a5151000000000000000000000000000000000000000000000000000000000000002a"
)

// prices are those of the methods that the clients call.
var prices = map[string]int64{
	"eth_chainId":               0,
	"net_version":               0,
	"eth_blockNumber":           10,
	"eth_feeHistory":            10,
	"eth_maxPriorityFeePerGas":  10,
	"eth_gasPrice":              20,
	"eth_fillTransaction":       20, // as all that is not listed
	"eth_getBalance":            20,
	"eth_getBlockByNumber":      20,
	"eth_getCode":               20,
	"eth_getTransactionByHash":  20,
	"eth_getTransactionCount":   20,
	"eth_getTransactionReceipt": 20,
	"eth_estimateGas":           20,
	"eth_call":                  26,
	"eth_sendRawTransaction":    40,
}

// A session is what a client saw and what it put on the wire.
type session struct {
	ChainID int64
	Block   struct {
		Number int64
		Hash   string
	}
	Transaction struct {
		Hash                string
		Status, BlockNumber int64
	}
	Revert struct{ Data string }

	Requests, LargestBatch int64
	ByMethod               map[string]int64
}

// The clients that people use, on a real node: reads, a batch, a signed
// transaction to its receipt, a call that reverts. What they sent is what is in
// the usage, row by row.
func TestClients(t *testing.T) {
	node := service(t, "POKTAI_TEST_ANVIL")
	scripts := service(t, "POKTAI_TEST_CLIENTS")
	h := newHouse(t, chainOf("anvil", node))
	h.start()
	url := "http://" + h.relay + "/v1/anvil"
	javaScript := func(script, account string) func(*testing.T, key) session {
		return func(t *testing.T, k key) session {
			return runNode(t, filepath.Join(scripts, script), url+"/"+k.Token, "0x"+account)
		}
	}
	clients := map[string]func(*testing.T, key) session{
		"ethers":    javaScript("ethers.mjs", ethersAccount),
		"viem":      javaScript("viem.mjs", viemAccount),
		"ethclient": func(t *testing.T, k key) session { return runEthclient(t, url, k) },
	}
	// All at the same time: their usage must not get mixed up.
	t.Run("at once", func(t *testing.T) {
		for name, run := range clients {
			h.org(name)
			k := h.key(name)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h := h.in(t)
				s := run(t, k)
				checkSession(t, s)
				checkUsage(t, h, name, k, s)
			})
		}
	})
	if _, total := h.usage("local", "method"); total.Calls != 0 {
		t.Errorf("an organisation that did nothing has %v", total)
	}
	h.stop()
}

func checkSession(t *testing.T, s session) {
	t.Helper()
	if s.ChainID != 1337 || len(s.Block.Hash) != 66 {
		t.Errorf("chain %d, block %v", s.ChainID, s.Block)
	}
	if s.Transaction.Status != 1 || len(s.Transaction.Hash) != 66 || s.Transaction.BlockNumber == 0 {
		t.Errorf("transaction %v", s.Transaction)
	}
	if s.Revert.Data != refused {
		t.Errorf("the data of the reverted call are %q, want %s", s.Revert.Data, refused)
	}
	if s.LargestBatch < 3 || s.ByMethod["eth_sendRawTransaction"] != 1 || s.ByMethod["eth_getTransactionReceipt"] == 0 {
		t.Errorf("the client did not do what it was to do: %v", s)
	}
}

// checkUsage compares what was counted with what was sent.
func checkUsage(t *testing.T, h *house, org string, k key, s session) {
	t.Helper()
	want, total := make(map[string]count), count{}
	for method, calls := range s.ByMethod {
		cu, ok := prices[method]
		if !ok {
			t.Errorf("%s is not in the prices of this test", method)
		}
		want[method] = count{calls, calls * cu}
		total.Calls += calls
		total.CU += calls * cu
	}
	h.awaitUsage(org, total.Calls)
	for by, want := range map[string]map[string]count{
		"method": want,
		"key":    {k.ID: total},
		"chain":  {"anvil": total},
		// The call that reverts is an answer of the node, and paid for.
		"status": {"answered": {total.Calls - 1, total.CU - prices["eth_call"]}, "rpc_error": {1, prices["eth_call"]}},
	} {
		if got, _ := h.usage(org, by); !cmp.Equal(want, got) {
			t.Errorf("usage by %s (-sent +counted):\n%s", by, cmp.Diff(want, got))
		}
	}
}

func runNode(t *testing.T, args ...string) (s session) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", args[0], err, stderr.String())
	}
	must(t, json.Unmarshal(out, &s))
	return s
}

// runEthclient does in Go what the scripts do, with the key in a header.
func runEthclient(t *testing.T, url string, k key) (s session) {
	t.Helper()
	ctx := t.Context()
	counter := &callCounter{byMethod: make(map[string]int64)}
	raw, err := rpc.DialOptions(ctx, url, rpc.WithHeader("X-API-Key", k.Token), rpc.WithHTTPClient(counter.client()))
	must(t, err)
	defer raw.Close()
	client := ethclient.NewClient(raw)

	chainID, err := client.ChainID(ctx)
	must(t, err)
	signer, err := crypto.HexToECDSA(goAccount)
	must(t, err)
	from := crypto.PubkeyToAddress(signer.PublicKey)

	var number hexutil.Uint64
	var balance hexutil.Big
	var block struct{ Number, Hash string }
	batch := []rpc.BatchElem{
		{Method: "eth_blockNumber", Result: &number},
		{Method: "eth_getBalance", Args: []any{from, "latest"}, Result: &balance},
		{Method: "eth_getBlockByNumber", Args: []any{"latest", false}, Result: &block},
	}
	must(t, raw.BatchCallContext(ctx, batch))
	for _, b := range batch {
		must(t, b.Error)
	}
	if number == 0 || balance.ToInt().Sign() <= 0 {
		t.Errorf("the batch says block %d and balance %v", number, &balance)
	}

	receipt := deploy(ctx, t, client, chainID, from, func(tx *types.Transaction) (*types.Transaction, error) {
		return types.SignTx(tx, types.LatestSignerForChainID(chainID), signer)
	})
	_, err = client.CallContract(ctx, ethereum.CallMsg{To: &receipt.ContractAddress, Data: []byte{0, 0, 0, 0}}, nil)
	var failed rpc.DataError
	if !errors.As(err, &failed) {
		t.Fatalf("a call that reverts: %v", err)
	}
	var coded rpc.Error
	if !errors.As(err, &coded) || coded.ErrorCode() != 3 {
		t.Errorf("a call that reverts: %v, want code 3", err)
	}

	s.ChainID = chainID.Int64()
	s.Block.Hash = block.Hash
	s.Transaction.Hash, s.Transaction.Status = receipt.TxHash.Hex(), int64(receipt.Status)
	s.Transaction.BlockNumber = receipt.BlockNumber.Int64()
	s.Revert.Data, _ = failed.ErrorData().(string)
	s.Requests, s.LargestBatch, s.ByMethod = counter.requests, counter.largestBatch, counter.byMethod
	return s
}

// deploy sends the transaction that makes the contract, and waits for it.
func deploy(ctx context.Context, t *testing.T, client *ethclient.Client, chainID *big.Int, from common.Address,
	sign func(*types.Transaction) (*types.Transaction, error),
) *types.Receipt {
	t.Helper()
	nonce, err := client.PendingNonceAt(ctx, from)
	must(t, err)
	tip, err := client.SuggestGasTipCap(ctx)
	must(t, err)
	data := common.FromHex(refuser)
	gas, err := client.EstimateGas(ctx, ethereum.CallMsg{From: from, Data: data})
	must(t, err)
	tx, err := sign(types.NewTx(&types.DynamicFeeTx{
		ChainID: chainID, Nonce: nonce, Gas: gas, Data: data,
		GasTipCap: tip, GasFeeCap: new(big.Int).Add(tip, big.NewInt(10e9)),
	}))
	must(t, err)
	must(t, client.SendTransaction(ctx, tx))
	var receipt *types.Receipt
	eventually(t, "the transaction is mined", func() bool {
		receipt, err = client.TransactionReceipt(ctx, tx.Hash())
		return !errors.Is(err, ethereum.NotFound)
	})
	must(t, err)
	return receipt
}
