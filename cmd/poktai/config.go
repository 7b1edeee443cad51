package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pokt.ai/configs"
	"pokt.ai/gateway"
	"pokt.ai/gateway/chain"
	"pokt.ai/gateway/keys"
	"pokt.ai/internal/config"
	"pokt.ai/internal/devchain"
	"pokt.ai/internal/obs"
	"pokt.ai/internal/store"
	"pokt.ai/meter"
	"pokt.ai/meter/clickhouse"
	"pokt.ai/meter/rating"
)

// settings is the whole configuration: the sections belong to the packages.
type settings struct {
	Gateway  gateway.Config    `yaml:"gateway"`
	Keys     keySettings       `yaml:"keys"`
	Meter    meterSettings     `yaml:"meter"`
	Store    store.Config      `yaml:"store"`
	Private  obs.PrivateConfig `yaml:"private"`
	Log      obs.LogConfig     `yaml:"log"`
	DevChain devchain.Config   `yaml:"devchain"`
	// ComputeUnits is the file of the price table; empty is the one built in.
	ComputeUnits string        `yaml:"compute_units"`
	Chains       chain.Configs `yaml:"chains"`
}

type keySettings struct {
	keys.Config `yaml:",inline"`
	// PepperFile holds the secrets under which keys are hashed, one a line and
	// the newest last. `poktai up` makes it at first start. Default
	// "data/pepper"; it must be set.
	PepperFile string `yaml:"pepper_file"`
}

// What meter.sink may be.
const (
	sinkEmbedded   = "embedded"
	sinkClickHouse = "clickhouse"
)

type meterSettings struct {
	meter.Config `yaml:",inline"`
	// Sink is where usage is kept: "embedded", in the database of store.dsn, or
	// "clickhouse". Default "embedded"; it must be set.
	Sink       string            `yaml:"sink"`
	ClickHouse clickhouse.Config `yaml:"clickhouse"`
	Rating     rating.Config     `yaml:"rating"`
}

// Validate reports a sink that does not exist.
func (m meterSettings) Validate(report func(key, message string)) {
	if m.Sink != sinkEmbedded && m.Sink != sinkClickHouse {
		report("sink", fmt.Sprintf("must be %q or %q", sinkEmbedded, sinkClickHouse))
	}
}

func defaultSettings() settings {
	return settings{
		Gateway:  gateway.DefaultConfig(),
		Keys:     keySettings{keys.DefaultConfig(), "data/pepper"},
		Meter:    meterSettings{meter.DefaultConfig(), sinkEmbedded, clickhouse.DefaultConfig(), rating.DefaultConfig()},
		Store:    store.DefaultConfig(),
		Private:  obs.DefaultPrivateConfig(),
		Log:      obs.DefaultLogConfig(),
		DevChain: devchain.DefaultConfig(),
	}
}

// loaded is a configuration and what it refers to.
type loaded struct {
	settings
	prices chain.Prices
}

// configFlag adds --config to a command.
func configFlag(fs *flag.FlagSet) *string {
	return fs.String("config", "", "configuration `file`; default POKTAI_CONFIG, else the one built in")
}

// configPath returns the file to read; empty is the one built in.
func (a *app) configPath(flagged string) string {
	if flagged != "" {
		return flagged
	}
	for _, kv := range a.env {
		if path, ok := strings.CutPrefix(kv, "POKTAI_CONFIG="); ok {
			return path
		}
	}
	return ""
}

// load reads the configuration at path, its price table, and checks what holds
// between them.
func (a *app) load(path string) (*loaded, error) {
	l := &loaded{settings: defaultSettings()}
	var err error
	if path == "" {
		err = config.Decode("up.yaml (built in)", configs.Up(), a.env, &l.settings)
	} else {
		err = config.Load(path, a.env, &l.settings)
	}
	if err != nil {
		return nil, err
	}
	if l.ComputeUnits == "" {
		err = config.Decode("compute-units.yaml (built in)", configs.ComputeUnits(), nil, &l.prices)
	} else {
		err = config.Load(l.ComputeUnits, nil, &l.prices)
	}
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(l.Chains)) {
		if kind := l.Chains[name].Kind; !hasKind(&l.prices, kind) {
			errs = append(errs, fmt.Errorf("chains.%s.kind: the price table has no kind %q, only %s",
				name, kind, strings.Join(slices.Sorted(maps.Keys(l.prices.Kinds)), ", ")))
		}
	}
	return l, errors.Join(errs...)
}

func hasKind(p *chain.Prices, kind string) bool {
	_, ok := p.Kinds[kind]
	return ok
}

func runConfigCheck(_ context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("config check", flag.ContinueOnError)
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return err
	}
	l, err := a.load(rest[0])
	if err != nil {
		fmt.Fprintln(a.stderr, err)
		return fmt.Errorf("%s is not usable", rest[0])
	}
	fmt.Fprintf(a.stdout, "%s is fine: %d chains, prices %s\n", rest[0], len(l.Chains), l.prices.Version)
	return nil
}

// makeFolder makes the folder in which a file is to be.
func makeFolder(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("make folder for %s: %w", file, err)
	}
	return nil
}
