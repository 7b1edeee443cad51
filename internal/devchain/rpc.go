package devchain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	maxBatchItems    = 1000
	maxResponseBytes = 25 << 20 // of a batch, after which its items are refused
)

// JSON-RPC codes, as geth uses them.
const (
	codeParse    = -32700
	codeInvalid  = -32600
	codeNoMethod = -32601
	codeParams   = -32602
	codeServer   = -32000
	codeTooLarge = -32003
	codeTooMany  = -32005
	codeReverted = 3
	codePruned   = 4444
)

const clientVersion = "poktai-devchain/v1 (simulated)"

// rpcError is an answer that is not a result. Any other error is a codeServer.
type rpcError struct {
	code    int
	message string
	data    []byte // what a call reverted with; nil for none
}

func (e *rpcError) Error() string { return e.message }

// method answers one method: run appends the result. Arguments past required
// may be left out.
type method struct {
	required, allowed int
	run               func(c *Chain, dst []byte, args []json.RawMessage) ([]byte, error)
}

type request struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// appendAnswer appends the answer to a body, which is empty if the body has
// notifications alone.
func (c *Chain) appendAnswer(dst, body []byte) []byte {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 || body[0] != '[' {
		var r request
		if err := json.Unmarshal(body, &r); err != nil {
			return appendDecodeError(dst, r.ID, err)
		}
		return c.appendCall(dst, &r)
	}
	var batch []json.RawMessage
	switch err := json.Unmarshal(body, &batch); {
	case err != nil:
		return appendDecodeError(dst, nil, err)
	case len(batch) == 0:
		return appendError(dst, nil, &rpcError{code: codeInvalid, message: "empty batch"})
	case len(batch) > maxBatchItems:
		return appendError(dst, nil, &rpcError{code: codeInvalid, message: "batch too large"})
	}
	start := len(dst)
	dst = append(dst, '[')
	for _, item := range batch {
		if len(dst) > start+1 && dst[len(dst)-1] != ',' {
			dst = append(dst, ',')
		}
		dst = c.appendItem(dst, item, len(dst)-start > maxResponseBytes)
	}
	dst = bytes.TrimSuffix(dst, []byte(","))
	if len(dst) == start+1 {
		return dst[:start]
	}
	return append(dst, ']')
}

func (c *Chain) appendItem(dst []byte, item json.RawMessage, full bool) []byte {
	var r request
	if err := json.Unmarshal(item, &r); err != nil {
		return appendDecodeError(dst, r.ID, err)
	}
	if full && r.ID != nil {
		return appendError(dst, r.ID, &rpcError{code: codeTooLarge, message: "response too large"})
	}
	return c.appendCall(dst, &r)
}

func (c *Chain) appendCall(dst []byte, r *request) []byte {
	if r.Version != "2.0" || r.Method == "" || !scalar(r.ID) {
		return appendError(dst, r.ID, &rpcError{code: codeInvalid, message: "invalid request"})
	}
	start := len(dst)
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, r.ID...)
	dst = append(dst, `,"result":`...)
	dst, err := c.appendResult(dst, r)
	switch {
	case r.ID == nil: // a notification: done, and not answered
		return dst[:start]
	case err != nil:
		return appendError(dst[:start], r.ID, err)
	}
	return append(dst, '}')
}

func (c *Chain) appendResult(dst []byte, r *request) ([]byte, error) {
	m, ok := c.methods[r.Method]
	if !ok {
		return dst, &rpcError{
			code:    codeNoMethod,
			message: fmt.Sprintf("the method %s does not exist/is not available on this simulated chain", r.Method),
		}
	}
	args, ok := elements(r.Params)
	if !ok {
		return dst, &rpcError{code: codeParams, message: "non-array args"}
	}
	// Clients may send null for an argument that they leave out.
	for len(args) > m.required && string(args[len(args)-1]) == "null" {
		args = args[:len(args)-1]
	}
	if len(args) < m.required {
		return dst, invalidArgument("missing value for required argument %d", len(args))
	}
	if len(args) > m.allowed {
		return dst, invalidArgument("too many arguments, want at most %d", m.allowed)
	}
	answer, err := m.run(c, dst, args)
	if err != nil {
		return dst, err
	}
	return answer, nil
}

// scalar reports whether an id is one that may be echoed.
func scalar(id json.RawMessage) bool {
	return len(id) == 0 || (id[0] != '{' && id[0] != '[')
}

// elements splits an array that is known to be valid JSON; none, and null, are
// empty arrays. Unmarshal, which checks it once more, would be a third of a
// getBalance (BenchmarkHandle).
func elements(array json.RawMessage) ([]json.RawMessage, bool) {
	if len(array) == 0 || string(array) == "null" {
		return nil, true
	}
	if array[0] != '[' {
		return nil, false
	}
	var out []json.RawMessage
	depth, quoted, start := 0, false, 1
	for i := 1; i < len(array); i++ {
		switch b := array[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case depth == 0 && (b == ',' || b == ']'):
			if item := bytes.Trim(array[start:i], " \t\r\n"); len(item) > 0 {
				out = append(out, item)
			}
			start = i + 1
		case b == '[' || b == '{':
			depth++
		case b == ']' || b == '}':
			depth--
		}
	}
	return out, true
}

func appendDecodeError(dst []byte, id json.RawMessage, err error) []byte {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return appendError(dst, nil, &rpcError{code: codeParse, message: "parse error"})
	}
	return appendError(dst, id, &rpcError{code: codeInvalid, message: "invalid request"})
}

func appendError(dst []byte, id json.RawMessage, err error) []byte {
	if len(id) == 0 || !scalar(id) {
		id = json.RawMessage("null")
	}
	out := &rpcError{code: codeServer, message: err.Error()}
	errors.As(err, &out)
	message, _ := json.Marshal(out.message) // a string always marshals
	dst = append(append(dst, `{"jsonrpc":"2.0","id":`...), id...)
	dst = fmt.Appendf(dst, `,"error":{"code":%d,"message":%s`, out.code, message)
	if out.data != nil {
		dst = appendDataField(dst, `,"data":`, out.data)
	}
	return append(dst, `}}`...)
}

func invalidArgument(format string, args ...any) *rpcError {
	return &rpcError{code: codeParams, message: fmt.Sprintf(format, args...)}
}

// argument decodes the i-th argument, or returns the zero value if it was left
// out.
func argument[T any, P interface {
	*T
	json.Unmarshaler
}](args []json.RawMessage, i int,
) (value T, err error) {
	if i >= len(args) {
		return value, nil
	}
	if string(args[i]) == "null" {
		return value, invalidArgument("missing value for required argument %d", i)
	}
	if err := P(&value).UnmarshalJSON(args[i]); err != nil {
		return value, invalidArgument("invalid argument %d: %v", i, err)
	}
	return value, nil
}
