package account

import (
	"fmt"
	"time"
)

// A Pricing says what an organisation pays for its compute units. It is
// immutable and its ID is never used again: another price is another Pricing.
//
// Compute units are counted in lines. Each Override is a line of its own, and
// all that no override is for is one more, the base. A line begins at zero with
// each calendar month (UTC).
//
// One rule rounds. The cost of a line after n compute units is the exact sum
// over its tiers, rounded half up, once, to a micro. What a part of the usage
// costs is the cost after it less the cost before it. However usage is divided
// into hours, keys or chains, its parts therefore add up to the cost of the
// whole.
type Pricing struct {
	ID        string     `json:"id"` // such as "team-2026-11"
	Base      Rate       `json:"base"`
	Overrides []Override `json:"overrides,omitempty"`
	// Minimum is what a whole calendar month costs at least, all lines together.
	// It is due in proportion to the hours for which the Pricing is in force.
	Minimum   Micros    `json:"minimum_micros,omitempty"`
	CreatedAt time.Time `json:"-"`
}

// A Rate is the graduated price of compute units. Without tiers they cost
// nothing.
type Rate struct {
	Included int64  `json:"included,omitempty"` // compute units a month that cost nothing
	Tiers    []Tier `json:"tiers,omitempty"`
}

// A Tier is the price of the compute units after those of the tier before it.
type Tier struct {
	// UpTo is the compute units of the month where the tier ends, those included
	// among them. 0: it does not end, as the last one must not.
	UpTo int64 `json:"up_to,omitempty"`
	// PerMillion is the price of a million compute units.
	PerMillion Micros `json:"per_million_micros"`
}

// An Override is the price of what one chain, one method or one method of one
// chain uses. Of several that fit, chain and method goes before method, and
// method before chain.
type Override struct {
	Chain  string `json:"chain,omitempty"`  // empty: any
	Method string `json:"method,omitempty"` // empty: any
	Rate
}

// Names of lines. That of an override is "chain/method" with "*" for any.
const (
	BaseLine    = "base"
	MinimumLine = "minimum" // what is missing to the minimum of a month
)

func (o *Override) line() string { return orAny(o.Chain) + "/" + orAny(o.Method) }

func orAny(s string) string {
	if s == "" {
		return "*"
	}
	return s
}

// Line returns the name of the line in which calls of that method are counted,
// and whether that depends on the method.
func (p *Pricing) Line(chain, method string) (line string, byMethod bool) {
	if p == nil {
		return BaseLine, false
	}
	best, rank := BaseLine, 0
	for i := range p.Overrides {
		o := &p.Overrides[i]
		if o.Chain != "" && o.Chain != chain || o.Method != "" && o.Method != method {
			continue
		}
		r := 1 // by chain
		if o.Method != "" {
			r = 2
			if o.Chain != "" {
				r = 3
			}
		}
		if r > rank {
			best, rank = o.line(), r
		}
	}
	return best, rank > 1
}

// Cost returns what the first n compute units of a month cost in a line. It is
// never less for more of them. On a nil Pricing, and in a line that it has not,
// they cost nothing.
func (p *Pricing) Cost(line string, n int64) (Micros, error) {
	rate := p.rate(line)
	if rate == nil || n < 0 {
		return 0, nil
	}
	amount, err := rate.cost(n)
	if err != nil {
		return 0, fmt.Errorf("price %d CU in line %q of %q: %w", n, line, p.ID, err)
	}
	return amount, nil
}

func (p *Pricing) rate(line string) *Rate {
	if p == nil {
		return nil
	}
	if line == BaseLine {
		return &p.Base
	}
	for i := range p.Overrides {
		if p.Overrides[i].line() == line {
			return &p.Overrides[i].Rate
		}
	}
	return nil
}

func (r *Rate) cost(n int64) (Micros, error) {
	var sum wide
	from := r.Included
	for _, t := range r.Tiers {
		to := n
		if t.UpTo > 0 {
			to = min(n, t.UpTo)
		}
		if to > from {
			sum.add(to-from, int64(t.PerMillion))
			from = to
		}
	}
	return sum.over(million)
}

// A Share is a part of a month, in hours, and the minimum of a whole one that
// was in force during it.
type Share struct {
	Minimum Micros
	Hours   int64
}

// MinimumOf returns the minimum of a month that consists of shares: the exact
// sum of their proportions, rounded half up, once, to a micro.
func MinimumOf(month time.Time, shares []Share) (Micros, error) {
	var sum wide
	for _, s := range shares {
		sum.add(int64(s.Minimum), s.Hours)
	}
	hours := int64(month.AddDate(0, 1, 0).Sub(month) / time.Hour) // of whole days, so even
	amount, err := sum.over(hours)
	if err != nil {
		return 0, fmt.Errorf("minimum of %s: %w", month.Format("2006-01"), err)
	}
	return amount, nil
}

// Bounds of what is entered: with both of them at their ends, the cost of 9e15
// compute units still fits.
const (
	maxPerMillion Micros = 1_000 * million // a thousand dollars
	maxMinimum    Micros = 1e9 * million
)

// Validate reports every fault with the key it is in.
func (p *Pricing) Validate(report func(key, message string)) {
	if p.ID == "" {
		report("id", "must be set")
	}
	if p.Minimum < 0 || p.Minimum > maxMinimum {
		report("minimum_micros", fmt.Sprintf("must be between 0 and %d", maxMinimum))
	}
	p.Base.validate("base.", report)
	seen := make(map[string]bool)
	for i := range p.Overrides {
		o, key := &p.Overrides[i], fmt.Sprintf("overrides[%d]", i)
		switch line := o.line(); {
		case o.Chain == "" && o.Method == "":
			report(key, "must have a chain, a method or both")
		case seen[line]:
			report(key, fmt.Sprintf("is the second one for %s", line))
		default:
			seen[line] = true
		}
		o.validate(key+".", report)
	}
}

func (r *Rate) validate(prefix string, report func(key, message string)) {
	if r.Included < 0 {
		report(prefix+"included", "must not be negative")
	}
	before := int64(0)
	for i, t := range r.Tiers {
		key := fmt.Sprintf("%stiers[%d].", prefix, i)
		if t.PerMillion < 0 || t.PerMillion > maxPerMillion {
			report(key+"per_million_micros", fmt.Sprintf("must be between 0 and %d", maxPerMillion))
		}
		last := i == len(r.Tiers)-1
		switch {
		case last && t.UpTo != 0:
			report(key+"up_to", "must be 0 in the last tier, which does not end")
		case !last && t.UpTo <= before:
			report(key+"up_to", "must be more than in the tier before it")
		}
		before = t.UpTo
	}
}
