package obs_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"pokt.ai/internal/obs"
)

func TestPrivatePort(t *testing.T) {
	set := metrics.NewSet()
	set.NewCounter(`poktai_test_total{chain="dev"}`).Add(7)
	var broken error
	p := obs.NewPrivate(set, obs.Check{Name: "store", Func: func(context.Context) error { return broken }})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Serve(ln) }()
	defer func() {
		p.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	get := func(path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+ln.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	expect := func(path string, status int, text string) {
		t.Helper()
		if s, body := get(path); s != status || !strings.Contains(body, text) {
			t.Errorf("GET %s = %d %q, want %d and %q in it", path, s, body, status, text)
		}
	}
	expect("/metrics", 200, `poktai_test_total{chain="dev"} 7`)
	expect("/metrics", 200, "go_goroutines")
	expect("/healthz", 200, "ok")
	expect("/readyz", 503, "starting")
	p.Started()
	expect("/readyz", 200, "ok")
	expect("/debug/pprof/goroutine?debug=1", 200, "goroutine profile")
	broken = errors.New("no connection")
	expect("/readyz", 503, "store: no connection")
	broken = nil
	p.Drain()
	expect("/readyz", 503, "draining")
	expect("/healthz", 200, "ok")
}

func TestLoggerRefusesWhatItDoesNotKnow(t *testing.T) {
	var faults []string
	obs.LogConfig{Level: "loud", Format: "xml"}.Validate(func(key, _ string) { faults = append(faults, key) })
	if got := strings.Join(faults, " "); got != "level format" {
		t.Errorf("faults at %q, want level and format", got)
	}
}
