package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// startTimeout is generous: initdb on a busy machine takes seconds.
const startTimeout = time.Minute

// A dependency is something that tests find through an environment variable.
type dependency struct {
	variable string
	service  service
}

// A service can be started once.
type service interface {
	// start returns when the service answers, with the value of the variable.
	// dir is an empty directory for the service alone. If start fails, it leaves
	// nothing running.
	start(ctx context.Context, dir string) (value string, err error)
	// stop ends what start started and waits for it.
	stop() error
}

// An environment is the dependencies that were started.
type environment struct {
	variables []string // "NAME=value"
	running   []dependency
}

// start starts deps one after the other, each in its own folder of dir. When one
// fails, those before it are in the environment returned, to be stopped.
func start(ctx context.Context, dir string, deps []dependency) (env environment, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, d := range deps {
		own := filepath.Join(dir, strings.ToLower(d.variable))
		if err := os.Mkdir(own, 0o700); err != nil {
			return env, err
		}
		value, err := d.service.start(ctx, own)
		if err != nil {
			return env, fmt.Errorf("start for %s: %w", d.variable, err)
		}
		env.variables = append(env.variables, d.variable+"="+value)
		env.running = append(env.running, d)
	}
	return env, nil
}

// stop stops all, the last started first.
func (env *environment) stop() error {
	var errs []error
	for _, d := range slices.Backward(env.running) {
		if err := d.service.stop(); err != nil {
			errs = append(errs, fmt.Errorf("stop for %s: %w", d.variable, err))
		}
	}
	return errors.Join(errs...)
}
