package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"

	"pokt.ai/gateway"
	"pokt.ai/gateway/forward"
	"pokt.ai/gateway/upstream"
	"pokt.ai/internal/account"
	"pokt.ai/internal/devchain"
	"pokt.ai/internal/obs"
	"pokt.ai/internal/run"
	"pokt.ai/internal/store"
	"pokt.ai/internal/tcp"
	"pokt.ai/meter"
	"pokt.ai/meter/rating"
	"pokt.ai/meter/spool"
)

// stopTimeout bounds what comes after the drain of requests: sealing, shipping,
// closing.
const stopTimeout = 15 * time.Second

// up is the process of `poktai up`.
type up struct {
	*app
	path    string
	cfg     *loaded
	log     zerolog.Logger
	metrics *metrics.Set
	parts   *run.Group

	db       *store.DB
	hashers  []*account.Hasher
	usage    *usageStore
	recorder *meter.Recorder
	loop     *tcp.Loop
	keys     *gateway.Keys
	grants   *gateway.Grants
	pools    *upstream.Pools
	server   *gateway.Server
	private  *obs.Private
	ready    []obs.Check
}

func runUp(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("up", flag.ContinueOnError)
	file := configFlag(fs)
	if _, err := a.parse(fs, args, 0); err != nil {
		return err
	}
	u := &up{app: a, path: a.configPath(*file), metrics: metrics.NewSet()}
	var err error
	if u.cfg, err = a.load(u.path); err != nil {
		return err
	}
	if u.log, err = obs.NewLogger(u.cfg.Log, a.stderr); err != nil {
		return err
	}
	u.parts = run.New(u.log)
	cfg := u.cfg // what u.cfg is belongs to the reload, once that has started
	if err := u.start(ctx); err != nil {
		return errors.Join(err, u.parts.Stop(ctx, stopTimeout))
	}
	u.log.Info().Str("version", version).Str("relay", cfg.Gateway.Listen).Str("private", cfg.Private.Listen).
		Int("chains", len(cfg.Chains)).Msg("ready")
	return u.parts.Wait(ctx, cfg.Gateway.DrainTimeout+stopTimeout)
}

