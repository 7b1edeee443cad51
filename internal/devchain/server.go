package devchain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	maxBodyBytes = 5 << 20
	readTimeout  = 30 * time.Second // of one request
	idleTimeout  = 2 * time.Minute
	drainTimeout = 5 * time.Second
)

// Serve answers on ln and makes blocks until ctx ends, and closes ln. It
// returns when no request and no goroutine of it is left. It may be called once.
func (c *Chain) Serve(ctx context.Context, ln net.Listener) error {
	server := &fasthttp.Server{
		Name:               "poktai-devchain",
		Handler:            c.Handle,
		MaxRequestBodySize: maxBodyBytes,
		ReadTimeout:        readTimeout,
		IdleTimeout:        idleTimeout,
		CloseOnShutdown:    true,
		Logger:             &c.log,
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var background sync.WaitGroup
	background.Go(func() { c.produce(ctx) })
	var shutdown error
	background.Go(func() {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		shutdown = server.ShutdownWithContext(drain)
		_ = ln.Close() // Shutdown does not know of it if Serve has yet to begin
	})
	c.log.Info().Stringer("address", ln.Addr()).Uint64("chain_id", c.cfg.ChainID).Int64("seed", c.cfg.Seed).
		Msg("simulated chain listens")
	err := server.Serve(ln)
	stop()
	background.Wait()
	if err := errors.Join(err, shutdown); err != nil {
		return fmt.Errorf("serve simulated chain on %s: %w", ln.Addr(), err)
	}
	return nil
}

// Handle answers one HTTP request, on whatever path.
func (c *Chain) Handle(ctx *fasthttp.RequestCtx) {
	if !ctx.IsPost() {
		ctx.SetStatusCode(fasthttp.StatusMethodNotAllowed)
		ctx.Response.Header.Set(fasthttp.HeaderAllow, fasthttp.MethodPost)
		ctx.SetBodyString("This is a simulated EVM chain. Send JSON-RPC by POST.\n")
		return
	}
	ctx.Response.Header.SetContentType("application/json")
	// The response keeps its buffer from one request to the next.
	buffer := ctx.Response.SwapBody(nil)
	ctx.Response.SwapBody(c.appendAnswer(buffer[:0], ctx.Request.Body()))
}
