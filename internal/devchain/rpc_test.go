package devchain_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fasthttp"

	"pokt.ai/internal/devchain"
)

// post gives a body to the handler, and returns the status and the answer.
func post(c *devchain.Chain, body string) (int, string) {
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.SetMethod(http.MethodPost)
	ctx.Request.SetBodyString(body)
	c.Handle(&ctx)
	return ctx.Response.StatusCode(), string(ctx.Response.Body())
}

func call(method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params)
}

func TestMessages(t *testing.T) {
	c := newChain(t, nil)
	const invalid = `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"invalid request"}}`
	chainID := func(id string) string { return `{"jsonrpc":"2.0","id":` + id + `,"result":"0x539"}` }
	ask := func(id string) string { return `{"jsonrpc":"2.0","id":` + id + `,"method":"eth_chainId"}` }
	for name, m := range map[string]struct{ in, out string }{
		"number id":              {ask("7"), chainID("7")},
		"text id":                {ask(`"a\u0062"`), chainID(`"a\u0062"`)},
		"null id":                {ask("null"), chainID("null")},
		"id of many digits":      {ask("12345678901234567890.50"), chainID("12345678901234567890.50")},
		"object id":              {ask("{}"), invalid},
		"space around":           {" \r\n\t" + ask("7") + " \n", chainID("7")},
		"notification":           {`{"jsonrpc":"2.0","method":"eth_chainId"}`, ``},
		"no version":             {`{"id":1,"method":"eth_chainId"}`, strings.Replace(invalid, "null", "1", 1)},
		"no method":              {`{"jsonrpc":"2.0","id":1}`, strings.Replace(invalid, "null", "1", 1)},
		"method of a wrong type": {`{"jsonrpc":"2.0","id":1,"method":3}`, strings.Replace(invalid, "null", "1", 1)},
		"text alone":             {`"eth_chainId"`, invalid},
		"nothing":                {``, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}`},
		"cut short":              {`{"jsonrpc":"2.0"`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}`},
		"batch":                  {"[" + ask("1") + "," + ask("1") + "]", "[" + chainID("1") + "," + chainID("1") + "]"},
		"batch of mixed things": {
			`[{"jsonrpc":"2.0","method":"eth_chainId"},` + ask("1") + `,{"jsonrpc":"2.0","method":"eth_chainId"},1,{"jsonrpc":"2.0","method":"x"}]`,
			"[" + chainID("1") + "," + invalid + "]",
		},
		"batch of notifications": {`[{"jsonrpc":"2.0","method":"eth_chainId"}]`, ``},
		"empty batch":            {` []`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"empty batch"}}`},
		"batch cut short":        {`[` + ask("1"), `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}`},
		"batch over the limit": {
			"[" + strings.Repeat("1,", 1000) + "1]",
			`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch too large"}}`,
		},
	} {
		status, out := post(c, m.in)
		if diff := cmp.Diff(m.out, out); status != http.StatusOK || diff != "" {
			t.Errorf("%s: status %d (-want +got):\n%s", name, status, diff)
		}
	}
	var ctx fasthttp.RequestCtx
	if c.Handle(&ctx); ctx.Response.StatusCode() != http.StatusMethodNotAllowed {
		t.Errorf("GET is answered by %d", ctx.Response.StatusCode())
	}
}

