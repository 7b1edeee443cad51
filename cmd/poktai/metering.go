package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/rs/zerolog"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
	"pokt.ai/meter/rating"
)

// overSpan runs a command that takes a span of hours: it reads the flags, opens
// the database and the usage store, and closes them.
func (a *app) overSpan(ctx context.Context, name string, args []string, run func(db *store.DB, kept *usageStore, from, until time.Time) error) error {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	file := configFlag(fs)
	from := fs.String("from", "24h", "`time` ago (24h), a day (2026-01-31) or a time")
	until := fs.String("until", "0s", "the same; default now")
	if _, err := a.parse(fs, args, 0); err != nil {
		return err
	}
	now := time.Now()
	first, err := parseTime("from", *from, now)
	if err != nil {
		return err
	}
	last, err := parseTime("until", *until, now)
	if err != nil {
		return err
	}
	db, cfg, err := a.openStore(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	kept, err := openUsage(cfg.Meter, db, zerolog.Nop())
	if err != nil {
		return err
	}
	defer kept.Close()
	return run(db, kept, first.Truncate(time.Hour), last)
}

func runMeterVerify(ctx context.Context, a *app, args []string) error {
	return a.overSpan(ctx, "meter verify", args, func(db *store.DB, kept *usageStore, from, until time.Time) error {
		r, err := rating.Verify(ctx, db, kept.rated, from, until.Add(time.Hour-1).Truncate(time.Hour))
		if err != nil {
			return err
		}
		return a.printVerified(r)
	})
}

func (a *app) printVerified(r *rating.Report) error {
	if err := printTable(a.stdout, "GATEWAY\tEPOCH\tENDED\tACCEPTED\tSPOOLED\tSTORED\tDROPPED\tWAITING", r.Epochs, func(e rating.EpochReport) string {
		ended := string(e.Ended)
		if e.Ended == account.Running {
			ended = "running"
		}
		return fmt.Sprintf("%s\t%d\t%s\t%d\t%d\t%d\t%d\t%d", e.Gateway, e.Epoch, ended, e.Accepted, e.Spooled, e.Stored, e.Dropped, e.Waiting)
	}); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout)
	if err := printTable(a.stdout, "HOUR (UTC)\tSTATE\tSTORED\tCHARGED\tRATED\tCU\tUSD", r.Hours, func(h rating.HourReport) string {
		state := "open"
		if h.Closed {
			state = "closed"
		}
		return fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t%d\t%s", h.Hour.UTC().Format("2006-01-02 15h"), state, h.Stored, h.Charged, h.Rated, h.CU, h.Amount)
	}); err != nil {
		return err
	}
	return a.verdict(&r.Differences)
}

func runMeterReplay(ctx context.Context, a *app, args []string) error {
	return a.overSpan(ctx, "meter replay", args, func(db *store.DB, kept *usageStore, from, until time.Time) error {
		r, err := rating.Replay(ctx, db, kept.rated, from, until.Truncate(time.Hour))
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "%d ledger rows, %d calls, %d CU, USD %s\n", r.Rows, r.Calls, r.CU, r.Amount)
		return a.verdict(&r.Differences)
	})
}

// verdict prints what was found to differ, and is an error if anything was.
func (a *app) verdict(d *rating.Differences) error {
	if d.None() {
		fmt.Fprintln(a.stdout, "\neverything is equal")
		return nil
	}
	for _, one := range d.List {
		fmt.Fprintln(a.stdout, one)
	}
	return fmt.Errorf("%d differences", len(d.List)+d.Omitted)
}

func runMeterRetire(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("meter retire", flag.ContinueOnError)
	file := configFlag(fs)
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return err
	}
	db, _, err := a.openStore(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.RetireGateway(ctx, rest[0], time.Now()); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "hours no longer wait for %s\n", rest[0])
	return nil
}

func runPriceCreate(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("price create", flag.ContinueOnError)
	file := configFlag(fs)
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(rest[0])
	if err != nil {
		return fmt.Errorf("read price list: %w", err)
	}
	p, err := readPricing(data)
	if err != nil {
		return fmt.Errorf("%s: %w", rest[0], err)
	}
	db, _, err := a.openStore(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.CreatePricing(ctx, p); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "price list %s is made; it will never change\n", p.ID)
	return nil
}

// readPricing reads a price list, whose names are those in which it is stored.
func readPricing(data []byte) (account.Pricing, error) {
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		return account.Pricing{}, fmt.Errorf("is not YAML: %w", err)
	}
	p := account.Pricing{CreatedAt: time.Now()}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return account.Pricing{}, fmt.Errorf("is not a price list: %w", err)
	}
	return p, nil
}

func runPriceList(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("price list", flag.ContinueOnError)
	file := configFlag(fs)
	if _, err := a.parse(fs, args, 0); err != nil {
		return err
	}
	db, _, err := a.openStore(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	lists, err := db.Pricings(ctx)
	if err != nil {
		return err
	}
	if err := printTable(a.stdout, "PRICE LIST\tINCLUDED CU\tFIRST TIER, USD A MILLION CU\tMINIMUM USD", lists, func(p account.Pricing) string {
		first := "nothing"
		if len(p.Base.Tiers) > 0 {
			first = p.Base.Tiers[0].PerMillion.String()
		}
		return fmt.Sprintf("%s\t%d\t%s\t%s", p.ID, p.Base.Included, first, p.Minimum)
	}); err != nil {
		return err
	}
	used, err := db.OrgPricings(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.stdout)
	return printTable(a.stdout, "ORGANISATION\tFROM (UTC)\tPRICE LIST", used, func(p store.OrgPricing) string {
		return fmt.Sprintf("%s\t%s\t%s", p.Org, p.From.UTC().Format("2006-01-02 15h"), p.Pricing)
	})
}

func runPriceSet(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("price set", flag.ContinueOnError)
	file := configFlag(fs)
	org := fs.String("org", "", "`name or id` of the organisation")
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return err
	}
	db, _, err := a.openStore(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	o, err := findOrg(ctx, db, *org)
	if err != nil {
		return err
	}
	at := time.Now().Truncate(time.Hour)
	if err := db.SetPricing(ctx, store.OrgPricing{Org: o.ID, From: at, Pricing: rest[0]}); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s pays by %s from %s UTC on\n", o.Name, rest[0], at.UTC().Format(time.DateTime))
	return nil
}

func runOrgCap(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("org cap", flag.ContinueOnError)
	file := configFlag(fs)
	org := fs.String("org", "", "`name or id` of the organisation")
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return err
	}
	limit, err := parseDollars(rest[0])
	if err != nil {
		return err
	}
	db, _, err := a.openStore(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	o, err := findOrg(ctx, db, *org)
	if err != nil {
		return err
	}
	if err := db.SetSpendCap(ctx, o.ID, limit); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s may spend USD %s a month\n", o.Name, limit)
	return nil
}

// parseDollars reads an amount such as "12.50"; 0 is no cap.
func parseDollars(text string) (account.Micros, error) {
	whole, part, _ := strings.Cut(text, ".")
	dollars, err := strconv.ParseUint(whole, 10, 40)
	if err != nil || len(part) > 6 || strings.Trim(part, "0123456789") != "" {
		return 0, usageError(fmt.Sprintf("%q is not an amount in USD such as 12.50", text))
	}
	micros := int64(dollars) * 1_000_000

	if part != "" {
		n, err := strconv.ParseInt((part + "000000")[:6], 10, 64)
		if err != nil {
			return 0, usageError(fmt.Sprintf("%q is not an amount in USD such as 12.50", text))
		}
		micros += n
	}
	return account.Micros(micros), nil
}
