package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"pokt.ai/internal/config"
)

func TestSecretsAreTakenFromVariablesAndFiles(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("\n from-file ${HOST}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"HOST=db.example", "EMPTY=", "NESTED=${HOST}"}
	for _, tc := range []struct{ dsn, want string }{
		{"postgres://db", "postgres://db"},
		{"postgres://${HOST}:5432/${HOST}", "postgres://db.example:5432/db.example"},
		{"${EMPTY}", ""},
		{"${NESTED}", "${HOST}"}, // what was put in is not expanded again
		{"${file:" + token + "}", "from-file ${HOST}"},
		{"x ${file:token} y", "x from-file ${HOST} y"}, // beside the configuration
		{"$${HOST} $HOST $$ }", "${HOST} $HOST $$ }"},
		{"$${${HOST}", "${db.example"},
	} {
		var c root
		c.Gateway = defaults().Gateway
		err := config.Decode(filepath.Join(dir, "up.yaml"), []byte("store: {dsn: '"+tc.dsn+"'}\n"), env, &c)
		if err != nil {
			t.Errorf("%s: %v", tc.dsn, err)
		} else if got := c.Store.DSN.Reveal(); got != tc.want {
			t.Errorf("%s is %q, want %q", tc.dsn, got, tc.want)
		}
	}
}

func TestOnlySecretsAreExpanded(t *testing.T) {
	c, err := decode("labels: {region: '${HOST}'}\n", "HOST=db.example")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Labels["region"]; got != "${HOST}" {
		t.Errorf("region is %q", got)
	}
}

// dsn: ${POKTAI_DSN} is a use of that variable, not a key path gone wrong.
func TestAVariableThatTheFileNamesNeedNotBeAKey(t *testing.T) {
	c, err := decode("store: {dsn: '${POKTAI_DSN}'}\n", "POKTAI_DSN=postgres://db")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Store.DSN.Reveal(); got != "postgres://db" {
		t.Errorf("dsn is %q", got)
	}
}