func TestAnswers(t *testing.T) {
	c := newChain(t, nil)
	const a = `"0x40d096540856bd9dbff67a374be24692d0c4a007"`
	const nobody = `"0x00000000000000000000000000000000000a11ce"`
	const tokenAddress = `"0xdecaf00000000000000000000000000000000001"`
	const unknown = `"0x00000000000000000000000000000000000000000000000000000000000000ff"`
	type answer struct{ method, params, out string }
	result := func(method, params, out string) answer { return answer{method, params, `"result":` + out} }
	fault := func(method, params string, code int, message string) answer {
		quoted, _ := json.Marshal(message)
		return answer{method, params, fmt.Sprintf(`"error":{"code":%d,"message":%s}`, code, quoted)}
	}
	for _, want := range []answer{
		result("web3_clientVersion", `[]`, `"poktai-devchain/v1 (simulated)"`),
		result("net_version", `[]`, `"1337"`),
		result("net_listening", `[]`, `true`),
		result("eth_syncing", `[]`, `false`),
		result("eth_blockNumber", `null`, `"0x10"`),
		result("eth_gasPrice", `[]`, `"0x77359400"`),
		result("eth_maxPriorityFeePerGas", `[]`, `"0x3b9aca00"`),
		result("eth_getBalance", `[`+a+`]`, `"0x21e19e0c9bab2400000"`),
		result("eth_getBalance", `[`+a+`,null]`, `"0x21e19e0c9bab2400000"`),
		result("eth_getBalance", `[`+a+`,{"blockNumber":"0x1"}]`, `"0x21e19e0c9bab2400000"`),
		result("eth_getBalance", `[`+nobody+`,"pending"]`, `"0x0"`),
		result("eth_getTransactionCount", `[`+a+`,"earliest"]`, `"0x0"`),
		result("eth_getBalance", `[ `+a+` , {"x":[{"],\\\"}":1}],"blockNumber":"0x5"} ]`, `"0x21e19e0c9bab2400000"`),
		result("eth_getCode", `[`+a+`,"latest"]`, `"0x"`),
		result("eth_getStorageAt", `[`+a+`,"0x0","latest"]`, `"0x`+strings.Repeat("0", 64)+`"`),
		result("eth_getBlockTransactionCountByNumber", `["0x0"]`, `"0x0"`),
		result("eth_call", `[{"to":`+nobody+`,"data":"0xdeadbeef"},"latest"]`, `"0x"`),
		result("eth_call", `[{"from":null,"to":`+nobody+`,"value":null,"input":null},{"blockNumber":"0x5"}]`, `"0x"`),
		result("eth_estimateGas", `[{"to":`+nobody+`,"data":"0x00ff"}]`, `"0x521c"`),
		result("eth_estimateGas", `[{"to":`+nobody+`,"accessList":[{"address":`+a+`,"storageKeys":[`+unknown+`]}]}]`, `"0x62d4"`),
		// What is not there is null.
		result("eth_getBlockByNumber", `["0x11",true]`, `null`),
		result("eth_getBlockByHash", `[`+unknown+`,true]`, `null`),
		result("eth_getBlockTransactionCountByNumber", `["0x11"]`, `null`),
		result("eth_getBlockReceipts", `["0x11"]`, `null`),
		result("eth_getTransactionByHash", `[`+unknown+`]`, `null`),
		result("eth_getTransactionReceipt", `[`+unknown+`]`, `null`),
		result("eth_getTransactionByBlockNumberAndIndex", `["latest","0xff"]`, `null`),
		// What is not simulated is refused.
		fault("eth_getProof", `[]`, -32601, "the method eth_getProof does not exist/is not available on this simulated chain"),
		fault("eth_getBlockByNumber", `["pending",false]`, -32000, "pending block is not available"),
		fault("eth_getLogs", `[{"toBlock":"pending"}]`, -32000, "pending logs are not supported"),
		fault("eth_getStorageAt", `[`+tokenAddress+`,"0x0"]`, -32000, "simulated chain: the built-in contract has no storage slots"),
		fault("eth_call", `[{"data":"0x00"}]`, -32000, "simulated chain: contract creation is not supported, no bytecode is executed"),
		fault("eth_call", `[{"to":"0x0000000000000000000000000000000000000100"}]`, -32000, "simulated chain: precompiled contracts are not supported"),
		fault("eth_call", `[{"to":`+nobody+`},"latest",{}]`, -32602, "too many arguments, want at most 2"),
		fault("eth_call", `[{"to":`+nobody+`,"authorizationList":[]}]`, -32000, "simulated chain: blob and set-code transactions are not supported"),
		// And what is wrong, too.
		fault("eth_getBalance", `{}`, -32602, "non-array args"),
		fault("eth_getBalance", `[]`, -32602, "missing value for required argument 0"),
		fault("eth_getBalance", `[null,"latest"]`, -32602, "missing value for required argument 0"),
		fault("eth_getBalance", `["0x12"]`, -32602, "invalid argument 0: hex string has length 2, want 40 for address"),
		fault("eth_getBalance", `["40d096540856bd9dbff67a374be24692d0c4a007"]`, -32602, "invalid argument 0: hex string without 0x prefix"),
		fault("eth_getBalance", `["0x40d096540856bd9dbff67a374be24692d0c4a0zz"]`, -32602, "invalid argument 0: invalid hex string"),
		fault("eth_getBalance", `[7]`, -32602, "invalid argument 0: not a string"),
		fault("eth_getBalance", `[`+a+`,"newest"]`, -32602, "invalid argument 1: hex string without 0x prefix"),
		fault("eth_getBalance", `[`+a+`,"0x01"]`, -32602, "invalid argument 1: hex number with leading zero digits"),
		fault("eth_getBalance", `[`+a+`,"0x"]`, -32602, `invalid argument 1: hex string "0x"`),
		fault("eth_getBalance", `[`+a+`,{}]`, -32602, "invalid argument 1: one of blockNumber and blockHash must be given"),
		fault("eth_getBalance", `[`+a+`,"0x11"]`, -32000, "header not found"),
		fault("eth_getBalance", `[`+a+`,{"blockHash":`+unknown+`}]`, -32000, "header for hash not found"),
		fault("eth_getBlockByNumber", `["0x0",1]`, -32602, "invalid argument 1: neither true nor false"),
		fault("eth_getBlockByHash", `["latest",true]`, -32602, "invalid argument 0: hex string without 0x prefix"),
		fault("eth_getStorageAt", `[`+a+`,"0xzz"]`, -32602, "invalid argument 1: unable to decode storage key: invalid hex string"),
		fault("eth_call", `[{"to":`+nobody+`,"data":"0x0"}]`, -32602, "invalid argument 0: hex string of odd length"),
		fault("eth_call", `[{"to":`+nobody+`,"value":"0x1"}]`, -32000,
			"insufficient funds for gas * price + value: address 0x0000000000000000000000000000000000000000 have 0 want 1"),
		fault("eth_call", `[{"to":`+nobody+`,"gas":"0x1"}]`, -32000, "out of gas: gas 1, needed 21000"),
		fault("eth_call", `[{"to":`+nobody+`,"data":"0x00","input":"0x01"}]`, -32000,
			`both "data" and "input" are set and not equal. Please use "input" to pass transaction call data`),
		fault("eth_sendRawTransaction", `["0x"]`, -32000, "rlp: input is not canonical or ends early"),
		fault("eth_sendRawTransaction", `["0x03c0"]`, -32000, "transaction type not supported"),
		fault("eth_getLogs", `[{"fromBlock":"0x5","toBlock":"0x4"}]`, -32000, "invalid block range params"),
		fault("eth_getLogs", `[{"blockHash":`+unknown+`}]`, -32000, "unknown block"),
		fault("eth_getLogs", `[{"blockHash":`+unknown+`,"fromBlock":"0x1"}]`, -32602,
			"invalid argument 0: cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other"),
		fault("eth_getLogs", `[{"topics":[null,null,null,null,null]}]`, -32000, "exceed max topics"),
		fault("eth_getLogs", `[{"topics":[[`+strings.Repeat(unknown+",", 1000)+unknown+`]]}]`, -32000,
			"exceed max addresses or topics per search position"),
		fault("eth_feeHistory", `["0x1","latest",[50,10]]`, -32000, "invalid reward percentile: must rise between 0 and 100"),
	} {
		_, out := post(c, call(want.method, want.params))
		if diff := cmp.Diff(`{"jsonrpc":"2.0","id":1,`+want.out+`}`, out); diff != "" {
			t.Errorf("%s %.120s (-want +got):\n%s", want.method, want.params, diff)
		}
	}
}

