package jsonrpc_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"unicode/utf8"

	"pokt.ai/gateway/jsonrpc"
)

// gethMessage is how go-ethereum's rpc package reads a message.
type gethMessage struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// sameAsGeth checks that a node reads in text what we read in r.
func sameAsGeth(t *testing.T, text []byte, r *jsonrpc.Request) {
	var m gethMessage
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%q is taken here and refused by encoding/json: %v", text, err)
	}
	params := m.Params
	if string(params) == "null" {
		params = nil
	}
	if m.Version != "2.0" || !bytes.Equal(m.ID, r.ID) || m.Method != string(r.Method) || !bytes.Equal(params, r.Params) {
		t.Fatalf("%q\nencoding/json reads %q\nwe read %+v", text, m, r)
	}
	if (m.ID == nil) != (r.ID == nil) {
		t.Fatalf("%q: absent id: encoding/json %v, we %v", text, m.ID == nil, r.ID == nil)
	}
}

func checkMessage(t *testing.T, text []byte, r *jsonrpc.Request) {
	if r.Err != nil {
		if r.Err.Code != jsonrpc.CodeInvalidRequest {
			t.Fatalf("%q: %+v", text, r.Err)
		}
		if r.ID != nil && !json.Valid(r.ID) {
			t.Fatalf("%q: id %q is not JSON", text, r.ID)
		}
		return
	}
	if !bytes.Equal(r.Raw, bytes.Trim(text, " \t\r\n")) {
		t.Fatalf("raw is %q of %q", r.Raw, text)
	}
	sameAsGeth(t, text, r)
	sameAsGeth(t, jsonrpc.AppendRequest(nil, r.ID, r), r)
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&gethMessage{}); r.Canonical && err != nil {
		t.Fatalf("%q is canonical: %v", text, err)
	}
}

// checkRefusal checks that Scan stops at what is no JSON, and at nothing else
// but its limits.
func checkRefusal(t *testing.T, body []byte, err *jsonrpc.Error) {
	valid := json.Valid(body) && utf8.Valid(body)
	switch {
	case err == nil && !valid:
		t.Fatalf("%q is taken and not valid", body)
	case err != nil && err.Code == jsonrpc.CodeParse && valid:
		t.Fatalf("%q is valid: %s", body, err.Message)
	}
}

func FuzzMessage(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		reqs, batch, err := jsonrpc.Scan(body, jsonrpc.Limits{MaxBatch: 4, MaxDepth: 8}, nil)
		checkRefusal(t, body, err)
		if err == nil && !batch {
			checkMessage(t, body, &reqs[0])
		}
	})
}

func FuzzBatch(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		lim := jsonrpc.Limits{MaxBatch: 4, MaxDepth: 8}
		reqs, batch, err := jsonrpc.Scan(body, lim, nil)
		checkRefusal(t, body, err)
		if err != nil || !batch {
			return
		}
		var items []json.RawMessage
		if err := json.Unmarshal(body, &items); err != nil || len(items) != len(reqs) {
			t.Fatalf("%q: %d messages here, %d for encoding/json: %v", body, len(reqs), len(items), err)
		}
		for i := range items {
			checkMessage(t, items[i], &reqs[i])
			alone, _, err := jsonrpc.Scan(items[i], lim, nil)
			if bytes.HasPrefix(items[i], []byte("[")) {
				continue // alone it is a batch
			}
			if err != nil || alone[0].Err != reqs[i].Err || !bytes.Equal(alone[0].ID, reqs[i].ID) {
				t.Fatalf("%q is read otherwise alone: %+v, %v", items[i], alone, err)
			}
		}
	})
}

func FuzzResponse(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		answers, batch, err := jsonrpc.ScanResponses(body, nil)
		if err != nil {
			if one, err := jsonrpc.ScanResponse(body); err == nil {
				t.Fatalf("%q: an answer only when asked for one: %+v", body, one)
			}
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatalf("%q is taken and not valid", body)
		}
		var items []json.RawMessage
		if !batch {
			items = append(items, body)
		} else if err := json.Unmarshal(body, &items); err != nil || len(items) != len(answers) {
			t.Fatalf("%q: %d answers here, %d for encoding/json: %v", body, len(answers), len(items), err)
		}
		for i, r := range answers {
			var members map[string]json.RawMessage // unlike a struct, with case
			if err := json.Unmarshal(items[i], &members); err != nil {
				t.Fatal(err)
			}
			if (r.Result == nil) == (r.Error == nil) {
				t.Fatalf("%q: %+v", items[i], r)
			}
			got := [][]byte{r.ID, r.Result}
			want := [][]byte{members["id"], members["result"]}
			if r.Error != nil {
				got[1], want[1] = r.Error, members["error"]
			}
			if !slices.EqualFunc(got, want, bytes.Equal) {
				t.Fatalf("%q: read %q, want %q", items[i], got, want)
			}
		}
	})
}
