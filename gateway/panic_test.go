package gateway

import (
	"testing"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"
)

func TestPanicEndsOneRequestOnly(t *testing.T) {
	set := metrics.NewSet()
	s := &Server{log: zerolog.Nop(), panics: set.NewCounter("panics")}
	s.relays.New = func() any { return &relay{server: s} } // without a snapshot, which no running server lacks
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.SetMethod("POST")
	ctx.Request.SetRequestURI("/v1/eth/key")
	s.snapshot.Store(&snapshot{})
	s.serve(&ctx)
	if got := ctx.Response.StatusCode(); got != 500 || s.panics.Get() != 1 {
		t.Errorf("status %d, %d panics counted; %s", got, s.panics.Get(), ctx.Response.Body())
	}
}