func TestBatchAnswerIsBounded(t *testing.T) {
	c := newChain(t, func(c *devchain.Config) { c.InitialBlocks = 200 })
	logs := call("eth_getLogs", `[{"fromBlock":"0x0"}]`)
	_, out := post(c, "["+strings.Repeat(logs+",", 299)+logs+"]")
	var answers []struct {
		Error *struct {
			Code int
		}
	}
	if err := json.Unmarshal([]byte(out), &answers); err != nil || len(answers) != 300 {
		t.Fatalf("%d answers (%v)", len(answers), err)
	}
	if len(out) > 30<<20 || answers[0].Error != nil || answers[299].Error == nil || answers[299].Error.Code != -32003 {
		t.Errorf("%d bytes, the first answer %v, the last %v", len(out), answers[0].Error, answers[299].Error)
	}
}

func TestTransactionsAreFoundByTheirPlace(t *testing.T) {
	n := start(t, nil)
	b := n.verify(t, 3)
	for i, want := range b.Transactions() {
		got, err := n.TransactionInBlock(t.Context(), b.Hash(), uint(i))
		if err != nil || got.Hash() != want.Hash() {
			t.Errorf("transaction %d: %v (%v)", i, got, err)
		}
		var byNumber struct{ Hash common.Hash }
		err = n.raw.Call(&byNumber, "eth_getTransactionByBlockNumberAndIndex", "0x3", fmt.Sprintf("0x%x", i))
		if err != nil || byNumber.Hash != want.Hash() {
			t.Errorf("transaction %d by number: %v (%v)", i, byNumber, err)
		}
	}
	if count, err := n.TransactionCount(t.Context(), b.Hash()); err != nil || int(count) != len(b.Transactions()) {
		t.Errorf("count %d (%v)", count, err)
	}
}

