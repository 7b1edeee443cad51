package testclickhouse_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"pokt.ai/internal/testclickhouse"
)

// ask sends a statement over HTTP, where errors have a status of their own.
func ask(t *testing.T, server testclickhouse.Server, statement string) string {
	t.Helper()
	resp, err := http.Post("http://"+server.HTTP, "text/plain", strings.NewReader(statement))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s", statement, resp.Status, body)
	}
	return strings.TrimSpace(string(body))
}

// TestEngineKeepsItsData over a kill and over a shutdown, and knows a block again
// that it took before.
func TestEngineKeepsItsData(t *testing.T) {
	engine := testclickhouse.Start(t)
	ask(t, engine.Server, "CREATE DATABASE d")
	ask(t, engine.Server, "CREATE TABLE d.t (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 10")
	insert := "INSERT INTO d.t SETTINGS insert_deduplication_token = 'one' VALUES (1), (2)"
	check := func() {
		t.Helper()
		ask(t, engine.Server, insert)
		if got := ask(t, engine.Server, "SELECT count() FROM d.t"); got != "2" {
			t.Errorf("%s rows, want 2", got)
		}
	}
	check()
	engine.Kill(t)
	engine.Start(t)
	check()
	engine.Stop(t)
	engine.Start(t)
	check()
}

func TestSharedServerAnswers(t *testing.T) {
	server := testclickhouse.Shared(t)
	if server.HTTP == "" {
		t.Skip("the server does not speak HTTP")
	}
	if got := ask(t, server, "SELECT 1"); got != "1" {
		t.Errorf("SELECT 1 is %q", got)
	}
}
