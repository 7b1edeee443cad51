package jsonrpc_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/gateway/jsonrpc"
)

func TestAppendRequest(t *testing.T) {
	call := jsonrpc.Request{ID: []byte(`"a"`), Method: []byte("eth_call"), Params: []byte(`[1, {}]`)}
	plain := jsonrpc.Request{Method: []byte("eth_chainId")}
	for _, test := range []struct {
		id   string
		r    *jsonrpc.Request
		want string
	}{
		{`17`, &call, `{"jsonrpc":"2.0","id":17,"method":"eth_call","params":[1, {}]}`},
		{`"x"`, &plain, `{"jsonrpc":"2.0","id":"x","method":"eth_chainId"}`},
		{``, &plain, `{"jsonrpc":"2.0","method":"eth_chainId"}`},
	} {
		var id []byte
		if test.id != "" {
			id = []byte(test.id)
		}
		if got := string(jsonrpc.AppendRequest([]byte("<"), id, test.r)); got != "<"+test.want {
			t.Errorf("got  %s\nwant <%s", got, test.want)
		}
	}
}

func TestAppendResult(t *testing.T) {
	for _, test := range []struct {
		id   []byte
		want string
	}{
		{[]byte(`1.50`), `{"jsonrpc":"2.0","id":1.50,"result":{"a":1}}`},
		{nil, `{"jsonrpc":"2.0","id":null,"result":{"a":1}}`},
	} {
		if got := string(jsonrpc.AppendResult(nil, test.id, []byte(`{"a":1}`))); got != test.want {
			t.Errorf("got %s\nwant %s", got, test.want)
		}
	}
}

func TestAppendErrorEscapesMessage(t *testing.T) {
	for _, message := range []string{
		"", "plain", `"quoted" \ back`, "line\nand\ttab\x00\x1f", "名前 🙂", "<b>&", "\xff cut \xe5\x90", "\u2028\u2029\x7f",
	} {
		got := jsonrpc.AppendError(nil, []byte(`"id"`), -32005, message, []byte(`{"retry_after_ms":5}`))
		type answer struct {
			Version string `json:"jsonrpc"`
			ID      string `json:"id"`
			Error   struct {
				Code    int            `json:"code"`
				Message string         `json:"message"`
				Data    map[string]int `json:"data"`
			} `json:"error"`
		}
		want := answer{Version: "2.0", ID: "id"}
		want.Error.Code = -32005
		want.Error.Message = string([]rune(message)) // what is not UTF-8 becomes U+FFFD
		want.Error.Data = map[string]int{"retry_after_ms": 5}
		var read answer
		if err := json.Unmarshal(got, &read); err != nil {
			t.Errorf("%q: %v in %s", message, err, got)
		} else if diff := cmp.Diff(want, read); diff != "" {
			t.Errorf("%q (-want +got):\n%s", message, diff)
		}
	}
	if got, want := string(jsonrpc.AppendError(nil, nil, 3, "no", nil)), `{"jsonrpc":"2.0","id":null,"error":{"code":3,"message":"no"}}`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
