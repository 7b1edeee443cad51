package forward

import (
	"bytes"
	"encoding/json"

	"pokt.ai/gateway/jsonrpc"
)

// sameID reports whether a is the answer to the call of that id. Errors may
// come without an id, and nodes may write the same id in other bytes.
func sameID(id []byte, a *jsonrpc.Response) bool {
	if bytes.Equal(id, a.ID) {
		return true
	}
	if a.ID == nil || string(a.ID) == "null" {
		return a.Error != nil
	}
	var sent, got any
	if json.Unmarshal(id, &sent) != nil || json.Unmarshal(a.ID, &got) != nil {
		return false
	}
	return sent == got // a string, a float64 or nil: comparable
}
