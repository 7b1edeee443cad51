// Command poktai is the gateway and everything that runs it. This package is
// the wiring: which part gets which, in what order they start and stop, and what
// the command line looks like. What the parts do is in their packages.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

var version = "development" // set when linking

// app is what a command works with.
type app struct {
	stdout, stderr io.Writer
	env            []string
}

// command is one entry of the command line.
type command struct {
	name  string // "key create"
	args  string // "KEY_ID"
	short string
	run   func(ctx context.Context, a *app, args []string) error
}

func commands() []command {
	return []command{
		{"up", "", "run everything on this machine", runUp},
		{"devchain", "", "run the simulated EVM node alone", runDevchain},
		{"org create", "NAME", "create an organisation", runOrgCreate},
		{"org list", "", "list the organisations", runOrgList},
		{"plan set", "ID", "create or change a plan", runPlanSet},
		{"plan list", "", "list the plans", runPlanList},
		{"key create", "", "create an API key", runKeyCreate},
		{"key list", "", "list the keys of an organisation", runKeyList},
		{"key revoke", "KEY_ID", "end a key at once", runKeyRevoke},
		{"key rotate", "KEY_ID", "replace a key by a new one", runKeyRotate},
		{"usage", "", "show what an organisation used", runUsage},
		{"price create", "FILE", "add a price list, in YAML", runPriceCreate},
		{"price list", "", "show the price lists and who pays them", runPriceList},
		{"price set", "PRICE_ID", "let an organisation pay by a price list", runPriceSet},
		{"org cap", "USD", "set what an organisation may spend a month", runOrgCap},
		{"meter verify", "", "prove that accepted = spooled = stored = rated", runMeterVerify},
		{"meter replay", "", "rate closed hours again and compare with the ledger", runMeterReplay},
		{"meter retire", "GATEWAY", "close hours without waiting for a gateway", runMeterRetire},
		{"migrate", "", "bring the database to this version", runMigrate},
		{"config check", "FILE", "say everything that is wrong with a configuration", runConfigCheck},
		{"version", "", "print the version", runVersion},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{stdout: os.Stdout, stderr: os.Stderr, env: os.Environ()}
	err := a.run(ctx, os.Args[1:])
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, &usage):
		fmt.Fprintln(a.stderr, usage)
		os.Exit(2)
	default:
		fmt.Fprintln(a.stderr, "poktai:", err)
		os.Exit(1)
	}
}

// usageError is a command line that makes no sense.
type usageError string

func (e usageError) Error() string { return string(e) }

func (a *app) run(ctx context.Context, args []string) error {
	all := commands()
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		fmt.Fprint(a.stdout, help(all))
		return nil
	}
	for _, c := range all {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && slices.Equal(args[:len(words)], words) {
			return c.run(ctx, a, args[len(words):])
		}
	}
	return usageError(fmt.Sprintf("poktai: there is no command %q\n\n%s", strings.Join(args[:min(2, len(args))], " "), help(all)))
}

func help(all []command) string {
	var b strings.Builder
	b.WriteString("Usage: poktai COMMAND [flags]\n\n")
	for _, c := range all {
		fmt.Fprintf(&b, "  %-22s %s\n", strings.TrimSpace(c.name+" "+c.args), c.short)
	}
	b.WriteString("\n`poktai COMMAND --help` shows the flags of a command.\n")
	return b.String()
}

// parse reads flags and exactly n further arguments, which may stand before,
// between or behind the flags.
func (a *app) parse(fs *flag.FlagSet, args []string, n int) ([]string, error) {
	fs.SetOutput(a.stderr)
	var rest []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usageError("") // the flag set has said it
		}
		if fs.NArg() == 0 {
			break
		}
		rest = append(rest, fs.Arg(0))
		args = fs.Args()[1:]
	}
	if len(rest) != n {
		return nil, usageError(fmt.Sprintf("poktai %s: takes %d arguments besides flags, got %d", fs.Name(), n, len(rest)))
	}
	return rest, nil
}

func runVersion(_ context.Context, a *app, _ []string) error {
	fmt.Fprintln(a.stdout, version)
	return nil
}
