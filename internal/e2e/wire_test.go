package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A wire is one connection to the relay port, on which anything can be written.
type wire struct {
	net.Conn
	in *bufio.Reader
}

// dial connects, or fails.
func (h *house) dial() (*wire, error) {
	c, err := net.Dial("tcp", h.relay)
	if err != nil {
		return nil, err
	}
	// Whatever is read or written must be so in time.
	if err := c.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		return nil, err
	}
	return &wire{c, bufio.NewReader(c)}, nil
}

// wire connects for the rest of the test.
func (h *house) wire(t testing.TB) *wire {
	t.Helper()
	w, err := h.dial()
	must(t, err)
	t.Cleanup(func() { w.Close() })
	return w
}

// An answer is an HTTP response, read to its end.
type answer struct {
	*http.Response
	body []byte
}

// receive reads the answer to a request of that HTTP method.
func (w *wire) receive(method string) (answer, error) {
	resp, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{resp, body}, nil
}

// exchange sends a POST request and reads its answer.
func (w *wire) exchange(request []byte) (answer, error) {
	if _, err := w.Write(request); err != nil {
		return answer{}, err
	}
	return w.receive(http.MethodPost)
}

// A message is a JSON-RPC answer.
type message struct {
	ID, Result json.RawMessage
	Error      *struct {
		Code    int
		Message string
		Data    struct {
			RetryAfterMs int64 `json:"retry_after_ms"`
		}
	}
}

// notJSON stands where an answer should have had a code.
const notJSON = 1

// message decodes the answer's body; code is 0 where there is no error.
func (a answer) message() (m message, code int) {
	if json.Unmarshal(a.body, &m) != nil {
		return m, notJSON
	}
	if m.Error != nil {
		code = m.Error.Code
	}
	return m, code
}

// post is a request as it stands on the wire. headers end in \r\n.
func post(path, body string, headers ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: gateway\r\nContent-Length: %d\r\n", path, len(body))
	for _, header := range headers {
		b.WriteString(header)
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

// call is a JSON-RPC call without parameters.
func call(id int, method string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":[]}`, id, method)
}

// ask sends one call on the chain dev with that token.
func (h *house) ask(w *wire, token, method string) answer {
	h.t.Helper()
	a, err := w.exchange(post("/v1/dev/"+token, call(1, method)))
	must(h.t, err)
	return a
}
