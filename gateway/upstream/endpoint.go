package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"
)

// An Endpoint is one node as the gateway reaches it. It is safe for concurrent
// use.
type Endpoint struct {
	Name     string
	Label    uint16 // the name's number in usage events
	MaxBatch int

	ctx   context.Context // of the process: bounds dials
	stop  chan struct{}   // closed by Close
	done  chan struct{}
	head  []byte // request line and headers up to the value of Content-Length
	max   int    // bytes of the largest response body taken
	conns conns

	inflight  atomic.Int64
	latency   atomic.Int64 // nanoseconds, moving average over about eight calls
	failures  atomic.Int32 // in a row
	downUntil atomic.Int64 // Unix nanoseconds

	requests, failed *metrics.Counter
	seconds          *metrics.Histogram
}

// Deps is what every endpoint of a chain shares.
type Deps struct {
	Dialer           Dialer
	Chain            string
	Label            func(name string) uint16 // numbers names for usage events
	MaxResponseBytes int
	Metrics          *metrics.Set
}

// New returns the endpoint described by cfg. ctx bounds its connections; Close
// it when no more calls will come.
func New(ctx context.Context, cfg Config, deps Deps) (*Endpoint, error) {
	t, err := parseTarget(cfg.URL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("upstream %s: url %w", cfg.Name, err)
	}
	e := &Endpoint{
		Name:     cfg.Name,
		Label:    deps.Label(cfg.Name),
		MaxBatch: orDefault(cfg.MaxBatch, defaultMaxBatch),
		ctx:      ctx,
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		max:      deps.MaxResponseBytes,
	}
	e.head = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n", t.uri, t.host)
	for name, value := range cfg.Headers {
		e.head = fmt.Appendf(e.head, "%s: %s\r\n", name, value.Reveal())
	}
	e.head = append(e.head, "Content-Length: "...)
	e.conns.dialer = deps.Dialer
	e.conns.address = t.address
	e.conns.max = int32(orDefault(cfg.MaxConns, defaultMaxConns))
	if t.tls {
		e.conns.tls = &tls.Config{ServerName: t.name, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	}
	labels := fmt.Sprintf(`{chain=%q,upstream=%q}`, deps.Chain, cfg.Name)
	e.requests = deps.Metrics.GetOrCreateCounter("poktai_upstream_requests_total" + labels)
	e.failed = deps.Metrics.GetOrCreateCounter("poktai_upstream_failures_total" + labels)
	e.seconds = deps.Metrics.GetOrCreateHistogram("poktai_upstream_request_seconds" + labels)
	go e.sweep()
	return e, nil
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

// Close closes the idle connections. Calls under way end as they would, and
// close theirs.
func (e *Endpoint) Close() {
	close(e.stop)
	<-e.done
}

func (e *Endpoint) closed() bool {
	select {
	case <-e.stop:
		return true
	default:
		return false
	}
}

func (e *Endpoint) sweep() {
	defer close(e.done)
	t := time.NewTicker(maxIdle / 5)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			e.conns.sweep(now)
		case <-e.stop:
			e.conns.sweep(time.Now().Add(2 * maxIdle))
			return
		}
	}
}

// Failure says how far a call got that has no HTTP response. What must not
// happen twice may be sent again only after NotSent.
type Failure uint8

// The stages at which a call fails.
const (
	NotSent  Failure = iota + 1 // no connection: the node has seen nothing
	Busy                        // all connections in use: the node has seen nothing
	NoAnswer                    // cut after sending: the node may have acted
	TimedOut                    // the deadline passed: the node may have acted
	TooLarge                    // the answer is larger than allowed
)

// An Error is the failure of one call to one endpoint. Its text holds no URL.
type Error struct {
	Failure Failure
	Err     error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Call sends body, one JSON-RPC message or batch, and reads the HTTP response
// into resp, whose body is valid until resp is reset. Any HTTP status is a
// success here. A kept-alive connection that turns out to be closed before one
// byte of the answer is replaced once if again is true.
func (e *Endpoint) Call(now, deadline time.Time, body []byte, again bool, resp *fasthttp.Response) *Error {
	e.requests.Inc()
	e.inflight.Add(1)
	defer e.inflight.Add(-1)
	c, err := e.conns.get(e.ctx, deadline, now)
	if err != nil {
		return notSent(err, deadline)
	}
	nothing, err := e.exchange(c, deadline, body, resp)
	if err != nil && nothing && again && c.reused && !isTimeout(err) {
		if c, err = e.conns.dial(e.ctx, deadline); err != nil {
			return notSent(err, deadline)
		}
		_, err = e.exchange(c, deadline, body, resp)
	}
	if err != nil {
		return e.noAnswer(err)
	}
	if resp.ConnectionClose() || e.closed() {
		e.conns.close(c)
	} else {
		e.conns.put(c, now)
	}
	return nil
}

// exchange sends one request and reads its response, and closes c if it fails.
// nothing: not one byte of the response had come.
func (e *Endpoint) exchange(c *conn, deadline time.Time, body []byte, resp *fasthttp.Response) (nothing bool, err error) {
	if err := c.SetDeadline(deadline); err != nil {
		e.conns.close(c)
		return true, err
	}
	if err := c.send(e.head, body); err != nil {
		e.conns.close(c)
		return true, err
	}
	resp.Reset()
	if _, err := c.r.Peek(1); err != nil {
		e.conns.close(c)
		return true, err
	}
	if err := resp.ReadLimitBody(c.r, e.max); err != nil {
		e.conns.close(c)
		return false, err
	}
	return false, nil
}

func notSent(err error, deadline time.Time) *Error {
	switch {
	case errors.Is(err, errTooManyConns):
		return &Error{Busy, err}
	case !time.Now().Before(deadline):
		return &Error{TimedOut, errors.New("no connection in time")}
	}
	return &Error{NotSent, redact(err)}
}

func (e *Endpoint) noAnswer(err error) *Error {
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return &Error{TooLarge, fmt.Errorf("answer is larger than %d bytes", e.max)}
	case isTimeout(err):
		return &Error{TimedOut, errors.New("no answer in time")}
	case errors.Is(err, io.EOF):
		return &Error{NoAnswer, errors.New("connection closed before the answer")}
	}
	return &Error{NoAnswer, err}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || (errors.As(err, &t) && t.Timeout())
}

// redact takes addresses of name servers out of dial errors.
func redact(err error) error {
	var d *net.DNSError
	if errors.As(err, &d) {
		return errors.New("host not found")
	}
	return err
}

// Requests whose body is larger are sent in two writes rather than copied.
const copyLimit = 16 << 10

func (c *conn) send(head, body []byte) error {
	c.out = append(c.out[:0], head...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	if len(body) > copyLimit {
		if _, err := c.Write(c.out); err != nil {
			return err
		}
		_, err := c.Write(body)
		return err
	}
	c.out = append(c.out, body...)
	_, err := c.Write(c.out)
	return err
}
