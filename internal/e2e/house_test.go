package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A house is a configuration with data of its own, and the process on it.
type house struct {
	t                      *testing.T
	dir                    string // where the process runs; the data are in "data"
	config                 string // path of the configuration
	relay, private, devnet string // addresses
	env                    []string
	*process
}

// settings are short where the defaults would make tests wait, and name a
// database that is found only by a command that reads them.
const settings = `gateway:
  listen: %s
private: {listen: "%s"}
devchain: {listen: "%s"}
meter: {spool: {seal_after: 100ms, sync_interval: 20ms}}
store: {dsn: "sqlite:data/e2e.db"}
chains:
  dev: {kind: evm, id: 1337, aliases: ["1337"], upstreams: [{name: devchain, url: "http://%[3]s"}]}
`

// newHouse returns a house that is not started. chains are further lines of the
// configuration, as of the chains.
func newHouse(t *testing.T, chains ...string) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), relay: freeAddress(t), private: freeAddress(t), devnet: freeAddress(t)}
	h.config = filepath.Join(h.dir, "poktai.yaml")
	h.write(fmt.Sprintf(settings, h.relay, h.private, h.devnet) + strings.Join(chains, "\n") + "\n")
	return h
}

// in returns the house for a subtest.
func (h *house) in(t *testing.T) *house {
	sub := *h
	sub.t = t
	return &sub
}

// chainOf is the line of a chain with one upstream.
func chainOf(name, url string) string {
	return fmt.Sprintf(`  %s: {kind: evm, upstreams: [{name: node, url: "%s"}]}`, name, url)
}

// freeAddress returns an address that nothing listens on. Its port is below
// those that the kernel gives to outgoing connections: one of these would
// otherwise take the place of a gateway that is down for a moment.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(22_000)))
		if err != nil {
			continue
		}
		defer ln.Close()
		return ln.Addr().String()
	}
	t.Fatal("no free port")
	return ""
}

// write replaces the configuration.
func (h *house) write(text string) {
	h.t.Helper()
	next := h.config + ".next"
	must(h.t, os.WriteFile(next, []byte(text), 0o600))
	must(h.t, os.Rename(next, h.config))
}

// edit replaces old in the configuration.
func (h *house) edit(old, text string) {
	h.t.Helper()
	before, err := os.ReadFile(h.config)
	must(h.t, err)
	if !strings.Contains(string(before), old) {
		h.t.Fatalf("the configuration has no %q", old)
	}
	h.write(strings.ReplaceAll(string(before), old, text))
}

// launch starts the process and does not wait for it.
func (h *house) launch() {
	h.t.Helper()
	h.process = launch(h.t, h.dir, h.env, "up", "--config", h.config)
}

// start starts the process and waits until it serves.
func (h *house) start() {
	h.t.Helper()
	h.launch()
	h.stderr.await(h.t, 0, `"message":"ready"`)
	if status, body := h.get("/readyz"); status != http.StatusOK {
		h.t.Fatalf("/readyz of a gateway that says it is ready: %d %s", status, body)
	}
}

// stop ends the process as an operator does.
func (h *house) stop() {
	h.t.Helper()
	h.signal(syscall.SIGTERM)
	if code := h.wait(h.t); code != 0 {
		h.t.Errorf("exit code %d after SIGTERM", code)
	}
}

// kill ends the process without giving it a chance to do anything.
func (h *house) kill() {
	h.t.Helper()
	h.signal(syscall.SIGKILL)
	h.wait(h.t)
}

// get asks the private port.
func (h *house) get(path string) (int, string) {
	h.t.Helper()
	resp, err := http.Get("http://" + h.private + path)
	must(h.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(h.t, err)
	return resp.StatusCode, string(body)
}

// run runs a command of poktai on the same configuration.
func (h *house) run(args ...string) result {
	h.t.Helper()
	return execute(h.t, h.dir, append(h.env, "POKTAI_CONFIG="+h.config), args...)
}

// cli runs a command that must succeed, and returns its output.
func (h *house) cli(args ...string) string {
	h.t.Helper()
	r := h.run(args...)
	if r.code != 0 {
		h.t.Fatalf("poktai %s: exit code %d\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// cliJSON runs a command that prints JSON.
func cliJSON[T any](h *house, args ...string) T {
	h.t.Helper()
	var v T
	out := h.cli(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		h.t.Fatalf("poktai %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return v
}

// org makes an organisation on a plan of its own, which by default has no limits.
func (h *house) org(name string, limits ...string) {
	h.t.Helper()
	h.cli(append([]string{"plan", "set", name}, limits...)...)
	h.cli("org", "create", name, "--plan", name)
}

type key struct{ ID, Token string }

// key makes a key.
func (h *house) key(org string, flags ...string) key {
	h.t.Helper()
	return cliJSON[key](h, append([]string{"key", "create", "--org", org}, flags...)...)
}

// A count is one row of usage.
type count struct{ Calls, CU int64 }

// usage returns what an organisation used, by method, key, chain or status.
func (h *house) usage(org, by string) (groups map[string]count, total count) {
	h.t.Helper()
	type row struct {
		Name string
		count
	}
	u := cliJSON[struct {
		Groups []row
		Total  count
	}](h, "usage", "--org", org, "--by", by)
	groups = make(map[string]count)
	for _, r := range u.Groups {
		groups[r.Name] = r.count
	}
	return groups, u.Total
}

// awaitUsage waits until so many calls are in the usage of a running process.
func (h *house) awaitUsage(org string, calls int64) {
	h.t.Helper()
	var total count
	eventually(h.t, fmt.Sprintf("%d calls in the usage of %s", calls, org), func() bool {
		_, total = h.usage(org, "status")
		return total.Calls >= calls
	})
	if total.Calls != calls {
		h.t.Errorf("usage of %s has %d calls, want %d", org, total.Calls, calls)
	}
}
