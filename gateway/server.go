// Package gateway is the edge: it takes JSON-RPC over HTTP from clients and
// answers it. Server.relay reads as the request story does, each stop in a
// package of its own; what is left here is HTTP, the order of the stops and the
// table of refusals.
//
// Accounts, prices and the storage of usage are not its job: it asks for a key,
// is given a price table, and hands events to a Recorder.
package gateway

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"pokt.ai/gateway/chain"
	"pokt.ai/gateway/forward"
	"pokt.ai/gateway/jsonrpc"
	"pokt.ai/gateway/keys"
	"pokt.ai/internal/account"
	"pokt.ai/internal/obs"
	"pokt.ai/meter"
)

// Keys finds the grant of a key's token.
type Keys = keys.Cache[*grant]

// NewKeys returns the key cache of a gateway.
func NewKeys(ctx context.Context, cfg keys.Config, src keys.Source, hashers []*account.Hasher, grants *Grants, set *metrics.Set) (*Keys, error) {
	return keys.New(ctx, cfg, src, hashers, grants.make, set)
}

// A Server is the relay port. It is safe for concurrent use.
type Server struct {
	http     fasthttp.Server
	keys     *Keys
	forward  *forward.Forwarder
	recorder *meter.Recorder
	metrics  *metrics.Set
	log      zerolog.Logger
	panics   *metrics.Counter
	refused  map[*refusal]*metrics.Counter // those that no chain counts
	seconds  map[string]*obs.Histogram     // by chain; Reload's alone
	snapshot atomic.Pointer[snapshot]
	draining atomic.Bool
	relays   sync.Pool

	idBase, idCount atomic.Uint64
}

// snapshot is all that a reload replaces.
type snapshot struct {
	cfg     Config
	trusted []netip.Prefix
	limits  jsonrpc.Limits
	chains  *chain.Table
	calls   [][256]*metrics.Counter // by chain and outcome
	seconds []*obs.Histogram        // by chain
}

// Deps is what a Server works with.
type Deps struct {
	Keys     *Keys
	Recorder *meter.Recorder
	Forward  *forward.Forwarder
	Log      zerolog.Logger
	Metrics  *metrics.Set
}

// New returns a Server of the chains in table.
func New(cfg Config, table *chain.Table, deps Deps) (*Server, error) {
	s := &Server{keys: deps.Keys, forward: deps.Forward, recorder: deps.Recorder, metrics: deps.Metrics, log: deps.Log}
	var seed [8]byte
	rand.Read(seed[:])
	s.idBase.Store(binary.LittleEndian.Uint64(seed[:]))
	s.relays.New = func() any { return &relay{server: s} }
	s.panics = deps.Metrics.GetOrCreateCounter("poktai_gateway_panics_total")
	s.seconds = make(map[string]*obs.Histogram)
	s.refused = make(map[*refusal]*metrics.Counter)
	for name, r := range countedRefusals {
		s.refused[r] = deps.Metrics.GetOrCreateCounter(fmt.Sprintf(`poktai_gateway_refused_total{reason=%q}`, name))
	}
	if err := s.Reload(cfg, table); err != nil {
		return nil, err
	}
	s.http = fasthttp.Server{
		Handler:                      s.serve,
		ErrorHandler:                 s.serveUnreadable,
		HeaderReceived:               s.bounds,
		Logger:                       quiet{deps.Log},
		ReadBufferSize:               cfg.MaxHeaderBytes,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true,
		CloseOnShutdown:              true,
	}
	deps.Metrics.GetOrCreateGauge("poktai_gateway_open_connections", func() float64 { return float64(s.http.GetOpenConnectionsCount()) })
	return s, nil
}

