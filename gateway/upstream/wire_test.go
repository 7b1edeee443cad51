package upstream_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"pokt.ai/gateway/upstream"
	"pokt.ai/internal/secret"
)

func TestRequestOnTheWire(t *testing.T) {
	for _, tc := range []struct {
		name, path, body string
		headers          map[string]secret.Text
		want             string
	}{
		{
			name: "plain", path: "", body: "[]",
			want: "POST / HTTP/1.1\r\nHost: NODE\r\nContent-Type: application/json\r\nUser-Agent: poktai\r\nContent-Length: 2\r\n\r\n[]",
		},
		{
			name: "path, query and headers", path: "/v3/a%2Fb/?k=v&x", body: "",
			headers: map[string]secret.Text{"X-Token": secret.New("t0ken"), "Authorization": secret.New("Bearer b"), "user-agent": secret.New("me")},
			want: "POST /v3/a%2Fb/?k=v&x HTTP/1.1\r\nHost: NODE\r\nContent-Type: application/json\r\n" +
				"Authorization: Bearer b\r\nX-Token: t0ken\r\nuser-agent: me\r\nContent-Length: 0\r\n\r\n",
		},
		{
			name: "large body", path: "?", body: strings.Repeat("x", 100_000),
			want: "POST /? HTTP/1.1\r\nHost: NODE\r\nContent-Type: application/json\r\nUser-Agent: poktai\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100_000),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := make(chan string, 1)
			n := serve(t, func(_ *node, c *peer) {
				raw := make([]byte, len(tc.want)-len("NODE")+len(c.LocalAddr().String()))
				io.ReadFull(c.r, raw)
				got <- strings.Replace(string(raw), c.LocalAddr().String(), "NODE", 1)
				c.send(ok("ok"))
				c.ended()
			})
			e := newEndpoint(t, newLoop(t), n.url+tc.path, func(c *upstream.Config, _ *upstream.Deps) { c.Headers = tc.headers })
			if _, f := call(e, tc.body); f != upstream.None {
				t.Error(f)
			}
			if diff := cmp.Diff(tc.want, <-got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
		var mu sync.Mutex
		var remotes []string
		resumed := 0
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			remotes = append(remotes, r.RemoteAddr)
			if r.TLS.DidResume {
				resumed++
			}
			if r.TLS.NegotiatedProtocol != "http/1.1" {
				t.Errorf("protocol %q", r.TLS.NegotiatedProtocol)
			}
			body, _ := io.ReadAll(r.Body)
			if string(body) == "close" {
				w.Header().Set("Connection", "close")
			}
			w.Write(body)
		}))
		defer server.Close()
		e := newEndpoint(t, dialer, server.URL)
		for _, body := range []string{"a", strings.Repeat("b", 1<<20-1), "close", "c"} {
			if got, f := call(e, body); f != upstream.None || got != body {
				t.Fatalf("answer of %d bytes, %v", len(got), f)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if remotes[0] != remotes[1] || remotes[0] != remotes[2] {
			t.Error("the connection was not kept")
		}
		if remotes[2] == remotes[3] || resumed != 1 {
			t.Errorf("%d calls on a resumed session, want the one on the second connection", resumed)
		}
	})
}

func TestTLSRefusesOthers(t *testing.T) {
	withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
		secure := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request arrived") }))
		secure.Config.ErrorLog = log.New(io.Discard, "", 0)
		secure.StartTLS()
		defer secure.Close()
		_, port, _ := net.SplitHostPort(secure.Listener.Addr().String())
		old := httptest.NewUnstartedServer(secure.Config.Handler)
		old.Config.ErrorLog = secure.Config.ErrorLog
		old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
		old.StartTLS()
		defer old.Close()
		plain := serve(t, func(_ *node, c *peer) {
			c.send("HTTP/1.1 400 Bad Request\r\n\r\n")
			c.ended()
		})
		for name, url := range map[string]string{
			"another name": "https://localhost:" + port,
			"TLS 1.1":      old.URL,
			"no TLS":       "https" + strings.TrimPrefix(plain.url, "http"),
		} {
			e := newEndpoint(t, dialer, url)
			if _, f := call(e, "x"); f != upstream.NotSent {
				t.Errorf("%s: %v, want %v", name, f, upstream.NotSent)
			}
		}
		plain.ended(t)
	})
}

