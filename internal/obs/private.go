package obs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// PrivateConfig is the configuration of the private port.
type PrivateConfig struct {
	// Listen is the address of /metrics, /healthz, /readyz and /debug/pprof/.
	// It has no authentication: keep it off the internet. Default
	// 127.0.0.1:9090.
	Listen string `yaml:"listen"`
}

// DefaultPrivateConfig returns the defaults.
func DefaultPrivateConfig() PrivateConfig { return PrivateConfig{Listen: "127.0.0.1:9090"} }

// Validate reports what is wrong with c.
func (c PrivateConfig) Validate(report func(key, message string)) {
	if c.Listen == "" {
		report("listen", "is missing")
	}
}

// A Check says what keeps the process from serving, or nil.
type Check struct {
	Name string
	Func func(context.Context) error
}

// Private serves the private port. It is safe for concurrent use.
type Private struct {
	http   http.Server
	checks []Check
	unfit  atomic.Pointer[string] // why it is not ready, whatever the checks say
}

const checkTimeout = 2 * time.Second

// NewPrivate returns the server of the private port. /readyz answers 200 between
// Started and Drain while all checks pass; /healthz as long as the process
// answers at all.
func NewPrivate(set *metrics.Set, checks ...Check) *Private {
	p := &Private{checks: checks}
	p.unfit.Store(new("starting"))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		set.WritePrometheus(w)
		metrics.WriteProcessMetrics(w)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", p.ready)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	p.http = http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return p
}

func (p *Private) ready(w http.ResponseWriter, r *http.Request) {
	if why := p.unfit.Load(); why != nil {
		http.Error(w, *why, http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	for _, c := range p.checks {
		if err := c.Func(ctx); err != nil {
			http.Error(w, c.Name+": "+err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

// Started leaves it to the checks whether /readyz fails.
func (p *Private) Started() { p.unfit.Store(nil) }

// Drain makes /readyz fail, so that no new clients are sent here.
func (p *Private) Drain() { p.unfit.Store(new("draining")) }

// Serve answers the connections of ln until Close.
func (p *Private) Serve(ln net.Listener) error {
	if err := p.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve private port: %w", err)
	}
	return nil
}

// Close stops serving at once.
func (p *Private) Close() error { return p.http.Close() }