// Reload replaces the chains and the settings of cfg that bound requests. The
// address, header size and connection time-outs stay as they were at New.
func (s *Server) Reload(cfg Config, table *chain.Table) error {
	trusted, err := cfg.trusted()
	if err != nil {
		return err
	}
	snap := &snapshot{cfg: cfg, trusted: trusted, chains: table, limits: jsonrpc.Limits{MaxBatch: cfg.MaxBatch, MaxDepth: cfg.MaxDepth}}
	for _, c := range table.Chains() {
		var counters [256]*metrics.Counter
		for o := range counters {
			counters[o] = s.metrics.GetOrCreateCounter(fmt.Sprintf(`poktai_gateway_calls_total{chain=%q,outcome=%q}`, c.Name, meter.Outcome(o)))
		}
		snap.calls = append(snap.calls, counters)
		if s.seconds[c.Name] == nil {
			s.seconds[c.Name] = obs.NewHistogram(s.metrics, fmt.Sprintf(`poktai_gateway_request_seconds{chain=%q}`, c.Name))
		}
		snap.seconds = append(snap.seconds, s.seconds[c.Name])
	}
	s.snapshot.Store(snap)
	return nil
}

// Serve answers the connections of ln until Shutdown. Their time-outs are the
// listener's: see Config.Timeouts.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.http.Serve(ln); err != nil {
		return fmt.Errorf("serve relay port: %w", err)
	}
	return nil
}

// Shutdown stops listening and waits until the requests in flight are answered,
// or ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	if err := s.http.ShutdownWithContext(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("drain relay port: %w", err)
	}
	return nil
}

// bounds gives a request the limits that are in force when it comes.
func (s *Server) bounds(*fasthttp.RequestHeader) fasthttp.RequestConfig {
	return fasthttp.RequestConfig{MaxRequestBodySize: s.snapshot.Load().cfg.MaxBodyBytes}
}

// serve answers one request.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	if s.draining.Load() && closed(ctx.Conn()) {
		return
	}
	r := s.relays.Get().(*relay)
	r.begin(ctx)
	defer s.survive(r)
	switch {
	case ctx.IsPost():
		if ref := r.relay(); ref != nil {
			r.refuse(ref)
		}
	case ctx.IsOptions():
		r.preflight()
	case ctx.IsGet(), ctx.IsHead():
		r.describe()
	default:
		r.refuse(notPost)
		ctx.Response.Header.Set("Allow", "POST, GET, OPTIONS")
	}
	r.end()
	s.relays.Put(r)
}

// survive keeps a fault in the handling of one request from ending all others.
// What was being done is not used again.
func (s *Server) survive(r *relay) {
	fault := recover()
	if fault == nil {
		return
	}
	s.panics.Inc()
	s.log.Error().Any("panic", fault).Bytes("stack", debug.Stack()).Msg("a request failed, this is a bug")
	failed := &relay{server: s}
	failed.begin(r.ctx)
	failed.refuse(internalError)
	failed.end()
}

// closed reports whether this end has closed c. Shutdown closes connections that
// wait for a request; one of them may have read a request by then, which must not
// be counted because its answer goes nowhere.
func closed(c net.Conn) bool { return c.SetReadDeadline(time.Time{}) != nil }

// serveUnreadable answers what fasthttp could not read as a request; it closes
// the connection afterwards.
func (s *Server) serveUnreadable(ctx *fasthttp.RequestCtx, err error) {
	// Without this the kernel cuts off a client that is still sending, and with
	// it the answer.
	if c, ok := ctx.Conn().(interface{ Linger() }); ok {
		c.Linger()
	}
	r := s.relays.Get().(*relay)
	r.begin(ctx)
	r.refuse(unreadable(err))
	r.end()
	s.relays.Put(r)
}

// nextID numbers requests: unique in this process, and without a pattern from
// which a client could read how many there are. Every value stands for one
// count (Stafford's mix 13 is a bijection).
func (s *Server) nextID() uint64 {
	z := s.idBase.Load() + s.idCount.Add(1)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// quiet keeps what fasthttp has to say about single connections out of the log:
// it is the clients' doing, and there is no bound to it.
type quiet struct{ log zerolog.Logger }

func (q quiet) Printf(format string, args ...any) {
	q.log.Debug().Str("text", fmt.Sprintf(format, args...)).Msg("connection")
}
