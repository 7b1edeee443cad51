package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"pokt.ai/internal/obs"
)

// An Endpoint is one node as the gateway reaches it. It is safe for concurrent
// use.
type Endpoint struct {
	Name     string
	Label    uint16 // the name's number in usage events
	MaxBatch int    // most calls in one batch

	ctx      context.Context // of the process: bounds dials
	born     time.Time
	head     []byte // request line and headers up to the value of Content-Length
	maxBytes int    // of the largest response body taken
	conns    conns
	health   health

	log      zerolog.Logger
	requests *metrics.Counter
	failed   [len(failureNames)]*metrics.Counter
	seconds  *obs.Histogram

	stopOnce sync.Once
	stop     chan struct{}
	done     chan struct{}
}

// Deps is what every endpoint of a chain shares.
type Deps struct {
	Dialer           Dialer
	Chain            string
	Label            func(name string) uint16 // numbers names for usage events
	MaxResponseBytes int
	Metrics          *metrics.Set
	Log              zerolog.Logger // the zero Logger is silent
}

// New returns the endpoint described by cfg. ctx bounds its connections; Close
// it when no more calls will come.
func New(ctx context.Context, cfg Config, deps Deps) (*Endpoint, error) {
	var errs []error
	cfg.Validate(func(key, message string) {
		errs = append(errs, fmt.Errorf("upstream %q: %s %s", cfg.Name, key, message))
	})
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	t, err := parseTarget(cfg.URL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("upstream %q: url %w", cfg.Name, err)
	}
	e := &Endpoint{
		Name:     cfg.Name,
		Label:    deps.Label(cfg.Name),
		MaxBatch: orDefault(cfg.MaxBatch, defaultMaxBatch),
		ctx:      ctx,
		born:     time.Now(),
		head:     requestHead(t, &cfg),
		maxBytes: deps.MaxResponseBytes,
		log:      deps.Log.With().Str("chain", deps.Chain).Str("upstream", cfg.Name).Logger(),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	e.conns.dialer = deps.Dialer
	e.conns.address = t.address
	e.conns.max = int32(min(orDefault(cfg.MaxConns, defaultMaxConns), math.MaxInt32))
	e.conns.shards = newShards()
	if t.tls {
		e.conns.tls = &tls.Config{
			ServerName:         t.name,
			MinVersion:         tls.VersionTLS12,
			NextProtos:         []string{"http/1.1"},
			ClientSessionCache: tls.NewLRUClientSessionCache(1), // it is one server
		}
	}
	labels := fmt.Sprintf(`chain=%q,upstream=%q`, deps.Chain, cfg.Name)
	e.requests = deps.Metrics.GetOrCreateCounter("poktai_upstream_requests_total{" + labels + "}")
	e.seconds = obs.NewHistogram(deps.Metrics, "poktai_upstream_request_seconds{"+labels+"}")
	for f := NotSent; int(f) < len(e.failed); f++ {
		e.failed[f] = deps.Metrics.GetOrCreateCounter(fmt.Sprintf("poktai_upstream_failures_total{%s,reason=%q}", labels, f))
	}
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
	e.stopOnce.Do(func() { close(e.stop) })
	<-e.done
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
			e.conns.closeIdle()
			return
		}
	}
}

// Call sends body, one JSON-RPC message or batch, and reads the HTTP response
// into resp, whose body is valid until resp is reset. judge says what a response,
// of any status, is worth. Call returns when it ended and why there is no answer,
// None if there is one. After a failure that is not judge's, resp means nothing.
//
// A kept-alive connection that turns out to have been closed meanwhile is replaced
// once: always if the request could not be sent whole, and if it was sent and not
// one byte came back, if again is true.
func (e *Endpoint) Call(start, deadline time.Time, body []byte, again bool, resp *fasthttp.Response, judge func(*fasthttp.Response) Failure) (end time.Time, f Failure) {
	e.requests.Inc()
	e.health.begin(e.at(start))
	var c *conn // while this call has one
	noted := false
	defer func() {
		if noted {
			return
		}
		// There was a panic, and the process may well go on.
		e.health.neutral()
		if c != nil {
			e.conns.close(c)
		}
	}()
	f, err := e.exchange(&c, start, deadline, body, again, resp)
	status := 0
	if f == None {
		f, status = judge(resp), resp.StatusCode()
	}
	end = time.Now()
	if c != nil {
		// An answer to something else may be that to the call before, and so
		// would be all that follow.
		if f == BadAnswer || resp.ConnectionClose() || !c.clean() {
			e.conns.close(c)
		} else {
			e.conns.put(c, end)
		}
	}
	noted = true
	e.note(start, end, f, status, err)
	return end, f
}

// exchange makes a round trip. It leaves the connection in *c if there was no
// failure, and closes it otherwise.
func (e *Endpoint) exchange(c **conn, start, deadline time.Time, body []byte, again bool, resp *fasthttp.Response) (f Failure, err error) {
	*c, err = e.conns.get(e.ctx, deadline, start)
	for err == nil {
		f, silent, why := (*c).roundTrip(deadline, e.head, body, resp, e.maxBytes)
		if f == None {
			return None, nil
		}
		used := (*c).used
		e.conns.close(*c)
		*c = nil
		if !used || !silent || (f.MayHaveActed() && !again) {
			return f, why
		}
		*c, err = e.conns.dial(e.ctx, deadline)
	}
	switch {
	case errors.Is(err, errBusy):
		return Busy, err
	case past(deadline):
		return TimedOut, errors.New("no connection in time")
	}
	return NotSent, redact(err)
}

// note keeps account of a call. status is 0 if there was no HTTP response.
func (e *Endpoint) note(start, end time.Time, f Failure, status int, err error) {
	from, to := e.at(start), e.at(end)
	if f == None {
		e.seconds.Observe(end.Sub(start))
		if e.health.succeeded(from, to) {
			e.log.Info().Msg("upstream answers again")
		}
		return
	}
	e.failed[f].Inc()
	if !f.fault() {
		e.health.neutral()
		return
	}
	if rest := e.health.failed(from, to); rest > 0 {
		e.log.Warn().Stringer("reason", f).Int("status", status).Err(err).Dur("rest", rest).
			Msg("upstream fails, others are asked before it")
	}
}

// at is t on the clock of e.health.
func (e *Endpoint) at(t time.Time) int64 { return int64(t.Sub(e.born)) }

// free reports whether e does not rest and has a connection left.
func (e *Endpoint) free(at int64) bool {
	return !e.health.resting(at) && e.health.inflight.Load() < int64(e.conns.max)
}

// redact takes addresses of name servers out of dial errors.
func redact(err error) error {
	var d *net.DNSError
	if errors.As(err, &d) {
		return errors.New("host not found")
	}
	return err
}
