package forward

import (
	"bytes"
	"encoding/json"

	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/jsonrpc"
	"pokt.ai/gateway/upstream"
)

// A reader reads the body of an HTTP response as the answer to what was asked: it
// returns None, Unfit or BadAnswer. With errorsOnly a result is no answer.
type reader func(body []byte, errorsOnly bool) upstream.Failure

// judge says what an HTTP response is worth. Some nodes send JSON-RPC errors with
// a status of 4xx or 5xx, and such an error is the node's answer, unless the status
// says that it was not the node who answered.
func judge(resp *fasthttp.Response, read reader) upstream.Failure {
	status := resp.StatusCode()
	switch status {
	case fasthttp.StatusTooManyRequests, fasthttp.StatusUnauthorized, fasthttp.StatusPaymentRequired, fasthttp.StatusForbidden:
		return upstream.Denied // of us, whatever it says, and not of the caller
	case fasthttp.StatusBadGateway, fasthttp.StatusServiceUnavailable, fasthttp.StatusGatewayTimeout:
		return upstream.BadStatus
	}
	ok := status/100 == 2
	f := read(resp.Body(), !ok)
	switch {
	case f != upstream.BadAnswer, ok, status < 200:
		return f
	case status >= 500:
		return upstream.BadStatus
	case status == fasthttp.StatusBadRequest, status == fasthttp.StatusRequestEntityTooLarge:
		return upstream.Unfit
	}
	return upstream.Refused
}

// readAnswer reads the answer to the call of that id into a.
func readAnswer(id, body []byte, errorsOnly bool, a *jsonrpc.Response) upstream.Failure {
	if id == nil && !errorsOnly {
		return upstream.None // nodes answer notifications with anything or nothing
	}
	r, err := jsonrpc.ScanResponse(body)
	if err != nil || (errorsOnly && r.Error == nil) || !sameID(id, &r) {
		return upstream.BadAnswer
	}
	*a = r
	return upstream.None
}

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
