package account_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"regexp"
	"strings"
	"testing"

	"pokt.ai/internal/account"
)

func newToken(t testing.TB) string {
	t.Helper()
	token, err := account.NewToken(account.Live)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokenShape(t *testing.T) {
	pattern := regexp.MustCompile("^" + account.TokenPattern + "$")
	seen := map[string]bool{}
	for _, env := range []account.Env{account.Live, account.Test} {
		for range 200 {
			token, err := account.NewToken(env)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case !pattern.MatchString(token) || len(token) != account.TokenLen:
				t.Errorf("%q does not match %s", token, account.TokenPattern)
			case !strings.HasPrefix(token, "pokt_"+string(env)+"_"):
				t.Errorf("%q does not say that it is a %s key", token, env)
			case !account.WellFormed([]byte(token)):
				t.Errorf("%q is not well-formed", token)
			case seen[token]:
				t.Errorf("%q was made twice", token)
			}
			seen[token] = true

			prefix, lastFour := account.Describe(token)
			if prefix != token[:14] || lastFour != token[42:] {
				t.Errorf("%q is described as %q and %q", token, prefix, lastFour)
			}
		}
	}
	if token, err := account.NewToken("staging"); err == nil {
		t.Errorf("made %q for an environment that is not there", token)
	}
}

// The checksum is a published format: keys made by one version hold in the next.
func TestTokenChecksumStaysAsItIs(t *testing.T) {
	for _, token := range []string{
		"pokt_live_0123456789ABCDEFGHIJKLMNOPQRST0x56WN",
		"pokt_test_zyxwvutsrqponmlkjihgfedcba98760A6Wpr",
	} {
		if !account.WellFormed([]byte(token)) {
			t.Errorf("%q is no longer well-formed", token)
		}
	}
}

// A body outside the alphabet is refused even with a right checksum.
func TestOtherCharactersAreRefused(t *testing.T) {
	if token := "pokt_live_../../../etc/passwd-01234567892Xdsib"; account.WellFormed([]byte(token)) {
		t.Errorf("%q passes", token)
	}
}

// Every wrong character and every swap of neighbours is noticed.
func TestTypos(t *testing.T) {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-. \x00\xff"
	for range 20 {
		token := newToken(t)
		refuse := func(typo []byte) {
			if string(typo) != token && account.WellFormed(typo) {
				t.Errorf("%q passes for %q", typo, token)
			}
		}
		for i := range len(token) {
			for _, c := range []byte(alphabet) {
				typo := []byte(token)
				typo[i] = c
				refuse(typo)
			}
			if i > 0 {
				typo := []byte(token)
				typo[i-1], typo[i] = typo[i], typo[i-1]
				refuse(typo)
			}
			refuse([]byte(token[:i]))
			refuse([]byte(token[:i] + token[i+1:]))
			refuse([]byte(token[:i] + "0" + token[i:]))
		}
	}
}

// A right checksum over something else is not enough.
func FuzzWellFormed(f *testing.F) {
	f.Add([]byte(newToken(f)))
	f.Add([]byte("pokt_live_"))
	f.Add([]byte{})
	f.Add([]byte("pokt_live_../../../etc/passwd-01234567892Xdsib"))
	pattern := regexp.MustCompile(`\A` + account.TokenPattern + `\z`)
	f.Fuzz(func(t *testing.T, token []byte) {
		if account.WellFormed(token) && !pattern.Match(token) {
			t.Errorf("%q is taken and does not match %s", token, account.TokenPattern)
		}
	})
}

func newHasher(t testing.TB, version int, pepper string) *account.Hasher {
	t.Helper()
	h, err := account.NewHasher(version, []byte(pepper))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHasher(t *testing.T) {
	pepper := strings.Repeat("p", account.MinPepperLen)
	h, token := newHasher(t, 7, pepper), []byte(newToken(t))
	mac := hmac.New(sha256.New, []byte(pepper))
	mac.Write(token)
	want := account.Hash(mac.Sum(nil))
	for range 3 { // a state is used again
		if got := h.Sum(token); got != want {
			t.Errorf("got %x, want HMAC-SHA256 %x", got, want)
		}
	}
	if newHasher(t, 8, strings.Repeat("q", 32)).Sum(token) == want {
		t.Error("the pepper makes no difference")
	}
	if h.Version() != 7 {
		t.Errorf("version %d", h.Version())
	}
	if _, err := account.NewHasher(1, []byte(pepper[1:])); err == nil {
		t.Error("a short pepper was taken")
	}
}

func TestHasherKeepsItsOwnPepper(t *testing.T) {
	pepper := []byte(strings.Repeat("p", 32))
	h, err := account.NewHasher(1, pepper)
	if err != nil {
		t.Fatal(err)
	}
	clear(pepper)
	token := []byte(newToken(t))
	if want := newHasher(t, 1, strings.Repeat("p", 32)).Sum(token); h.Sum(token) != want {
		t.Error("the hash changed with the caller's bytes")
	}
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector sync.Pool drops what it was given")
	}
	h, token := newHasher(t, 1, strings.Repeat("p", 32)), []byte(newToken(t))
	var sum account.Hash
	for name, f := range map[string]func(){
		"Sum":        func() { sum = h.Sum(token) },
		"WellFormed": func() { account.WellFormed(token) },
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	_ = sum
}

func BenchmarkWellFormed(b *testing.B) {
	token := []byte(newToken(b))
	b.ReportAllocs()
	for b.Loop() {
		account.WellFormed(token)
	}
}

func BenchmarkHasher(b *testing.B) {
	pepper, token := strings.Repeat("p", 32), []byte(newToken(b))
	b.Run("Sum", func(b *testing.B) {
		h := newHasher(b, 1, pepper)
		b.ReportAllocs()
		for b.Loop() {
			h.Sum(token)
		}
	})
	b.Run("new state each time", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			newHasher(b, 1, pepper).Sum(token)
		}
	})
}
