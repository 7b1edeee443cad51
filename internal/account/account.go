// Package account holds what the business knows: organisations, plans and API
// keys, and their rules. It does no I/O; internal/store keeps these values and
// the gateway enforces them.
package account

import (
	"cmp"
	"time"
)

// An Org is a paying customer: keys, usage and invoices belong to it.
type Org struct {
	ID        OrgID
	Name      string
	Plan      string // id of its Plan
	SpendCap  Micros // of a calendar month (UTC), at which calls are refused; 0: none
	CreatedAt time.Time
}

// A Plan is what an organisation may use.
type Plan struct {
	ID        string // slug, such as "free"
	Name      string
	Limits    Limits
	MonthlyCU int64  // compute units a calendar month (UTC) for the whole organisation; 0 is no quota
	Pricing   string // id of the Pricing of organisations that come to the plan; empty: they pay nothing
	CreatedAt time.Time
}

// Limits are the rates that one key may use. A zero rate is no limit in a Plan,
// and "as in the plan" in a Key. A zero burst is one second's worth, or as in the
// plan where the rate is.
type Limits struct {
	CallsPerSecond int64 `json:"calls_per_second,omitempty"`
	CallsBurst     int64 `json:"calls_burst,omitempty"`
	CUPerSecond    int64 `json:"cu_per_second,omitempty"`
	CUBurst        int64 `json:"cu_burst,omitempty"`
}

// Over returns the limits of a key with l on a plan with base. No field of it is
// left to be filled in.
func (l Limits) Over(base Limits) Limits {
	l.CallsPerSecond, l.CallsBurst = rateOver(l.CallsPerSecond, l.CallsBurst, base.CallsPerSecond, base.CallsBurst)
	l.CUPerSecond, l.CUBurst = rateOver(l.CUPerSecond, l.CUBurst, base.CUPerSecond, base.CUBurst)
	return l
}

func rateOver(rate, burst, baseRate, baseBurst int64) (int64, int64) {
	if rate == 0 {
		rate = baseRate
		burst = cmp.Or(burst, baseBurst)
	}
	return rate, cmp.Or(burst, rate)
}

// Allow restricts where and for what a key may be used. Kinds are combined with
// AND, entries of one kind with OR; an empty list allows everything.
type Allow struct {
	Origins   []string `json:"origins,omitempty"`   // "https://app.example", "https://*.example"
	IPs       []string `json:"ips,omitempty"`       // addresses and CIDR prefixes
	Chains    []string `json:"chains,omitempty"`    // canonical chain names
	Methods   []string `json:"methods,omitempty"`   // "eth_call", "eth_*"
	Contracts []string `json:"contracts,omitempty"` // 0x addresses, for eth_call, eth_estimateGas, eth_getLogs
}

// A Key is an API key as it is stored. The token itself is not in it: it is
// shown once when the key is made.
type Key struct {
	ID        KeyID
	Org       OrgID
	Name      string
	Env       Env
	Hash      Hash   // HMAC-SHA256 of the token
	Pepper    int    // version of the pepper in Hash
	Prefix    string // "pokt_live_" and the first 4 characters
	LastFour  string // of the token
	Limits    Limits // zero fields as in the plan
	Allow     Allow
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	RevokedAt time.Time // zero: not revoked
	RotatedTo KeyID     // zero: not rotated
}

// A Grant is what the edge needs of a key, in one value: the key, its
// organisation's plan and whether the organisation has reached its quota or
// spend cap. It is immutable.
type Grant struct {
	Key  Key
	Plan Plan
	// CappedUntil is when calls may be paid for again: the end of the month in
	// which the quota or the spend cap was reached. Before that they are refused.
	CappedUntil time.Time
}

// CappedAt reports whether the organisation's calls are refused at t because its
// quota or spend cap is reached.
func (g *Grant) CappedAt(t time.Time) bool { return t.Before(g.CappedUntil) }

// Limits returns the rates in force.
func (g *Grant) Limits() Limits { return g.Key.Limits.Over(g.Plan.Limits) }

// UsableAt reports whether the key may be used at t.
func (k *Key) UsableAt(t time.Time) bool {
	return (k.RevokedAt.IsZero() || t.Before(k.RevokedAt)) &&
		(k.ExpiresAt.IsZero() || t.Before(k.ExpiresAt))
}
