package main

import (
	"context"
	"errors"
	"flag"

	"pokt.ai/internal/obs"
	"pokt.ai/internal/run"
)

func runDevchain(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("devchain", flag.ContinueOnError)
	file := configFlag(fs)
	if _, err := a.parse(fs, args, 0); err != nil {
		return err
	}
	cfg, err := a.load(a.configPath(*file))
	if err != nil {
		return err
	}
	log, err := obs.NewLogger(cfg.Log, a.stderr)
	if err != nil {
		return err
	}
	parts := run.New(log)
	if err := startDevchain(ctx, parts, cfg.DevChain, log); err != nil {
		return errors.Join(err, parts.Stop(ctx, stopTimeout))
	}
	log.Info().Str("listen", cfg.DevChain.Listen).Msg("simulated chain is ready")
	return parts.Wait(ctx, stopTimeout)
}