func TestDeadlineOfHandshake(t *testing.T) {
	withDialers(t, func(t *testing.T, dialer upstream.Dialer) {
		n := serve(t, func(_ *node, c *peer) { c.ended() })
		e := newEndpoint(t, dialer, "https"+strings.TrimPrefix(n.url, "http"))
		if _, f := callUntil(e, time.Now().Add(100*time.Millisecond), "x", true); f != upstream.TimedOut {
			t.Errorf("%v, want %v", f, upstream.TimedOut)
		}
		n.ended(t)
	})
}

// lost is a dialer whose name server does not know the node.
type lost struct{}

func (lost) Dial(_ context.Context, address string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: address, Server: "s3cr3t:53"}}
}

// Not even by a node that repeats them.
func TestSecretsAreToldNobody(t *testing.T) {
	const hidden = "s3cr3t"
	parrot := serve(t, func(_ *node, c *peer) {
		raw := make([]byte, 1024)
		n, _ := c.r.Read(raw)
		c.send(fmt.Sprintf("what is %s?\r\n\r\n", raw[:n]))
	})
	for name, tc := range map[string]struct {
		dialer upstream.Dialer
		url    string
	}{
		"parrot":        {newLoop(t), parrot.url},
		"refused":       {newLoop(t), "http://" + unused(t)},
		"no TLS":        {newLoop(t), "https" + strings.TrimPrefix(parrot.url, "http")},
		"unknown":       {lost{}, "http://" + hidden + ".example"},
		"not a port":    {newLoop(t), "http://127.0.0.1:x/" + hidden},
		"not a scheme":  {newLoop(t), hidden + "://127.0.0.1"},
		"not a URL":     {newLoop(t), "http://[::1/" + hidden},
		"with password": {newLoop(t), "http://" + hidden + "@127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			var told bytes.Buffer
			set := metrics.NewSet()
			cfg := upstream.Config{
				Name: "node", URL: secret.New(tc.url + "/" + hidden + "?key=" + hidden),
				Headers: map[string]secret.Text{"X-Token": secret.New(hidden)},
			}
			e, err := upstream.New(t.Context(), cfg, upstream.Deps{
				Dialer: tc.dialer, Chain: "dev", Label: func(string) uint16 { return 1 },
				MaxResponseBytes: 1 << 20, Metrics: set, Log: zerolog.New(&told),
			})
			if err == nil {
				defer e.Close()
				for range 3 {
					if _, f := call(e, "x"); f == upstream.None {
						t.Error("an answer")
					}
				}
				set.WritePrometheus(&told)
			}
			fmt.Fprintf(&told, "%v %+v", err, cfg)
			if !strings.Contains(told.String(), "node") {
				t.Error("nothing was told")
			}
			if strings.Contains(told.String(), hidden) {
				t.Errorf("a secret was told:\n%s", told.String())
			}
		})
	}
}

func TestRestIsLogged(t *testing.T) {
	var told bytes.Buffer
	n := serve(t, echo)
	e := newEndpoint(t, newLoop(t), n.url, func(_ *upstream.Config, d *upstream.Deps) { d.Log = zerolog.New(&told) })
	for range 5 {
		report(t, e, time.Now(), upstream.BadStatus)
	}
	for range 2 {
		call(e, "x")
	}
	want := `{"level":"warn","chain":"dev","upstream":"node","reason":"bad_status","status":200,"rest":1000,"message":"upstream fails, others are asked before it"}
{"level":"info","chain":"dev","upstream":"node","message":"upstream answers again"}
`
	if diff := cmp.Diff(want, told.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}
