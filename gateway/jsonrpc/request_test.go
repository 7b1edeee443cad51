package jsonrpc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pokt.ai/gateway/jsonrpc"
)

// Bodies that a script's line cannot hold.
func TestScanRefusesBytes(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":                 "",
		"white space alone":       " \r\n\t ",
		"byte order mark":         "\ufeff" + blockNumber,
		"NUL after the message":   blockNumber + "\x00",
		"NUL before the message":  "\x00" + blockNumber,
		"form feed as space":      "\f" + blockNumber,
		"no-break space":          "\u00a0" + blockNumber,
		"UTF-16":                  "{\x00\"\x00i\x00d\x00\"\x00",
		"invalid UTF-8 in params": strings.Replace(blockNumber, `[]`, "[\"\xff\"]", 1),
		"surrogate half in UTF-8": strings.Replace(blockNumber, `[]`, "[\"\xed\xa0\x80\"]", 1),
		"overlong quote":          strings.Replace(blockNumber, `[]`, "[\"\xc0\xa2\"]", 1),
		"cut rune at the end":     `{"id":"` + "\xe5\x90",
		"newline in a string":     strings.Replace(blockNumber, `[]`, "[\"\n\"]", 1),
		"cut escape":              `{"id":"\`,
		"cut unicode escape":      `{"id":"\u00`,
	} {
		reqs, _, err := jsonrpc.Scan([]byte(body), limits, nil)
		if err == nil || err.Code != jsonrpc.CodeParse || err.TooLarge {
			t.Errorf("%s: %q was not refused as a parse error: %+v, %+v", name, body, reqs, err)
		}
	}
}

// Strings are read eight bytes at a time: no byte may hide at any place in them.
func TestScanStringsAsEncodingJSON(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				text := bytes.Repeat([]byte("a"), length)
				text[at] = byte(c)
				body := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"m","params":["%s"]}`, text)
				_, _, err := jsonrpc.Scan(body, limits, nil)
				if want := json.Valid(body) && utf8.Valid(body); (err == nil) != want {
					t.Fatalf("%q: refused: %v, valid: %v", body, err, want)
				}
			}
		}
	}
}

func TestScanMethodLength(t *testing.T) {
	for _, length := range []int{jsonrpc.MaxMethod, jsonrpc.MaxMethod + 1} {
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q}`, strings.Repeat("m", length))
		reqs, _, err := jsonrpc.Scan([]byte(body), limits, nil)
		if err != nil {
			t.Fatal(err.Message)
		}
		if refused := reqs[0].Err != nil; refused != (length > jsonrpc.MaxMethod) {
			t.Errorf("method of %d bytes: refused: %v", length, refused)
		}
	}
}

func TestScanAppends(t *testing.T) {
	first, _, err := jsonrpc.Scan([]byte(blockNumber), limits, nil)
	if err != nil {
		t.Fatal(err.Message)
	}
	both, batch, err := jsonrpc.Scan(batchOf(2), limits, first)
	if err != nil || !batch || len(both) != 3 || string(both[0].Method) != "eth_blockNumber" {
		t.Errorf("append to one message: %d messages, batch %v, %v", len(both), batch, err)
	}
	for _, refused := range []string{`[{"jsonrpc":"2.0"},`, `{`, `[]`, `[1] x`} {
		kept, _, err := jsonrpc.Scan([]byte(refused), limits, both)
		if err == nil || len(kept) != 3 {
			t.Errorf("%s: refused: %v, dst of 3 messages came back with %d", refused, err, len(kept))
		}
	}
}

func TestScanLimitsOfZeroRefuse(t *testing.T) {
	for _, body := range []string{"[1]", blockNumber} {
		if _, _, err := jsonrpc.Scan([]byte(body), jsonrpc.Limits{}, nil); err == nil || !err.TooLarge {
			t.Errorf("%s: not too large for limits of zero: %v", body, err)
		}
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	dst := make([]jsonrpc.Request, 0, 100)
	answers := make([]jsonrpc.Response, 0, 100)
	out := make([]byte, 0, 4096)
	var (
		call     = []byte(balanceOf)
		batch    = batchOf(100)
		badItem  = []byte(`{"jsonrpc":"2.0","id":1,"METHOD":"m"}`)
		number   = []byte(hexNumber)
		failure  = []byte(unknown)
		failures = []byte("[" + hexNumber + "," + unknown + "]")
		id       = []byte("1")
	)
	for name, f := range map[string]func(){
		"call":          func() { jsonrpc.Scan(call, limits, dst) },
		"batch":         func() { jsonrpc.Scan(batch, limits, dst) },
		"refused item":  func() { jsonrpc.Scan(badItem, limits, dst) },
		"answer":        func() { _, _ = jsonrpc.ScanResponse(number) },
		"error answer":  func() { _, _ = jsonrpc.ScanResponse(failure) },
		"batch answer":  func() { _, _, _ = jsonrpc.ScanResponses(failures, answers) },
		"append result": func() { jsonrpc.AppendResult(out, id, id) },
		"append error":  func() { jsonrpc.AppendError(out, id, -32000, "no \"way\"\n", nil) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
