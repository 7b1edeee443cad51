package jsonrpc_test

import (
	"fmt"
	"strings"
	"testing"

	"pokt.ai/gateway/jsonrpc"
)

// A node that dies while it answers leaves a prefix.
func TestScanResponseRefusesEveryPrefix(t *testing.T) {
	for _, body := range []string{
		string(logsOf(2)),
		unknown,
		`{"id":"\u0061","result":[-1.5e+10,true,false,null,{"a":"\\"},[]]}`,
	} {
		if _, err := jsonrpc.ScanResponse([]byte(body)); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		for n := range len(body) {
			if r, err := jsonrpc.ScanResponse([]byte(body[:n])); err == nil {
				t.Errorf("%s is taken: %+v", body[:n], r)
			}
		}
	}
}

func TestScanResponseDepth(t *testing.T) {
	nested := func(depth int) []byte {
		return fmt.Appendf(nil, `{"id":1,"result":%s%s}`, strings.Repeat("[", depth), strings.Repeat("]", depth))
	}
	// A call trace of the EVM's greatest depth: an object and an array a call.
	if _, err := jsonrpc.ScanResponse(nested(2 * 1024)); err != nil {
		t.Error(err)
	}
	if _, err := jsonrpc.ScanResponse(nested(1_000_000)); err == nil || !strings.Contains(err.Error(), "nested too deep") {
		t.Errorf("a million levels: %v", err)
	}
}

func TestScanResponsesKeepsDst(t *testing.T) {
	one, batch, err := jsonrpc.ScanResponses([]byte(hexNumber), nil)
	if err != nil || batch || len(one) != 1 {
		t.Fatalf("one answer: %+v, batch %v, %v", one, batch, err)
	}
	for _, refused := range []string{`[` + hexNumber + `,`, `[` + hexNumber + `] x`, `x`} {
		if kept, _, err := jsonrpc.ScanResponses([]byte(refused), one); err == nil || len(kept) != 1 {
			t.Errorf("%s: refused: %v, dst of one answer came back with %d", refused, err, len(kept))
		}
	}
}

func TestAllMembers(t *testing.T) {
	for _, test := range []struct {
		text string
		want bool
		seen string
	}{
		{`{"a":1,"a":[2],"\u0062":"3"}`, true, `a=1 a=[2] \u0062="3" `},
		{" {} ", true, ""},
		{`{"a":1,"stop":2,"b":3}`, false, "a=1 stop=2 "},
		{`{"a":1`, false, "a=1 "},
		{`{"a":1}x`, false, "a=1 "},
		{`{"a" 1}`, false, ""},
		{`["a"]`, false, ""},
		{"", false, ""},
	} {
		seen := ""
		got := jsonrpc.AllMembers([]byte(test.text), func(name, value []byte) bool {
			seen += fmt.Sprintf("%s=%s ", name, value)
			return string(name) != "stop"
		})
		if got != test.want || seen != test.seen {
			t.Errorf("%s: got %v after %q, want %v after %q", test.text, got, seen, test.want, test.seen)
		}
	}
}

func TestAllElements(t *testing.T) {
	for _, test := range []struct {
		text string
		want bool
		seen string
	}{
		{` [ 1 , "a" ,{}]`, true, `0=1 1="a" 2={} `},
		{"[]", true, ""},
		{"[1,null,3]", false, "0=1 1=null "},
		{"[1,", false, "0=1 "},
		{"[1]]", false, "0=1 "},
		{`{"a":1}`, false, ""},
		{"", false, ""},
	} {
		seen := ""
		got := jsonrpc.AllElements([]byte(test.text), func(i int, value []byte) bool {
			seen += fmt.Sprintf("%d=%s ", i, value)
			return string(value) != "null"
		})
		if got != test.want || seen != test.seen {
			t.Errorf("%s: got %v after %q, want %v after %q", test.text, got, seen, test.want, test.seen)
		}
	}
}
