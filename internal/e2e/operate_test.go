package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// A changed configuration is taken without a restart, a broken one is not taken.
func TestReload(t *testing.T) {
	t.Parallel()
	h := newHouse(t, chainOf("old", "http://127.0.0.1:1"))
	h.start()
	h.org("acme")
	k := h.key("acme")
	w := h.wire(t)
	status := func(chain string) int {
		a, err := w.exchange(post("/v1/"+chain+"/"+k.Token, call(1, "eth_blockNumber")))
		must(t, err)
		return a.StatusCode
	}
	expect := func(want map[string]int) {
		t.Helper()
		for chain, code := range want {
			if got := status(chain); got != code {
				t.Errorf("chain %s: %d, want %d", chain, got, code)
			}
		}
	}
	expect(map[string]int{"dev": 200, "1337": 200, "old": 503, "local": 404})

	// The file changes: nobody has to say so.
	h.edit(`["1337"]`, `["1337", local]`)
	eventually(t, "a new alias works", func() bool { return status("local") == http.StatusOK })
	h.stderr.await(t, 0, `"why":"file changed","key":"chains.dev.aliases","old":"[^}]*1337[^}]*","new":"[^}]*local[^}]*"`)

	mark := h.stderr.mark()
	h.edit(chainOf("old", "http://127.0.0.1:1"), "")
	h.signal(syscall.SIGHUP)
	h.stderr.await(t, mark, `"key":"chains\.old[^}]*"message":"configuration changed"`)
	expect(map[string]int{"dev": 200, "1337": 200, "local": 200, "old": 404})

	// What cannot change in a running process is said to want a restart.
	mark = h.stderr.mark()
	h.edit("seal_after: 100ms", "seal_after: 50ms")
	h.signal(syscall.SIGHUP)
	h.stderr.await(t, mark, `"needs_restart":true,"key":"meter.spool.seal_after"`)

	mark = h.stderr.mark()
	h.edit("aliases:", "alias:")
	h.signal(syscall.SIGHUP)
	h.stderr.await(t, mark, `poktai\.yaml:8:30: chains\.dev\.alias`)
	expect(map[string]int{"dev": 200, "1337": 200, "local": 200, "old": 404})
	// The fault is mended, and the file as it was is nothing new.
	mark = h.stderr.mark()
	h.edit("alias:", "aliases:")
	h.signal(syscall.SIGHUP)
	h.stderr.await(t, mark, "configuration is unchanged")
	h.stop()
}

func TestEnvironmentOverridesTheFile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	inFile := h.relay
	h.relay = freeAddress(t)
	h.env = []string{"POKTAI_GATEWAY_LISTEN=" + h.relay}
	h.start()
	h.org("acme")
	if a := h.ask(h.wire(t), h.key("acme").Token, "eth_chainId"); a.StatusCode != http.StatusOK {
		t.Errorf("on the address of the environment: %s", a.Status)
	}
	h.relay = inFile
	if w, err := h.dial(); err == nil {
		w.Close()
		t.Error("it listens on the address of the file as well")
	}
	h.stop()
}

