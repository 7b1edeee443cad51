package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"pokt.ai/internal/account"
)

// What the first start creates, so that a first relay needs no further command.
const firstOrg = "local"

func firstPlan(now time.Time) account.Plan {
	return account.Plan{
		ID:        "starter",
		Name:      "Starter",
		Limits:    account.Limits{CallsPerSecond: 500, CallsBurst: 1000, CUPerSecond: 10_000, CUBurst: 20_000},
		MonthlyCU: 100_000_000,
		CreatedAt: now,
	}
}

// greet creates an organisation, a plan and a key at the first start, and tells
// how to use them. The key is shown this once.
func (u *up) greet(ctx context.Context) error {
	orgs, err := u.db.Orgs(ctx)
	if err != nil {
		return err
	}
	if len(orgs) > 0 {
		return nil
	}
	now := time.Now()
	plan := firstPlan(now)
	if err := u.db.PutPlan(ctx, plan); err != nil {
		return err
	}
	org := account.Org{ID: account.NewOrgID(), Name: firstOrg, Plan: plan.ID, CreatedAt: now}
	if err := u.db.CreateOrg(ctx, org); err != nil {
		if errors.Is(err, account.ErrConflict) {
			return nil // another process on this database was first
		}
		return err
	}
	token, _, err := createKey(ctx, u.db, u.hashers[0], account.Key{Org: org.ID, Name: "first key", Env: account.Live})
	if err != nil {
		return err
	}
	chain := "dev"
	if _, ok := u.cfg.Chains[chain]; !ok && len(u.cfg.Chains) > 0 {
		chain = slices.Sorted(maps.Keys(u.cfg.Chains))[0]
	}
	base := "http://" + u.cfg.Gateway.Listen + "/v1/"
	usage := fmt.Sprintf("%s usage --org %s", os.Args[0], org.Name)
	if u.path != "" {
		usage += " --config " + u.path
	}
	fmt.Fprintf(u.stdout, `
  Organisation "%s" and its first API key are made. The key is shown only now:

    %s

  A relay, answered by a simulated node on this machine:

    curl -H 'Content-Type: application/json' \
      -d '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}' \
      %s%s/%s

%s  What was used:  %s --by method

`, org.Name, token, base, chain, token, u.otherChains(base, chain), usage)
	return nil
}

// otherChains is the line that names some of the other chains, if there are any.
func (u *up) otherChains(base, first string) string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(u.cfg.Chains)), func(name string) bool { return name == first })
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("  Other chains: %s{chain}/{key}, such as %s.\n", base, strings.Join(names[:min(3, len(names))], ", "))
}
