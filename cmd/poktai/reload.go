package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"pokt.ai/gateway/chain"
	"pokt.ai/internal/config"
	"pokt.ai/internal/obs"
)

// watchEvery is how often the configuration file is looked at.
const watchEvery = time.Second

// table builds the chain table of a configuration; the caller commits or
// discards its endpoints.
func (u *up) table(cfg *loaded) (*chain.Table, error) {
	label := func(name string) uint16 { return uint16(u.recorder.Intern(name)) }
	return chain.NewTable(cfg.Chains, &cfg.prices, label, u.pools.Build)
}

// startReload takes the configuration anew on SIGHUP and when its file changes.
func (u *up) startReload(ctx context.Context) error {
	changed := make(chan string, 1)
	tell := func(why string) {
		select {
		case changed <- why:
		default: // one is waiting already
		}
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	if u.path != "" {
		u.parts.Go(ctx, "configuration file", func(ctx context.Context) error {
			config.Watch(ctx, u.path, watchEvery, func() { tell("file changed") })
			return nil
		})
	}
	u.parts.Go(ctx, "reload", func(ctx context.Context) error {
		defer signal.Stop(hup)
		for {
			select {
			case <-hup:
				u.reload("SIGHUP")
			case why := <-changed:
				u.reload(why)
			case <-ctx.Done():
				return nil
			}
		}
	})
	return nil
}

// fixed are the settings that a running process cannot change.
var fixed = []string{
	"gateway.listen", "gateway.max_header_bytes", "gateway.max_response_bytes", "gateway.read_timeout", "gateway.idle_timeout",
	"gateway.drain_timeout", "keys.", "meter.", "store.", "private.", "log.format", "devchain.",
}

// reload reads the configuration, and swaps it in if nothing is wrong with it.
func (u *up) reload(why string) {
	log := u.log.With().Str("why", why).Logger()
	next, err := u.load(u.path)
	if err != nil {
		log.Error().Err(err).Msg("configuration has faults, the running one stays")
		return
	}
	table, err := u.table(next)
	if err == nil {
		err = u.server.Reload(next.Gateway, table)
	}
	if err != nil {
		u.pools.Discard()
		log.Error().Err(err).Msg("configuration cannot be used, the running one stays")
		return
	}
	u.pools.Commit()
	if err := obs.SetLevel(next.Log.Level); err != nil {
		log.Error().Err(err).Msg("log level stays")
	}
	changes := config.Diff(u.cfg.settings, next.settings)
	if u.cfg.prices.Version != next.prices.Version {
		changes = append(changes, config.Change{Key: "prices", Old: u.cfg.prices.Version, New: next.prices.Version})
	}
	for _, c := range changes {
		e := log.Info()
		if needsRestart(c.Key) {
			e = log.Warn().Bool("needs_restart", true)
		}
		e.Str("key", c.Key).Str("old", c.Old).Str("new", c.New).Msg("configuration changed")
	}
	if len(changes) == 0 {
		log.Info().Msg("configuration is unchanged")
	}
	u.cfg = next
}

func needsRestart(key string) bool {
	for _, f := range fixed {
		if key == f || strings.HasSuffix(f, ".") && strings.HasPrefix(key, f) {
			return true
		}
	}
	return false
}
