package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"

	"pokt.ai/gateway/allow"
	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
)

// openStore opens the database of a configuration for one command.
func (a *app) openStore(ctx context.Context, file string) (*store.DB, *loaded, error) {
	cfg, err := a.load(a.configPath(file))
	if err != nil {
		return nil, nil, err
	}
	db, err := store.Open(ctx, cfg.Store, zerolog.Nop())
	if err != nil {
		return nil, nil, err
	}
	if err := db.CheckSchema(ctx); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, cfg, nil
}

func runMigrate(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("migrate", flag.ContinueOnError)
	file := configFlag(fs)
	if _, err := a.parse(fs, args, 0); err != nil {
		return err
	}
	cfg, err := a.load(a.configPath(*file))
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, cfg.Store, zerolog.Nop())
	if err != nil {
		return err
	}
	return errors.Join(db.Migrate(ctx), db.Close())
}

// findOrg returns the organisation of that id or name.
func findOrg(ctx context.Context, db *store.DB, text string) (account.Org, error) {
	if text == "" {
		return account.Org{}, usageError("--org is missing: give the name or the id of an organisation")
	}
	if id, err := account.ParseOrgID(text); err == nil {
		return db.Org(ctx, id)
	}
	return db.OrgByName(ctx, text)
}

func runOrgCreate(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("org create", flag.ContinueOnError)
	file := configFlag(fs)
	plan := fs.String("plan", "starter", "`id` of its plan")
	asJSON := fs.Bool("json", false, "print JSON")
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return err
	}
	db, _, err := a.openStore(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	org := account.Org{ID: account.NewOrgID(), Name: rest[0], Plan: *plan, CreatedAt: time.Now()}
	if err := db.CreateOrg(ctx, org); err != nil {
		return err
	}
	if *asJSON {
		return a.printJSON(orgView(org))
	}
	fmt.Fprintf(a.stdout, "created organisation %q, %s, plan %s\n", org.Name, org.ID, org.Plan)
	return nil
}

type orgJSON struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Plan      string    `json:"plan"`
	CreatedAt time.Time `json:"created_at"`
}

func orgView(o account.Org) orgJSON { return orgJSON{o.ID.String(), o.Name, o.Plan, o.CreatedAt.UTC()} }

func runOrgList(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("org list", flag.ContinueOnError)
	file := configFlag(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	if _, err := a.parse(fs, args, 0); err != nil {
		return err
	}
	db, _, err := a.openStore(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	orgs, err := db.Orgs(ctx)
	if err != nil {
		return err
	}
	views := make([]orgJSON, 0, len(orgs))
	for _, o := range orgs {
		views = append(views, orgView(o))
	}
	if *asJSON {
		return a.printJSON(views)
	}
	return printTable(a.stdout, "ID\tNAME\tPLAN\tCREATED", views, func(o orgJSON) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s", o.ID, o.Name, o.Plan, o.CreatedAt.Format(time.DateTime))
	})
}

func limitFlags(fs *flag.FlagSet, l *account.Limits) {
	fs.Int64Var(&l.CallsPerSecond, "calls-per-second", 0, "calls a second")
	fs.Int64Var(&l.CallsBurst, "calls-burst", 0, "calls at once; default one second's")
	fs.Int64Var(&l.CUPerSecond, "cu-per-second", 0, "compute units a second")
	fs.Int64Var(&l.CUBurst, "cu-burst", 0, "compute units at once; default one second's")
}

func checkLimits(l account.Limits) error {
	for name, n := range map[string]int64{
		"calls-per-second": l.CallsPerSecond, "calls-burst": l.CallsBurst, "cu-per-second": l.CUPerSecond, "cu-burst": l.CUBurst,
	} {
		if n < 0 {
			return usageError(fmt.Sprintf("--%s must not be negative", name))
		}
	}
	return nil
}

func runPlanSet(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("plan set", flag.ContinueOnError)
	file := configFlag(fs)
	p := account.Plan{CreatedAt: time.Now()}
	fs.StringVar(&p.Name, "name", "", "`name` for people; default its id")
	fs.Int64Var(&p.MonthlyCU, "monthly-cu", 0, "compute units a month; 0 is no quota")
	limitFlags(fs, &p.Limits)
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return err
	}
	if err := checkLimits(p.Limits); err != nil {
		return err
	}
	if p.MonthlyCU < 0 {
		return usageError("--monthly-cu must not be negative")
	}
	if p.ID = rest[0]; p.Name == "" {
		p.Name = p.ID
	}
	db, _, err := a.openStore(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.PutPlan(ctx, p); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "plan %s is set\n", p.ID)
	return nil
}