func TestFeeHistory(t *testing.T) {
	n := start(t, func(c *devchain.Config) { c.InitialBlocks = 80 })
	const blocks = 10
	got, err := n.FeeHistory(t.Context(), blocks, big.NewInt(int64(rpc.SafeBlockNumber)), []float64{0, 50, 100})
	if err != nil {
		t.Fatal(err)
	}
	if got.OldestBlock.Uint64() != 48-blocks+1 || len(got.BaseFee) != blocks+1 || len(got.Reward) != blocks {
		t.Fatalf("%+v", got)
	}
	for i := range blocks {
		b := n.verify(t, got.OldestBlock.Uint64()+uint64(i))
		var lowest, highest *big.Int
		for _, tx := range b.Transactions() {
			tip, err := tx.EffectiveGasTip(b.BaseFee())
			if err != nil {
				t.Fatal(err)
			}
			if lowest == nil || tip.Cmp(lowest) < 0 {
				lowest = tip
			}
			if highest == nil || tip.Cmp(highest) > 0 {
				highest = tip
			}
		}
		r := got.Reward[i]
		if r[0].Cmp(lowest) != 0 || r[2].Cmp(highest) != 0 || r[1].Cmp(lowest) < 0 || r[1].Cmp(highest) > 0 {
			t.Errorf("rewards of block %d: %v, want between %v and %v", b.NumberU64(), r, lowest, highest)
		}
		if got.BaseFee[i].Cmp(b.BaseFee()) != 0 || got.GasUsedRatio[i] != float64(b.GasUsed())/float64(b.GasLimit()) {
			t.Errorf("block %d: base fee %v, ratio %v", b.NumberU64(), got.BaseFee[i], got.GasUsedRatio[i])
		}
	}
	_, out := post(n.Chain, call("eth_feeHistory", `[4,"0x1"]`))
	if !strings.Contains(out, `"oldestBlock":"0x0","baseFeePerGas":["0x3b9aca00","0x3b9aca00","0x3b9aca00"]`) {
		t.Errorf("more blocks than there are, as a number: %s", out)
	}
}

func BenchmarkHandle(b *testing.B) {
	c := newChain(b, func(c *devchain.Config) { c.InitialBlocks = 128 })
	const a = `"0x40d096540856bd9dbff67a374be24692d0c4a007"`
	for name, body := range map[string]string{
		"blockNumber": call("eth_blockNumber", `[]`),
		"getBalance":  call("eth_getBalance", `[`+a+`,"latest"]`),
		"balanceOf":   call("eth_call", `[{"to":"0xdecaf00000000000000000000000000000000001","data":"0x70a08231`+strings.Repeat("0", 24)+a[3:43]+`"},"latest"]`),
		"getBlock":    call("eth_getBlockByNumber", `["latest",false]`),
		"getLogs":     call("eth_getLogs", `[{"fromBlock":"0x60"}]`),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var ctx fasthttp.RequestCtx
			ctx.Request.Header.SetMethod(http.MethodPost)
			ctx.Request.SetBodyString(body)
			for b.Loop() {
				ctx.Response.ResetBody()
				c.Handle(&ctx)
			}
		})
	}
}

func BenchmarkMine(b *testing.B) {
	c := newChain(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		c.Mine()
	}
}
