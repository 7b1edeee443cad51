package rating

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
)

// A book is what every organisation pays and when. It is immutable.
type book struct {
	pricings map[string]*account.Pricing
	history  map[account.OrgID][]store.OrgPricing // in the order of time
}

func readBook(ctx context.Context, db *store.DB) (*book, error) {
	// The history first: it refers only to pricings that were there before.
	history, err := db.OrgPricings(ctx)
	if err != nil {
		return nil, err
	}
	pricings, err := db.Pricings(ctx)
	if err != nil {
		return nil, err
	}
	b := &book{pricings: make(map[string]*account.Pricing), history: make(map[account.OrgID][]store.OrgPricing)}
	for i := range pricings {
		b.pricings[pricings[i].ID] = &pricings[i]
	}
	for _, p := range history {
		if p.Pricing != "" && b.pricings[p.Pricing] == nil {
			return nil, fmt.Errorf("pricing %q of %s is not there", p.Pricing, p.Org)
		}
		b.history[p.Org] = append(b.history[p.Org], p)
	}
	return b, nil
}

// at returns what an organisation pays in an hour; nil is nothing.
func (b *book) at(org account.OrgID, hour time.Time) *account.Pricing {
	for _, p := range slices.Backward(b.history[org]) {
		if !p.From.After(hour) {
			return b.pricings[p.Pricing]
		}
	}
	return nil
}

// minimum returns what an organisation pays at least for a month.
func (b *book) minimum(org account.OrgID, month time.Time) (account.Micros, error) {
	end := month.AddDate(0, 1, 0)
	var shares []account.Share
	until := end
	for _, p := range slices.Backward(b.history[org]) {
		from := later(p.From, month)
		if pricing := b.pricings[p.Pricing]; pricing != nil && pricing.Minimum > 0 && from.Before(until) {
			shares = append(shares, account.Share{Minimum: pricing.Minimum, Hours: int64(until.Sub(from) / time.Hour)})
		}
		if from.Before(until) {
			until = from
		}
		if from.Equal(month) {
			break
		}
	}
	return account.MinimumOf(month, shares)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
