package allow_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pokt.ai/gateway/jsonrpc"
	"pokt.ai/internal/account"
)

const (
	usdc  = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"
	dai   = "0x6b175474e89094c44da98b954eedeac495271d0f"
	other = "0xdac17f958d2ee523a2206206994597c13d831ec7"
)

var contracts = account.Allow{Contracts: []string{"0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", dai}}

// calls stands for each method that calls the contract in "to", logs for each
// that reads the logs of those in "address".
var (
	calls = []string{"eth_call", "eth_estimateGas", "eth_createAccessList", "ETH_CALL"}
	logs  = []string{"eth_getLogs", "eth_newFilter", "eth_getlogs"}
)

func TestContract(t *testing.T) {
	l := compile(t, contracts)
	for _, test := range []struct {
		methods []string
		params  string // USDC and DAI are allowed, OTHER is not
		want    bool
	}{
		{calls, `[{"to":"USDC","data":"0x"},"latest"]`, true},
		{calls, `[{"to":"DAI"}]`, true},
		{calls, ` [ { "from" : "OTHER" , "to" : "DAI" } , {"blockHash":"0x00"} ] `, true},
		{calls, `[{"TO":"USDC"}]`, true},
		{calls, `[{"to":"USDC","To":"DAI"}]`, true},
		{calls, `[{"to":"USDC"},"latest",null]`, true},
		{calls, `[{"to":"USDC"},"latest",{ },{}]`, true},
		{calls, `[{"to":"USDC","accessList":[{"address":"OTHER","storageKeys":[]}]}]`, true}, // only warms it

		{calls, `[{"to":"OTHER"}]`, false},
		{calls, `[{"data":"0x6080"}]`, false}, // a deployment
		{calls, `[{"to":null,"data":"0x6080"}]`, false},
		{calls, `[{"to":""}]`, false},
		{calls, `[{"to":"0x"}]`, false},
		{calls, `[{"to":["USDC"]}]`, false},
		{calls, `[{"to":{"to":"USDC"}}]`, false},
		{calls, `[{"to":1}]`, false},
		{calls, `[{"nested":{"to":"USDC"}}]`, false},
		{calls, `[{"address":"USDC"}]`, false},
		{calls, `[]`, false},
		{calls, ``, false},
		{calls, `null`, false},
		{calls, `[null]`, false},
		{calls, `["USDC"]`, false},
		{calls, `{"transaction":{"to":"USDC"}}`, false}, // parameters by name
		{calls, `[["to","USDC"]]`, false},

		// One of the members would be checked and another one used.
		{calls, `[{"to":"USDC","to":"OTHER"}]`, false},
		{calls, `[{"to":"OTHER","to":"USDC"}]`, false},
		{calls, `[{"to":"USDC","TO":"OTHER"}]`, false},
		{calls, `[{"tO":"OTHER","to":"USDC"}]`, false},
		{calls, `[{"to":"USDC","to":null}]`, false},
		{calls, `[{"to":"USDC","t\u006f":"OTHER"}]`, false},
		{calls, `[{"to":"USDC","\u0074\u006F":"OTHER"}]`, false},
		{calls, `[{"to":"\u0030xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"}]`, false},
		{calls, `[{"to":" USDC"}]`, false},
		{calls, `[{"to":"USDC00"}]`, false},
		{calls, `[{"to":"0Xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"}]`, false},

		// Code put at an allowed address could call any contract.
		{calls, `[{"to":"USDC"},"latest",{"USDC":{"code":"0x60"}}]`, false},
		{calls, `[{"to":"USDC"},"latest",null,{"number":"0x1"}]`, false},
		{calls, `[{"to":"USDC"},"latest",[]]`, false},

		{logs, `[{"address":"USDC","fromBlock":"0x1"}]`, true},
		{logs, `[{"address":["USDC","DAI"]}]`, true},
		{logs, `[{"address": [ "DAI" ] , "topics":[["OTHER"]]}]`, true},
		{logs, `[{"Address":"USDC"}]`, true},
		{logs, `[{"address":"OTHER"}]`, false},
		{logs, `[{"address":["USDC","OTHER"]}]`, false},
		{logs, `[{"address":["USDC",null]}]`, false},
		{logs, `[{"address":[["USDC"]]}]`, false},
		{logs, `[{"address":[]}]`, false}, // every contract
		{logs, `[{"address":null}]`, false},
		{logs, `[{"fromBlock":"0x1"}]`, false},
		{logs, `[{"to":"USDC"}]`, false},
		{logs, `[{}]`, false},
		{logs, `[]`, false},
		{logs, ``, false},
		{logs, `[{"address":"USDC","address":[]}]`, false},
		{logs, `[{"address":"USDC","ADDRESS":"OTHER"}]`, false},
		{logs, `[{"address":"USDC","addreſſ":"OTHER"}]`, false}, // the same name to encoding/json
		{logs, `[{"address":"USDC","addr\u0065ss":"OTHER"}]`, false},
		{logs, `[{"address":"USDC"},{}]`, false},
		{logs, `[{"address":"USDC"},{"address":"USDC"}]`, false},
		{logs, `{"filter":{"address":"USDC"}}`, false},

		{[]string{"eth_blockNumber", "eth_getBalance", "eth_callx", ""}, `["OTHER"]`, true},
		{[]string{"eth_chainId"}, ``, true},
		{[]string{"eth_simulateV1", "debug_traceCall", "trace_call", "eth_callMany"}, `[{"to":"USDC"}]`, false},
	} {
		params := []byte(strings.NewReplacer("USDC", usdc, "DAI", dai, "OTHER", other).Replace(test.params))
		for _, method := range test.methods {
			if got := l.Contract([]byte(method), params); got != test.want {
				t.Errorf("%s %s: allowed %v, want %v", method, test.params, got, test.want)
			}
		}
	}
}

// FuzzContract looks for a call that is allowed and in which go-ethereum reads an
// address that is not.
func FuzzContract(f *testing.F) {
	l := compile(f, contracts)
	allowed := func(address string) bool {
		return strings.EqualFold(address, usdc) || strings.EqualFold(address, dai)
	}
	f.Fuzz(func(t *testing.T, params []byte) {
		mayCall := l.Contract([]byte("eth_call"), params)
		mayRead := l.Contract([]byte("eth_getLogs"), params)
		if !mayCall && !mayRead {
			return
		}
		body := jsonrpc.AppendRequest(nil, []byte("1"), &jsonrpc.Request{Method: []byte("m"), Params: params})
		var message struct {
			Params []json.RawMessage `json:"params"`
		}
		if err := json.Unmarshal(body, &message); err != nil {
			t.Fatalf("%q is allowed and refused by encoding/json: %v", params, err)
		}
		if mayCall {
			var call struct {
				To *string `json:"to"`
			}
			if err := json.Unmarshal(message.Params[0], &call); err != nil || call.To == nil || !allowed(*call.To) {
				t.Fatalf("eth_call %q is allowed: encoding/json reads %+v, %v", params, call, err)
			}
		}
		if mayRead {
			var filter struct {
				Address any `json:"address"`
			}
			if err := json.Unmarshal(message.Params[0], &filter); err != nil {
				t.Fatalf("eth_getLogs %q is allowed: %v", params, err)
			}
			list, ok := filter.Address.([]any)
			if !ok {
				list = []any{filter.Address}
			}
			if len(list) == 0 || slices.ContainsFunc(list, func(a any) bool { s, ok := a.(string); return !ok || !allowed(s) }) {
				t.Fatalf("eth_getLogs %q is allowed: encoding/json reads %v", params, list)
			}
		}
	})
}
