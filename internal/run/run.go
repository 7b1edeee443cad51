// Package run is the life of a process: its parts start in order, run until one
// fails or the process is told to stop, and stop in reverse order.
package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// A Group holds the parts that have been started. Its methods are called by one
// goroutine, that which starts the parts.
type Group struct {
	log   zerolog.Logger
	parts []part

	failed chan struct{}
	once   sync.Once
	err    error
}

type part struct {
	name string
	stop func(context.Context) error
}

// New returns an empty Group.
func New(log zerolog.Logger) *Group {
	return &Group{log: log, failed: make(chan struct{})}
}

// Started takes note of a part that runs and of how it is stopped. stop may
// return before its context ends, and must when that has ended.
func (g *Group) Started(name string, stop func(context.Context) error) {
	g.parts = append(g.parts, part{name, stop})
}

// Go starts a part that is a loop, and is stopped by cancelling its context. If
// it ends earlier, with or without an error, the whole group stops.
func (g *Group) Go(ctx context.Context, name string, loop func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g.Serve(name, func() error { return loop(ctx) }, func(context.Context) error { cancel(); return nil })
}

// Serve starts a part that runs in serve until stop is called.
func (g *Group) Serve(name string, serve func() error, stop func(context.Context) error) {
	var stopping atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := serve()
		if stopping.Load() {
			return
		}
		if err == nil {
			err = errors.New("ended unexpectedly")
		}
		g.fail(fmt.Errorf("%s: %w", name, err))
	}()
	g.Started(name, func(ctx context.Context) error {
		stopping.Store(true)
		err := stop(ctx)
		select {
		case <-done:
		case <-ctx.Done():
			err = errors.Join(err, ctx.Err())
		}
		return err
	})
}

func (g *Group) fail(err error) {
	g.once.Do(func() {
		g.err = err
		close(g.failed)
	})
}

// Wait blocks until ctx ends, which is a wish to stop, or a part fails; it then
// stops all parts, last started first, all within timeout. It
// returns the first failure, of running or of stopping.
func (g *Group) Wait(ctx context.Context, timeout time.Duration) error {
	var err error
	select {
	case <-ctx.Done():
		g.log.Info().Msg("stopping")
	case <-g.failed:
		err = g.err
		g.log.Error().Err(err).Msg("a part failed, stopping")
	}
	return errors.Join(err, g.Stop(ctx, timeout))
}

// Stop stops the parts that were started, last started first.
func (g *Group) Stop(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	var errs []error
	for i := len(g.parts) - 1; i >= 0; i-- {
		p := g.parts[i]
		if err := p.stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", p.name, err))
		}
	}
	g.parts = nil
	return errors.Join(errs...)
}
