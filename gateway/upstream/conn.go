package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// conn is a kept-alive connection to an endpoint, used by one call at a time.
type conn struct {
	tcp  net.Conn
	rw   net.Conn // tcp, or TLS on it
	peer peer     // nil: only a read tells whether it has closed
	r    *bufio.Reader
	out  []byte // head and body of the request being sent

	used      bool // for a call before this one
	idleSince time.Time
}

type peer interface{ HungUp() bool }

func (c *conn) stale(now time.Time) bool {
	return now.Sub(c.idleSince) > maxIdle || (c.peer != nil && c.peer.HungUp())
}

// close does not say good-bye as TLS would: after a call that failed for want of
// room to write, that would wait once more. No answer depends on it, they have
// their length.
func (c *conn) close() { c.tcp.Close() }

// clean reports whether the answer that was read is all that the node sent. What
// else there is would be taken for the answer to the next call.
func (c *conn) clean() bool { return c.r.Buffered() == 0 }

// roundTrip sends a request and reads its response. silent: the connection ended
// before the first byte of it.
func (c *conn) roundTrip(deadline time.Time, head, body []byte, resp *fasthttp.Response, maxBytes int) (f Failure, silent bool, err error) {
	if err := c.rw.SetDeadline(deadline); err != nil {
		return NotSent, true, err
	}
	if err := c.send(head, body); err != nil {
		if past(deadline) {
			return TimedOut, false, errLate
		}
		return NotSent, true, err
	}
	resp.Reset()
	_, err = c.r.Peek(1)
	if silent = err != nil; !silent {
		if err = resp.ReadLimitBody(c.r, maxBytes); err == nil {
			err = decode(resp, maxBytes)
		}
	}
	switch {
	case err == nil:
		return None, false, nil
	case past(deadline):
		return TimedOut, false, errLate
	}
	f, err = unanswered(err, maxBytes)
	return f, silent, err
}

func past(deadline time.Time) bool { return !time.Now().Before(deadline) }

// Requests whose body is larger are sent in two writes rather than copied.
const copyLimit = 16 << 10

// send fails only if the request was not sent whole, which no node acts on.
func (c *conn) send(head, body []byte) error {
	c.out = append(c.out[:0], head...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	if len(body) > copyLimit {
		if _, err := c.rw.Write(c.out); err != nil {
			return err
		}
		_, err := c.rw.Write(body)
		return err
	}
	c.out = append(c.out, body...)
	_, err := c.rw.Write(c.out)
	return err
}

// decode undoes a content encoding. None is asked for, and some proxies compress
// all the same.
func decode(resp *fasthttp.Response, maxBytes int) error {
	encoding := resp.Header.ContentEncoding()
	if len(encoding) == 0 || bytes.EqualFold(encoding, []byte("identity")) {
		return nil
	}
	body, err := resp.BodyUncompressedWithLimit(maxBytes)
	switch {
	case err == nil:
		resp.SetBodyRaw(body)
		return nil
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return err
	}
	return errNotHTTP
}

var (
	errLate    = errors.New("no answer in time")
	errEnded   = errors.New("connection closed before the end of the answer")
	errNotHTTP = errors.New("answer is not HTTP, or is cut off within a chunk")
)

// unanswered tells failures to read an answer apart. The errors of fasthttp quote
// what the node sent, so they are not passed on.
func unanswered(err error, maxBytes int) (Failure, error) {
	var op *net.OpError
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return TooLarge, fmt.Errorf("answer is larger than %d bytes", maxBytes)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Cut, errEnded
	case errors.As(err, &op):
		return Cut, op
	}
	return BadAnswer, errNotHTTP
}
