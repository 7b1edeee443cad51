package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"

	"pokt.ai/configs"
	"pokt.ai/gateway"
	"pokt.ai/gateway/chain"
	"pokt.ai/gateway/forward"
	"pokt.ai/gateway/keys"
	"pokt.ai/gateway/upstream"
	"pokt.ai/internal/account"
	"pokt.ai/internal/config"
	"pokt.ai/internal/secret"
	"pokt.ai/internal/tcp"
	"pokt.ai/meter"
	"pokt.ai/meter/spool"
)

// edge is a whole relay port in this process: real sockets, a real spool, and
// accounts in a map.
type edge struct {
	t        testing.TB
	url      string
	addr     string
	accounts *accounts
	recorder *meter.Recorder
	spool    *spool.Spool
	server   *gateway.Server
	pools    *upstream.Pools
	prices   chain.Prices
	hasher   *account.Hasher
}

// accounts is the store of these tests.
type accounts struct {
	mu     sync.Mutex
	grants map[account.Hash]account.Grant
	used   int64
	down   bool
	asked  chan struct{} // if not nil, told of every look-up before it is made
}

func (a *accounts) GrantByHash(_ context.Context, h account.Hash) (account.Grant, error) {
	if a.asked != nil {
		a.asked <- struct{}{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down {
		return account.Grant{}, errors.New("store is down")
	}
	g, ok := a.grants[h]
	if !ok {
		return account.Grant{}, account.ErrNotFound
	}
	return g, nil
}

func (a *accounts) UsedCU(context.Context, account.OrgID, time.Time, time.Time) (int64, error) {
	return a.used, nil
}

func newEdge(t testing.TB, node string, adjust ...func(*gateway.Config)) *edge {
	t.Helper()
	e := &edge{t: t, accounts: &accounts{grants: map[account.Hash]account.Grant{}}}
	set := metrics.NewSet()
	spoolCfg := spool.DefaultConfig()
	spoolCfg.Dir, spoolCfg.Gateway = t.TempDir(), "test"
	var err error
	check := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	e.spool, err = spool.Open(spoolCfg, zerolog.Nop(), set)
	check()
	t.Cleanup(func() { e.spool.Close() })
	e.recorder = meter.NewRecorder(e.spool, set)
	err = config.Decode("compute-units.yaml", configs.ComputeUnits(), nil, &e.prices)
	check()
	loop, err := tcp.NewLoop()
	check()
	t.Cleanup(func() { loop.Close() })
	e.pools = upstream.NewPools(t.Context(), upstream.Deps{
		Dialer: loop, Label: e.label, MaxResponseBytes: 1 << 20, Metrics: set,
	})
	t.Cleanup(e.pools.Close)
	e.hasher, err = account.NewHasher(1, bytes.Repeat([]byte("p"), 32))
	check()
	cache, err := gateway.NewKeys(t.Context(), keys.DefaultConfig(), e.accounts, []*account.Hasher{e.hasher}, gateway.NewGrants(e.accounts), set)
	check()
	t.Cleanup(cache.Close)
	cfg := gateway.DefaultConfig()
	cfg.RequestTimeout = 5 * time.Second
	for _, f := range adjust {
		f(&cfg)
	}
	e.server, err = gateway.New(cfg, e.table(node), gateway.Deps{
		Keys: cache, Recorder: e.recorder, Forward: forward.New(set), Log: zerolog.Nop(), Metrics: set,
	})
	check()
	ln, err := loop.Listen(t.Context(), "127.0.0.1:0")
	check()
	ln.Timeouts = cfg.Timeouts()
	done := make(chan error, 1)
	go func() { done <- e.server.Serve(ln) }()
	t.Cleanup(func() {
		if err := errors.Join(e.server.Shutdown(context.Background()), <-done); err != nil {
			t.Error(err)
		}
	})
	e.addr = ln.Addr().String()
	e.url = "http://" + e.addr + "/v1/"
	return e
}

func (e *edge) label(name string) uint16 { return uint16(e.recorder.Intern(name)) }

func (e *edge) table(node string) *chain.Table {
	e.t.Helper()
	table, err := chain.NewTable(chain.Configs{
		"ethereum": {Kind: "evm", ID: 1, Aliases: []string{"eth"}, Upstreams: []upstream.Config{{Name: "node", URL: secret.New(node)}}},
	}, &e.prices, e.label, e.pools.Build)
	if err != nil {
		e.t.Fatal(err)
	}
	e.pools.Commit()
	return table
}

// key makes a key of a plan without limits, but for what adjust does to it.
func (e *edge) key(adjust ...func(*account.Grant)) string {
	e.t.Helper()
	token, err := account.NewToken(account.Test)
	if err != nil {
		e.t.Fatal(err)
	}
	g := account.Grant{Key: account.Key{ID: account.NewKeyID(), Org: account.NewOrgID(), Hash: e.hasher.Sum([]byte(token))}}
	for _, f := range adjust {
		f(&g)
	}
	e.accounts.mu.Lock()
	e.accounts.grants[g.Key.Hash] = g
	e.accounts.mu.Unlock()
	return token
}

// answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   string
}

func (e *edge) do(method, path, body string, header map[string]string) answer {
	e.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+e.addr+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		if v == "" {
			req.Header.Del(k)
		} else {
			req.Header.Set(k, v)
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

func (e *edge) post(key, body string) answer {
	e.t.Helper()
	return e.do(http.MethodPost, "/v1/eth/"+key, body, nil)
}

// events returns what was recorded since the last call, as "method outcome cu",
// with how often.
func (e *edge) events() map[string]int {
	e.t.Helper()
	if err := e.spool.Flush(context.Background()); err != nil {
		e.t.Fatal(err)
	}
	found := map[string]int{}
	for {
		seg, err := e.spool.Oldest()
		if err != nil {
			e.t.Fatal(err)
		}
		if seg == nil {
			return found
		}
		for r := range seg.Records() {
			text, _ := json.Marshal([]any{seg.Text(r.Method), r.Outcome.String(), r.CU})
			found[string(text)]++
		}
		if err := e.spool.Delete(seg); err != nil {
			e.t.Fatal(err)
		}
	}
}

// node is an upstream that answers by method and remembers what it was sent.
type node struct {
	*httptest.Server
	mu      sync.Mutex
	headers []http.Header
	bodies  []string
	results map[string]string // by method: "result":… or "error":…
}

func newNode(t testing.TB, results map[string]string) *node {
	n := &node{results: map[string]string{"eth_blockNumber": `"result":"0x10"`, "eth_chainId": `"result":"0x1"`}}
	maps.Copy(n.results, results)
	n.Server = httptest.NewServer(n)
	t.Cleanup(n.Close)
	return n
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	n.mu.Lock()
	n.headers, n.bodies = append(n.headers, r.Header.Clone()), append(n.bodies, string(body))
	n.mu.Unlock()
	type call struct {
		ID     json.RawMessage
		Method string
	}
	reply := func(c call) string {
		return `{"jsonrpc":"2.0","id":` + string(c.ID) + `,` + n.results[c.Method] + `}`
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Set-Cookie", "session=of-the-node")
	w.Header().Set("X-Node-Secret", "internal")
	if body[0] != '[' {
		var c call
		_ = json.Unmarshal(body, &c)
		if n.results[c.Method] == "" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if c.ID != nil {
			io.WriteString(w, reply(c))
		}
		return
	}
	var calls []call
	_ = json.Unmarshal(body, &calls)
	var replies []string
	for i := len(calls) - 1; i >= 0; i-- { // nodes may answer in any order
		if calls[i].ID != nil {
			replies = append(replies, reply(calls[i]))
		}
	}
	io.WriteString(w, "["+strings.Join(replies, ",")+"]")
}

func (n *node) seen() ([]http.Header, []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.headers, n.bodies
}

// rawConn writes and reads bytes as they are.
func (e *edge) rawConn() net.Conn {
	e.t.Helper()
	var d net.Dialer
	c, err := d.DialContext(context.Background(), "tcp", e.addr)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { c.Close() })
	return c
}
