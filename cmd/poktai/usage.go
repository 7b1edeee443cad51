package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"

	"pokt.ai/internal/store"
)

func runUsage(ctx context.Context, a *app, args []string) error {
	fs := flag.NewFlagSet("usage", flag.ContinueOnError)
	file := configFlag(fs)
	org := fs.String("org", "", "`name or id` of the organisation")
	by := fs.String("by", string(store.ByMethod), "method, key, chain or status")
	since := fs.String("since", "24h", "`time` ago (24h), a day (2026-01-31) or a time (2026-01-31T15:04:05Z)")
	until := fs.String("until", "0s", "the same; default now")
	asJSON := fs.Bool("json", false, "print JSON")
	if _, err := a.parse(fs, args, 0); err != nil {
		return err
	}
	now := time.Now()
	q := store.UsageQuery{By: store.UsageBy(*by)}
	switch q.By {
	case store.ByMethod, store.ByKey, store.ByChain, store.ByStatus:
	default:
		return usageError(fmt.Sprintf("--by %s: must be method, key, chain or status", *by))
	}
	var err error
	if q.Since, err = parseTime("since", *since, now); err != nil {
		return err
	}
	if q.Until, err = parseTime("until", *until, now); err != nil {
		return err
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
	q.Org = o.ID
	kept, err := openUsage(cfg.Meter, db, zerolog.Nop())
	if err != nil {
		return err
	}
	defer kept.Close()
	groups, err := kept.report.Usage(ctx, q)
	if err != nil {
		return err
	}
	last, err := kept.report.LastEvent(ctx)
	if err != nil {
		return err
	}
	u := usageReport{Org: o.ID.String(), By: *by, Since: q.Since.UTC(), Until: q.Until.UTC(), LastEvent: optional(last), Groups: []usageGroup{}}
	for _, g := range groups {
		u.Groups = append(u.Groups, newUsageGroup(g.Name, g))
		u.Total.add(g)
	}
	if *asJSON {
		return a.printJSON(u)
	}
	return u.print(a.stdout)
}

// parseTime reads a point in time: a duration before now, a day or a time.
func parseTime(name, text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageError(fmt.Sprintf("--%s %s: give a time ago such as 24h, a day such as 2026-01-31 or a time such as 2026-01-31T15:04:05Z", name, text))
}

type usageReport struct {
	Org       string       `json:"org"`
	By        string       `json:"by"`
	Since     time.Time    `json:"since"`
	Until     time.Time    `json:"until"`
	LastEvent *time.Time   `json:"last_event,omitempty"` // the newest event in the database
	Groups    []usageGroup `json:"groups"`
	Total     usageGroup   `json:"total"`
}

type usageGroup struct {
	Name          string `json:"name,omitempty"`
	Calls         int64  `json:"calls"`
	CU            int64  `json:"cu"`
	MeanMicros    int64  `json:"mean_latency_us"`
	RequestBytes  int64  `json:"request_bytes"`
	ResponseBytes int64  `json:"response_bytes"`

	latencyMicros int64
}

func newUsageGroup(name string, g store.UsageGroup) usageGroup {
	u := usageGroup{Name: name}
	u.add(g)
	return u
}

func (u *usageGroup) add(g store.UsageGroup) {
	u.Calls += g.Calls
	u.CU += g.CU
	u.RequestBytes += g.RequestBytes
	u.ResponseBytes += g.ResponseBytes
	u.latencyMicros += g.LatencyMicros
	if u.Calls > 0 {
		u.MeanMicros = u.latencyMicros / u.Calls
	}
}

func (u usageReport) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s\tCALLS\tCU\tMEAN\t\n", strings.ToUpper(u.By))
	row := func(name string, g usageGroup) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t\n", name, g.Calls, g.CU, (time.Duration(g.MeanMicros) * time.Microsecond).Round(10*time.Microsecond))
	}
	for _, g := range u.Groups {
		name := g.Name
		if name == "" {
			name = "(none)"
		}
		row(name, g)
	}
	row("total", u.Total)
	if err := t.Flush(); err != nil {
		return err
	}
	if u.LastEvent != nil {
		fmt.Fprintf(w, "\nfrom %s to %s UTC; newest event %s\n", u.Since.Format(time.DateTime), u.Until.Format(time.DateTime), u.LastEvent.Format(time.DateTime))
	}
	return nil
}
