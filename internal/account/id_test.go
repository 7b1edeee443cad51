package account_test

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"pokt.ai/internal/account"
)

func TestIDsRoundTrip(t *testing.T) {
	shape := regexp.MustCompile(`^key_[0-9a-hjkmnp-tv-z]{13}$`)
	ids := []account.KeyID{1, 31, 32, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64}
	for range 100 {
		ids = append(ids, account.NewKeyID())
	}
	seen := map[account.KeyID]bool{}
	for _, id := range ids {
		if !shape.MatchString(id.String()) {
			t.Errorf("%d is written as %q", uint64(id), id)
		}
		if got, err := account.ParseKeyID(id.String()); got != id || err != nil {
			t.Errorf("%s is read as %s, %v", id, got, err)
		}
		org := account.OrgID(id)
		if got, err := account.ParseOrgID(org.String()); got != org || err != nil {
			t.Errorf("%s is read as %s, %v", org, got, err)
		}
		if seen[id] {
			t.Errorf("%s was made twice", id)
		}
		seen[id] = true
	}
	if a, b := account.NewOrgID(), account.NewOrgID(); a == b {
		t.Errorf("two organisations have the id %s", a)
	}
}

// What is stored stays readable.
func TestIDTextStaysAsItIs(t *testing.T) {
	for id, want := range map[account.KeyID]string{
		0:              "",
		1:              "key_0000000000001",
		1000:           "key_00000000000z8",
		math.MaxUint64: "key_fzzzzzzzzzzzz",
	} {
		if got := id.String(); got != want {
			t.Errorf("%d is written as %q, want %q", uint64(id), got, want)
		}
	}
}

func TestBadIDs(t *testing.T) {
	for _, s := range []string{
		"", "key_", "key_1", "0000000000001", "org_0000000000001",
		"key_00000000000001", "key_000000000000", // a digit more, a digit less
		"key_000000000000i", "key_000000000000L", "key_00000000000 1", "key_00000000000é",
		"key_g000000000000", // more than 64 bits
		"key_0000000000000", // no key
		"KEY_0000000000001", " key_0000000000001",
	} {
		if id, err := account.ParseKeyID(s); err == nil || id != 0 {
			t.Errorf("%q is read as %d, %v", s, uint64(id), err)
		} else if !strings.Contains(err.Error(), "id") {
			t.Errorf("%q: %v", s, err)
		}
	}
	if _, err := account.ParseOrgID("key_0000000000001"); err == nil {
		t.Error("a key's id is taken for an organisation's")
	}
}

// Two texts never mean one id, or revoking one of them would not end the other.
func FuzzParseKeyID(f *testing.F) {
	f.Add("key_0000000000001")
	f.Add("key_fzzzzzzzzzzzz")
	f.Add("key_gzzzzzzzzzzzz")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := account.ParseKeyID(s); err == nil && id.String() != s {
			t.Errorf("%q is read as %s", s, id)
		}
	})
}