// start starts the parts in an order in which each finds those it needs.
func (u *up) start(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		u.startStore, u.startMeter, u.startKeys, u.startPrivate, u.startDevchain, u.startGateway, u.greet, u.startReload, u.markReady,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (u *up) startStore(ctx context.Context) error {
	var err error
	if u.db, err = store.Open(ctx, u.cfg.Store, u.log); err != nil {
		return err
	}
	u.parts.Started("store", func(context.Context) error { return u.db.Close() })
	u.ready = append(u.ready, obs.Check{Name: "store", Func: u.db.Ping})
	if err := u.db.Migrate(ctx); err != nil {
		return err
	}
	if err := makePepper(u.cfg.Keys.PepperFile); err != nil {
		return err
	}
	u.hashers, err = readPeppers(u.cfg.Keys.PepperFile)
	return err
}

// recordSlack is how long after the time in an event it may be recorded: the end
// of a call and its event are microseconds apart, the items of a large batch some
// milliseconds.
const recordSlack = 2 * time.Second

// startMeter stores what a killed process left behind before anything asks how
// much was used.
func (u *up) startMeter(ctx context.Context) error {
	var err error
	if u.usage, err = openUsage(u.cfg.Meter, u.db, u.log); err != nil {
		return err
	}
	u.parts.Started("usage store", func(context.Context) error { return u.usage.Close() })
	sp, err := spool.Open(u.cfg.Meter.Spool, u.log, u.metrics)
	if err != nil {
		return err
	}
	u.recorder = meter.NewRecorder(sp, u.metrics)
	heartbeat := meter.NewHeartbeat(sp, u.recorder, u.db, recordSlack, u.log, u.metrics)
	shipper := meter.NewShipper(u.cfg.Meter.Ship, sp, u.usage.sink, u.log, u.metrics)
	if err := heartbeat.Claim(ctx); err != nil {
		return errors.Join(err, sp.Close())
	}
	// ClickHouse may be away: the spool holds what comes, and calls are served.
	if u.cfg.Meter.Sink == sinkEmbedded {
		if err := shipper.Drain(ctx); err != nil {
			return errors.Join(fmt.Errorf("store recovered usage: %w", err), sp.Close())
		}
	}
	u.parts.Go(ctx, "usage retention", u.pruneUsage)
	u.parts.Go(ctx, "rating", rating.New(u.cfg.Meter.Rating, u.usage.rated, u.db, u.log, u.metrics).Run)
	u.parts.Started("spool", func(ctx context.Context) error { return errors.Join(heartbeat.Release(ctx), sp.Close()) })
	u.parts.Go(ctx, "shipper", shipper.Run)
	u.parts.Go(ctx, "heartbeat", heartbeat.Run)
	// Stopped first of these: what is recorded is sealed and stored.
	u.parts.Started("usage flush", func(ctx context.Context) error {
		if err := sp.Flush(ctx); err != nil {
			return err
		}
		return shipper.Drain(ctx)
	})
	u.ready = append(u.ready, obs.Check{Name: "spool", Func: func(context.Context) error { return u.recorder.Ready() }})
	return nil
}

// minutesKept is how long usage stays known by the minute; by the hour it stays
// for ever.
const minutesKept = 35 * 24 * time.Hour

func (u *up) pruneUsage(ctx context.Context) error {
	t := time.NewTicker(time.Hour)
	defer t.Stop()
	for {
		if _, err := u.db.PruneMinutes(ctx, time.Now().Add(-minutesKept)); err != nil && ctx.Err() == nil {
			u.log.Error().Err(err).Msg("cannot prune usage")
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (u *up) startKeys(ctx context.Context) error {
	u.grants = gateway.NewGrants(u.usage.used)
	cache, err := gateway.NewKeys(ctx, u.cfg.Keys.Config, u.db, u.hashers, u.grants, u.metrics)
	if err != nil {
		return err
	}
	u.keys = cache
	u.parts.Started("keys", func(context.Context) error { cache.Close(); return nil })
	u.parts.Go(ctx, "change feed", func(ctx context.Context) error {
		return u.db.Watch(ctx, func(c store.Change) { applyChange(cache, c) }, cache.SetConnected)
	})
	u.parts.Go(ctx, "limits", func(ctx context.Context) error {
		t := time.NewTicker(time.Minute)
		defer t.Stop()
		for {
			select {
			case now := <-t.C:
				u.grants.Sweep(now)
			case <-ctx.Done():
				return nil
			}
		}
	})
	return nil
}

func applyChange(cache *gateway.Keys, c store.Change) {
	switch c.Kind {
	case store.KeyChanged:
		cache.Changed(c.Hash)
	case store.AllChanged:
		cache.ChangedAll()
	}
}

func (u *up) startDevchain(ctx context.Context) error {
	return startDevchain(ctx, u.parts, u.cfg.DevChain, u.log)
}

func startDevchain(ctx context.Context, parts *run.Group, cfg devchain.Config, log zerolog.Logger) error {
	chain, err := devchain.New(cfg, log)
	if err != nil {
		return err
	}
	ln, err := listen(ctx, "devchain.listen", cfg.Listen)
	if err != nil {
		return err
	}
	parts.Go(ctx, "devchain", func(ctx context.Context) error { return chain.Serve(ctx, ln) })
	return nil
}

func (u *up) startGateway(ctx context.Context) error {
	var err error
	if u.loop, err = tcp.NewLoop(); err != nil {
		return err
	}
	u.parts.Started("connections", func(context.Context) error { return u.loop.Close() })
	u.pools = upstream.NewPools(context.WithoutCancel(ctx), upstream.Deps{
		Dialer:           u.loop,
		Label:            func(name string) uint16 { return uint16(u.recorder.Intern(name)) },
		MaxResponseBytes: u.cfg.Gateway.MaxResponseBytes,
		Metrics:          u.metrics,
		Log:              u.log,
	})
	u.parts.Started("upstreams", func(context.Context) error { u.pools.Close(); return nil })
	table, err := u.table(u.cfg)
	if err != nil {
		return err
	}
	u.pools.Commit()
	u.server, err = gateway.New(u.cfg.Gateway, table, gateway.Deps{
		Keys: u.keys, Recorder: u.recorder, Forward: forward.New(u.metrics), Log: u.log, Metrics: u.metrics,
	})
	if err != nil {
		return err
	}
	ln, err := u.loop.Listen(ctx, u.cfg.Gateway.Listen)
	if err != nil {
		return fmt.Errorf("gateway.listen: %w", err)
	}
	ln.Timeouts = u.cfg.Gateway.Timeouts()
	u.parts.Serve("relay port", func() error { return u.server.Serve(ln) }, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, u.cfg.Gateway.DrainTimeout)
		defer cancel()
		return u.server.Shutdown(ctx)
	})
	return nil
}

// startPrivate comes before the relay port, so that it is stopped after it: those
// who send clients here, and those who watch, can see it drain.
func (u *up) startPrivate(ctx context.Context) error {
	u.private = obs.NewPrivate(u.metrics, u.ready...)
	ln, err := listen(ctx, "private.listen", u.cfg.Private.Listen)
	if err != nil {
		return err
	}
	u.parts.Serve("private port", func() error { return u.private.Serve(ln) }, func(context.Context) error { return u.private.Close() })
	return nil
}

// markReady is the last step of the start, undone as the first of the stop.
func (u *up) markReady(context.Context) error {
	u.private.Started()
	u.parts.Started("readiness", func(context.Context) error { u.private.Drain(); return nil })
	return nil
}

func listen(ctx context.Context, key, address string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return ln, nil
}
