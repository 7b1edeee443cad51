package upstream

import (
	"bufio"
	"bytes"

	"github.com/valyala/fasthttp"
)

// readPlain reads a response that has arrived whole and is as nodes send it: with
// a length, without encodings, on a connection that stays open. It reports false
// for any other, of which it has then consumed nothing, and fasthttp's parser
// reads that. For a short answer it costs a fifth of the parser, which a gateway
// pays on every call (BenchmarkResponse).
func readPlain(r *bufio.Reader, resp *fasthttp.Response, maxBytes int) bool {
	b, _ := r.Peek(r.Buffered())
	head, ok := scanHead(b)
	if !ok || head.length > len(b)-head.size || head.length > maxBytes {
		return false
	}
	resp.SetStatusCode(head.status)
	resp.SetBody(b[head.size : head.size+head.length])
	_, _ = r.Discard(head.size + head.length) // it is buffered
	return true
}

// plainHead is what matters of the head of a plain response.
type plainHead struct {
	status int
	size   int // with the empty line
	length int // of the body
}

// scanHead reports false for a head that is not plain, or not all there.
func scanHead(b []byte) (plainHead, bool) {
	h := plainHead{length: -1}
	line, ok := cutLine(b)
	const version = "HTTP/1.1 "
	if !ok || len(line) < len(version)+3 || string(line[:len(version)]) != version {
		return h, false
	}
	if h.status, ok = number(line[len(version) : len(version)+3]); !ok || !hasBody(h.status) {
		return h, false
	}
	if rest := line[len(version)+3:]; len(rest) > 0 && rest[0] != ' ' {
		return h, false
	}
	for h.size = len(line) + 2; ; h.size += len(line) + 2 {
		if line, ok = cutLine(b[h.size:]); !ok {
			return h, false
		}
		if len(line) == 0 {
			h.size += 2
			return h, h.length >= 0
		}
		if !h.field(line) {
			return h, false
		}
	}
}

func hasBody(status int) bool {
	return status >= 200 && status != fasthttp.StatusNoContent && status != fasthttp.StatusNotModified
}

// field reads one header, and reports false if the response is not plain with it.
func (h *plainHead) field(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || line[0] == ' ' || line[0] == '\t' || line[colon-1] == ' ' || line[colon-1] == '\t' {
		return false
	}
	name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
	switch len(name) { // of the names that matter each has its own length
	case len("Content-Length"):
		if !bytes.EqualFold(name, []byte("Content-Length")) {
			return true
		}
		if h.length >= 0 {
			return false
		}
		n, ok := number(value)
		h.length = n
		return ok
	case len("Transfer-Encoding"):
		return !bytes.EqualFold(name, []byte("Transfer-Encoding"))
	case len("Content-Encoding"):
		return !bytes.EqualFold(name, []byte("Content-Encoding"))
	case len("Connection"):
		return !bytes.EqualFold(name, []byte("Connection")) || bytes.EqualFold(value, []byte("keep-alive"))
	}
	return true
}

// number reads a few digits, and nothing else.
func number(b []byte) (n int, ok bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// cutLine returns the first line of b without its end, if that is there.
func cutLine(b []byte) ([]byte, bool) {
	n := bytes.IndexByte(b, '\n')
	if n < 1 || b[n-1] != '\r' {
		return nil, false
	}
	return b[:n-1], true
}