func runPlanList(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("plan list", flag.ContinueOnError)
	file := configFlag(fs)
	if _, err := a.parse(fs, args, 0); err != nil {
		return err
	}
	db, _, err := a.openStore(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	plans, err := db.Plans(ctx)
	if err != nil {
		return err
	}
	return printTable(a.stdout, "ID\tNAME\tCALLS/S\tBURST\tCU/S\tBURST\tCU/MONTH", plans, func(p account.Plan) string {
		l := p.Limits.Over(account.Limits{})
		return strings.Join([]string{p.ID, p.Name, limitText(l.CallsPerSecond), limitText(l.CallsBurst), limitText(l.CUPerSecond), limitText(l.CUBurst), limitText(p.MonthlyCU)}, "\t")
	})
}

func limitText(n int64) string {
	if n == 0 {
		return "no limit"
	}
	return fmt.Sprint(n)
}

// listFlag is a flag that may be given several times.
type listFlag []string

func (l *listFlag) String() string     { return strings.Join(*l, ",") }
func (l *listFlag) Set(s string) error { *l = append(*l, s); return nil }

// createKey makes a token for k and stores k. The token is not stored.
func createKey(ctx context.Context, db *store.DB, hasher *account.Hasher, k account.Key) (token string, stored account.Key, err error) {
	token, k, err = newKey(hasher, k)
	if err != nil {
		return "", account.Key{}, err
	}
	return token, k, db.CreateKey(ctx, k)
}

// newKey makes a token and completes k with what is kept of it.
func newKey(hasher *account.Hasher, k account.Key) (string, account.Key, error) {
	if _, err := allow.Compile(k.Allow); err != nil {
		return "", account.Key{}, err
	}
	token, err := account.NewToken(k.Env)
	if err != nil {
		return "", account.Key{}, err
	}
	k.ID = account.NewKeyID()
	k.Hash, k.Pepper = hasher.Sum([]byte(token)), hasher.Version()
	k.Prefix, k.LastFour = account.Describe(token)
	k.CreatedAt = time.Now()
	return token, k, nil
}

func runKeyCreate(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("key create", flag.ContinueOnError)
	file := configFlag(fs)
	org := fs.String("org", "", "`name or id` of the organisation")
	env := fs.String("env", string(account.Live), "live or test")
	expires := fs.Duration("expires", 0, "`time` after which it ends, such as 720h; default never")
	asJSON := fs.Bool("json", false, "print JSON")
	var k account.Key
	fs.StringVar(&k.Name, "name", "", "`name` for people")
	limitFlags(fs, &k.Limits)
	fs.Var((*listFlag)(&k.Allow.Origins), "allow-origin", "`origin` it may be used from, such as https://*.example.com (repeatable)")
	fs.Var((*listFlag)(&k.Allow.IPs), "allow-ip", "`address` or CIDR it may be used from (repeatable)")
	fs.Var((*listFlag)(&k.Allow.Chains), "allow-chain", "`chain` it may be used on (repeatable)")
	fs.Var((*listFlag)(&k.Allow.Methods), "allow-method", "`method` it may call, such as eth_* (repeatable)")
	fs.Var((*listFlag)(&k.Allow.Contracts), "allow-contract", "`address` of a contract it may read (repeatable)")
	if _, err := a.parse(fs, args, 0); err != nil {
		return err
	}
	if err := checkLimits(k.Limits); err != nil {
		return err
	}
	if *expires < 0 {
		return usageError("--expires must not be negative")
	}
	db, cfg, err := a.openStore(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	o, err := findOrg(ctx, db, *org)
	if err != nil {
		return err
	}
	hashers, err := readPeppers(cfg.Keys.PepperFile)
	if err != nil {
		return err
	}
	if err := canonicalChains(cfg, k.Allow.Chains); err != nil {
		return err
	}
	k.Org, k.Env = o.ID, account.Env(*env)
	if *expires > 0 {
		k.ExpiresAt = time.Now().Add(*expires)
	}
	token, k, err := createKey(ctx, db, hashers[0], k)
	if err != nil {
		return err
	}
	return a.printToken(token, k, *asJSON)
}

// canonicalChains replaces aliases by the names that allowlists hold.
func canonicalChains(cfg *loaded, names []string) error {
	byName := make(map[string]string)
	for name, c := range cfg.Chains {
		byName[name] = name
		for _, alias := range c.Aliases {
			byName[alias] = name
		}
	}
	for i, name := range names {
		if names[i] = byName[name]; names[i] == "" {
			return fmt.Errorf("--allow-chain %s: there is no such chain in the configuration", name)
		}
	}
	return nil
}

func (a *app) printToken(token string, k account.Key, asJSON bool) error {
	if asJSON {
		v := keyView(k)
		v.Token = token
		return a.printJSON(v)
	}
	fmt.Fprintf(a.stdout, "%s is made. Its token is shown only now:\n\n  %s\n\n", k.ID, token)
	return nil
}

type keyJSON struct {
	ID        string        `json:"id"`
	Org       string        `json:"org"`
	Name      string        `json:"name"`
	Env       account.Env   `json:"env"`
	Token     string        `json:"token,omitempty"`
	Shown     string        `json:"shown"`
	Allow     account.Allow `json:"allow"`
	CreatedAt time.Time     `json:"created_at"`
	ExpiresAt *time.Time    `json:"expires_at,omitempty"`
	RevokedAt *time.Time    `json:"revoked_at,omitempty"`
	RotatedTo string        `json:"rotated_to,omitempty"`
}

func keyView(k account.Key) keyJSON {
	return keyJSON{
		ID: k.ID.String(), Org: k.Org.String(), Name: k.Name, Env: k.Env, Shown: k.Prefix + "…" + k.LastFour, Allow: k.Allow,
		CreatedAt: k.CreatedAt.UTC(), ExpiresAt: optional(k.ExpiresAt), RevokedAt: optional(k.RevokedAt), RotatedTo: k.RotatedTo.String(),
	}
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func runKeyList(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("key list", flag.ContinueOnError)
	file := configFlag(fs)
	org := fs.String("org", "", "`name or id` of the organisation")
	asJSON := fs.Bool("json", false, "print JSON")
	if _, err := a.parse(fs, args, 0); err != nil {
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
	list, err := db.Keys(ctx, o.ID)
	if err != nil {
		return err
	}
	views := make([]keyJSON, 0, len(list))
	for _, k := range list {
		views = append(views, keyView(k))
	}
	if *asJSON {
		return a.printJSON(views)
	}
	now := time.Now()
	return printTable(a.stdout, "ID\tNAME\tKEY\tCREATED\tSTATE", list, func(k account.Key) string {
		return strings.Join([]string{k.ID.String(), k.Name, k.Prefix + "…" + k.LastFour, k.CreatedAt.UTC().Format(time.DateTime), keyState(k, now)}, "\t")
	})
}

func keyState(k account.Key, now time.Time) string {
	switch {
	case !k.RevokedAt.IsZero() && !now.Before(k.RevokedAt):
		return "revoked " + k.RevokedAt.UTC().Format(time.DateTime)
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return "expired " + k.ExpiresAt.UTC().Format(time.DateTime)
	case !k.ExpiresAt.IsZero():
		return "until " + k.ExpiresAt.UTC().Format(time.DateTime)
	}
	return "active"
}

func runKeyRevoke(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("key revoke", flag.ContinueOnError)
	file := configFlag(fs)
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return err
	}
	id, err := account.ParseKeyID(rest[0])
	if err != nil {
		return err
	}
	db, _, err := a.openStore(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.RevokeKey(ctx, id, time.Now()); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s is revoked\n", id)
	return nil
}

func runKeyRotate(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("key rotate", flag.ContinueOnError)
	file := configFlag(fs)
	overlap := fs.Duration("overlap", 24*time.Hour, "how `long` the old key goes on working; 0 ends it at once")
	asJSON := fs.Bool("json", false, "print JSON")
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return err
	}
	if *overlap < 0 {
		return usageError("--overlap must not be negative")
	}
	id, err := account.ParseKeyID(rest[0])
	if err != nil {
		return err
	}
	db, cfg, err := a.openStore(ctx, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	old, err := db.Key(ctx, id)
	if err != nil {
		return err
	}
	hashers, err := readPeppers(cfg.Keys.PepperFile)
	if err != nil {
		return err
	}
	token, next, err := newKey(hashers[0], account.Key{Org: old.Org, Name: old.Name, Env: old.Env, Limits: old.Limits, Allow: old.Allow, ExpiresAt: old.ExpiresAt})
	if err != nil {
		return err
	}
	if err := db.RotateKey(ctx, id, next, time.Now().Add(*overlap)); err != nil {
		return err
	}
	return a.printToken(token, next, *asJSON)
}

func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printTable prints rows under a header, whose columns are separated by tabs.
func printTable[T any](w io.Writer, header string, rows []T, line func(T) string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, header)
	for _, row := range rows {
		fmt.Fprintln(t, line(row))
	}
	return t.Flush()
}