func TestConfigCheckSaysEverything(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if out := h.cli("config", "check", h.config); !strings.Contains(out, "is fine: 1 chains") {
		t.Errorf("of a good configuration it says %q", out)
	}
	file := filepath.Join(h.dir, "bad.yaml")
	must(t, os.WriteFile(file, []byte(`gateway:
  listn: 127.0.0.1:8080
  read_timeout: 10
  max_batch: -1
store: {dsn: "mysql://root:hunter2@db/poktai"}
chains:
  dev:
    kind: evm
    upstreams:
      - {name: a, url: "ftp://node"}
      - {name: a, url: "http://node", max_conns: many}
`), 0o600))
	r := h.run("config", "check", file)
	if r.code != 1 {
		t.Errorf("exit code %d, want 1", r.code)
	}
	for _, want := range []string{
		`bad.yaml:2:3: gateway.listn: `,
		`bad.yaml:3:17: gateway.read_timeout: `,
		`bad.yaml:4:14: gateway.max_batch: `,
		`bad.yaml:5:14: store.dsn: `,
		`bad.yaml:10:24: chains.dev.upstreams[0].url: `,
		`bad.yaml:11:16: chains.dev.upstreams[1].name: `,
		`bad.yaml:11:50: chains.dev.upstreams[1].max_conns: `,
	} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("there is no %q in\n%s", want, r.stderr)
		}
	}
	if strings.Contains(r.stderr, "hunter2") {
		t.Errorf("it repeats a password:\n%s", r.stderr)
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.start()
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"", 0, "Usage: poktai COMMAND"},
		{"help", 0, "key create"},
		{"usage --help", 0, "-org"},
		{"frobnicate", 2, `no command "frobnicate"`},
		{"key", 2, "no command"},
		{"usage --organisation local", 2, "not defined: -organisation"},
		{"usage", 2, "--org is missing"},
		{"usage --org local --by colour", 2, "--by colour"},
		{"usage --org local --since yesterday", 2, "--since yesterday"},
		{"usage --org local extra", 2, "takes 0 arguments"},
		{"key revoke", 2, "takes 1 arguments"},
		{"key create --org local --calls-per-second=-1", 2, "must not be negative"},
		{"key create --org local --allow-ip 300.1.1.1", 1, "300.1.1.1"},
		{"key create --org local --allow-chain atlantis", 1, "atlantis"},
		{"key create --org local --env production", 1, "production"},
		{"key create --org nobody", 1, "not found"},
		{"key revoke key_0000000000001", 1, "not found"},
		{"org create local", 1, "conflict"},
		{"org create other --plan golden", 1, "golden"},
	} {
		r := h.run(strings.Fields(c.args)...)
		if said := r.stdout + r.stderr; r.code != c.code || !strings.Contains(said, c.says) {
			t.Errorf("poktai %s: exit code %d, want %d, and %q in\n%s", c.args, r.code, c.code, c.says, said)
		}
		if r.code != 0 && r.stdout != "" {
			t.Errorf("poktai %s fails and yet prints\n%s", c.args, r.stdout)
		}
	}
	h.stop()
}

// A second process on the same data would spoil them: it is refused, and the
// first goes on.
func TestOneProcessOnOneFolder(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.start()
	h.org("acme")
	k := h.key("acme")
	w := h.wire(t)
	second := launch(t, h.dir, []string{
		"POKTAI_GATEWAY_LISTEN=" + freeAddress(t),
		"POKTAI_PRIVATE_LISTEN=" + freeAddress(t),
		"POKTAI_DEVCHAIN_LISTEN=" + freeAddress(t),
	}, "up", "--config", h.config)
	if code := second.wait(t); code != 1 {
		t.Errorf("the second exits with %d, want 1", code)
	}
	if said := second.stderr.String(); !regexp.MustCompile(`spool.*another process`).MatchString(said) {
		t.Errorf("the second says\n%s", said)
	}
	if a := h.ask(w, k.Token, "eth_chainId"); a.StatusCode != http.StatusOK {
		t.Errorf("the first answers %s", a.Status)
	}
	h.awaitUsage("acme", 1)
	h.stop()
}

// An address that is taken is said with the setting it comes from.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.start()
	for _, setting := range []string{"gateway.listen", "private.listen", "devchain.listen"} {
		other := newHouse(t)
		taken := map[string]string{"gateway.listen": h.relay, "private.listen": h.private, "devchain.listen": h.devnet}[setting]
		name := "POKTAI_" + strings.ToUpper(strings.ReplaceAll(setting, ".", "_"))
		r := execute(t, other.dir, []string{name + "=" + taken}, "up", "--config", other.config)
		if r.code != 1 || !strings.Contains(r.stderr, setting+": ") || !strings.Contains(r.stderr, taken) {
			t.Errorf("%s is taken: exit code %d, want 1, and both in\n%s", setting, r.code, r.stderr)
		}
	}
	h.stop()
}
