package jsonrpc_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pokt.ai/gateway/jsonrpc"
)

var limits = jsonrpc.Limits{MaxBatch: 1000, MaxDepth: 64}

const (
	blockNumber = `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}`
	balanceOf   = `{"jsonrpc":"2.0","id":42,"method":"eth_call","params":[{"to":"0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48","data":"0x70a08231000000"},"latest"]}`
	hexNumber   = `{"jsonrpc":"2.0","id":7,"result":"0x1312d00"}`
	unknown     = `{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"the method eth_foo does not exist"}}`
)

// batchOf is a batch of n calls of about 100 bytes.
func batchOf(n int) []byte {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"eth_getBalance","params":["0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48","latest"]}`, i)
	}
	return []byte("[" + strings.Join(items, ",") + "]")
}

// logsOf is an answer to eth_getLogs of n logs, about 700 bytes each.
func logsOf(n int) []byte {
	word := "0x" + strings.Repeat("0badcafe", 8)
	log := fmt.Sprintf(`{"address":"0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48","topics":[%q,%q,%q],"data":%q,`+
		`"blockNumber":"0x1312d00","transactionHash":%q,"transactionIndex":"0x1f","blockHash":%q,"logIndex":"0x4c","removed":false}`,
		word, word, word, word, word, word)
	return []byte(`{"jsonrpc":"2.0","id":7,"result":[` + strings.Repeat(log+",", n-1) + log + `]}`)
}

// codeOf is an answer with n bytes of hex in one string.
func codeOf(n int) []byte {
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":7,"result":"0x%s"}`, strings.Repeat("60806040", n/8))
}

func BenchmarkScan(b *testing.B) {
	spaced := bytes.ReplaceAll([]byte(balanceOf), []byte(`,"`), []byte(`, "`))
	for _, bench := range []struct {
		name string
		body []byte
	}{
		{"blockNumber", []byte(blockNumber)},
		{"call", []byte(balanceOf)},
		{"call_spaced", spaced},
		{"batch_100", batchOf(100)},
		{"calldata_100KB", []byte(strings.Replace(balanceOf, "0x70a08231", "0x"+strings.Repeat("70a08231", 12500), 1))},
		{"refused", []byte(strings.Replace(balanceOf, "2.0", "1.0", 1))},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(bench.body)))
			b.ReportAllocs()
			var dst []jsonrpc.Request
			for b.Loop() {
				var err *jsonrpc.Error
				dst, _, err = jsonrpc.Scan(bench.body, limits, dst[:0])
				if err != nil {
					b.Fatal(err.Message)
				}
			}
		})
	}
}

func BenchmarkScanResponse(b *testing.B) {
	for _, bench := range []struct {
		name string
		body []byte
	}{
		{"number", []byte(hexNumber)},
		{"error", []byte(unknown)},
		{"logs_700KB", logsOf(1000)},
		{"code_10MB", codeOf(10 << 20)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(bench.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := jsonrpc.ScanResponse(bench.body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	reqs, _, _ := jsonrpc.Scan([]byte(balanceOf), limits, nil)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = jsonrpc.AppendRequest(dst[:0], reqs[0].ID, &reqs[0])
	}
}
