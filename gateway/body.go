package gateway

import (
	"bytes"
	"errors"

	"github.com/valyala/fasthttp"
)

// readBody returns the request's body, decompressed.
func (r *relay) readBody() ([]byte, *refusal) {
	h := &r.ctx.Request.Header
	if !jsonContent(h.ContentType()) {
		return nil, notJSON
	}
	body := r.ctx.Request.Body()
	r.scope.RequestBytes = uint32(len(body))
	encoding := h.ContentEncoding()
	if len(encoding) == 0 || bytes.EqualFold(encoding, []byte("identity")) {
		return body, nil
	}
	if !bytes.EqualFold(encoding, []byte("gzip")) {
		return nil, badEncoding
	}
	body, err := r.ctx.Request.BodyGunzipWithLimit(r.snap.cfg.MaxBodyBytes)
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return nil, bodyTooLarge
	case err != nil:
		return nil, badGzip
	}
	return body, nil
}

// jsonContent reports whether a Content-Type is one that JSON-RPC clients send.
func jsonContent(value []byte) bool {
	kind, _, _ := bytes.Cut(value, []byte(";"))
	switch kind = bytes.TrimSpace(kind); len(kind) {
	case 0:
		return true
	case len("application/json"):
		return bytes.EqualFold(kind, []byte("application/json"))
	case len("application/json-rpc"):
		return bytes.EqualFold(kind, []byte("application/json-rpc"))
	case len("application/jsonrequest"):
		return bytes.EqualFold(kind, []byte("application/jsonrequest"))
	}
	return false
}
