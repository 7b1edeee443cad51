package gateway

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"pokt.ai/gateway/allow"
	"pokt.ai/gateway/limit"
	"pokt.ai/internal/account"
)

// grant is what the edge keeps beside a cached key, made once a load: nothing of
// it is looked up again for a request.
type grant struct {
	org, key uint64
	allow    *allow.List
	rates    limit.Rates
	state    *limit.State
	quota    *limit.Quota
	monthly  int64  // compute units a month; 0: no quota
	capped   int64  // Unix nanoseconds until which nothing may be spent; 0: none
	policy   []byte // value of RateLimit-Policy; empty: no limits
}

// Usage tells what an organisation used since the month began.
type Usage interface {
	UsedCU(ctx context.Context, org account.OrgID, from, until time.Time) (int64, error)
}

// Grants makes the grants of keys. The limits and quotas it hands out live as
// long as it does.
type Grants struct {
	registry limit.Registry
	usage    Usage
}

// NewGrants returns a Grants that asks usage what was used before this process
// began to count.
func NewGrants(usage Usage) *Grants { return &Grants{usage: usage} }

// Sweep forgets limits that are as good as new.
func (g *Grants) Sweep(now time.Time) { g.registry.Sweep(now.UnixNano()) }

// make is the build function of the key cache.
func (g *Grants) make(ctx context.Context, a account.Grant) (*grant, error) {
	list, err := allow.Compile(a.Key.Allow)
	if err != nil {
		return nil, fmt.Errorf("allowlists of key %s: %w", a.Key.ID, err)
	}
	quota, err := g.registry.Quota(uint64(a.Key.Org), time.Now(), func(month time.Time) (int64, error) {
		return g.usage.UsedCU(ctx, a.Key.Org, month, month.AddDate(0, 1, 0))
	})
	if err != nil {
		return nil, fmt.Errorf("usage of %s: %w", a.Key.Org, err)
	}
	l := a.Limits()
	return &grant{
		org:     uint64(a.Key.Org),
		key:     uint64(a.Key.ID),
		allow:   list,
		rates:   limit.Rates{Calls: limit.NewRate(l.CallsPerSecond, l.CallsBurst), CU: limit.NewRate(l.CUPerSecond, l.CUBurst)},
		state:   g.registry.Key(uint64(a.Key.ID)),
		quota:   quota,
		monthly: a.Plan.MonthlyCU,
		capped:  unixNano(a.CappedUntil),
		policy:  appendPolicy(nil, l),
	}, nil
}

func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// appendPolicy writes the value of RateLimit-Policy: for each limit its name,
// how much may be spent at once and in how many seconds that comes back
// (draft-ietf-httpapi-ratelimit-headers).
func appendPolicy(dst []byte, l account.Limits) []byte {
	for _, dim := range []struct {
		name             string
		perSecond, burst int64
	}{{`"calls"`, l.CallsPerSecond, l.CallsBurst}, {`"cu"`, l.CUPerSecond, l.CUBurst}} {
		if dim.perSecond == 0 {
			continue
		}
		if len(dst) > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, dim.name...)
		dst = append(dst, ";q="...)
		dst = strconv.AppendInt(dst, dim.burst, 10)
		dst = append(dst, ";w="...)
		dst = strconv.AppendInt(dst, (dim.burst+dim.perSecond-1)/dim.perSecond, 10)
	}
	return dst
}

// appendRateLimit writes the value of RateLimit: what is left of each limit, and
// in how many seconds all of it will be.
func (g *grant) appendRateLimit(dst []byte, a *limit.Admission) []byte {
	if !g.rates.Calls.Unlimited() {
		dst = appendRemaining(dst, `"calls"`, &a.Calls)
	}
	if !g.rates.CU.Unlimited() {
		if len(dst) > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendRemaining(dst, `"cu"`, &a.CU)
	}
	return dst
}

func appendRemaining(dst []byte, name string, d *limit.Decision) []byte {
	dst = append(dst, name...)
	dst = append(dst, ";r="...)
	dst = strconv.AppendInt(dst, max(d.Remaining, 0), 10)
	dst = append(dst, ";t="...)
	return strconv.AppendInt(dst, int64((d.Reset+time.Second-1)/time.Second), 10)
}
