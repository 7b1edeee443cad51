// Package testclickhouse gives tests a ClickHouse: one that is shared, and ones
// that a test may kill. What serves is a real ClickHouse; how a test engine is
// made is told by the program in the folder engine. The package starts no server
// of another kind and knows nothing of what is stored.
//
//	bin/testenv go test ./meter/clickhouse
//
// sets what it needs in the environment. To run the tests on another server, set
// POKTAI_TEST_CLICKHOUSE before that.
package testclickhouse

import (
	"net/url"
	"os"
	"testing"
)

const (
	// AddressVariable names the environment variable with the address of the
	// shared server: "http://HOST:PORT" or "clickhouse://HOST:PORT", with user
	// and password if it has them. The test engine of testenv, and nothing else,
	// has the address of its other protocol behind it:
	// "clickhouse://HOST:PORT?http=HOST:PORT".
	AddressVariable = "POKTAI_TEST_CLICKHOUSE"
	// CommandVariable names the environment variable with the path of the
	// program that Start starts.
	CommandVariable = "POKTAI_TEST_CLICKHOUSE_COMMAND"
)

// A Server is where a ClickHouse listens. An address is empty where that
// protocol is not served.
type Server struct {
	HTTP, Native   string // host and port
	User, Password string

	// Disposable says that its data goes with it, so that a test may leave its
	// database there. It should: the test engine does not survive a native
	// connection that comes late, to a database that is gone.
	Disposable bool
}

// Shared returns the server that all tests share: use a database of your own.
// Without one the test is skipped, or fails in CI.
func Shared(t testing.TB) Server {
	t.Helper()
	u, err := url.Parse(variable(t, AddressVariable))
	if err != nil {
		t.Fatalf("%s: %v", AddressVariable, err)
	}
	s := Server{User: u.User.Username()}
	s.Password, _ = u.User.Password()
	switch u.Scheme {
	case "http":
		s.HTTP = u.Host
	case "clickhouse":
		s.Native, s.HTTP = u.Host, u.Query().Get("http")
		s.Disposable = s.HTTP != ""
	default:
		t.Fatalf("%s: scheme %q is neither http nor clickhouse", AddressVariable, u.Scheme)
	}
	return s
}

func variable(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not set: nothing was tested on ClickHouse", name)
		}
		t.Skipf("NOT TESTED ON CLICKHOUSE: %s is not set", name)
	}
	return value
}
