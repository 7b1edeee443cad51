package gateway_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
	"testing"

	"pokt.ai/internal/account"
)

const ethCall = `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"to":"0x6b175474e89094c44da98b954eedeac495271d0f","data":"0x18160ddd"},"latest"]}`

// fixedNode answers every request with the same bytes, and allocates nothing.
func fixedNode(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	body := `{"jsonrpc":"2.0","id":1,"result":"0x1234567890abcdef12345678"}`
	reply := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 64<<10)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(reply); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + ln.Addr().String()
}

// client sends ethCall again and again over one connection, and allocates
// nothing.
type client struct {
	t       testing.TB
	conn    net.Conn
	r       *bufio.Reader
	request []byte
	status  []byte
}

// mostly429 lets through the one call a second that the slowest limit admits.
const mostly429 = 0

func (e *edge) client(path string, status int) *client {
	c := e.rawConn()
	prefix := "HTTP/1.1 "
	if status != mostly429 {
		prefix += strconv.Itoa(status)
	}
	return &client{
		t: e.t, conn: c, r: bufio.NewReader(c),
		request: fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(ethCall), ethCall),
		status:  []byte(prefix),
	}
}

func (c *client) roundTrip() {
	if _, err := c.conn.Write(c.request); err != nil {
		c.t.Fatal(err)
	}
	length := 0
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		if first && !bytes.HasPrefix(line, c.status) {
			c.t.Fatalf("answer begins %q, want %q", line, c.status)
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			for _, d := range bytes.TrimSpace(v) {
				length = 10*length + int(d-'0')
			}
		}
		if len(line) == 2 {
			break
		}
	}
	if _, err := c.r.Discard(length); err != nil {
		c.t.Fatal(err)
	}
}

// everythingOn is a key with allowlists and limits that admit all the same.
func everythingOn(g *account.Grant) {
	g.Key.Allow = account.Allow{IPs: []string{"127.0.0.0/8"}, Methods: []string{"eth_*"}}
	g.Plan.Limits = account.Limits{CallsPerSecond: 1e8, CUPerSecond: 1e9}
	g.Plan.MonthlyCU = 1 << 50
}

func TestCallsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	e := newEdge(t, fixedNode(t))
	full := e.key(everythingOn)
	spent := e.key(func(g *account.Grant) {
		g.Plan.Limits = account.Limits{CallsPerSecond: 1, CallsBurst: 1}
		g.Key.Allow.Methods = []string{"eth_*"}
	})
	e.post(spent, ethCall)
	for _, test := range []struct {
		name   string
		client *client
	}{
		{"answered", e.client("/v1/eth/"+full, 200)},
		{"rate limited", e.client("/v1/eth/"+spent, mostly429)},
		{"malformed key", e.client("/v1/eth/nonsense", 401)},
	} {
		for range 100 {
			test.client.roundTrip() // warm pools and connections
		}
		if n := testing.AllocsPerRun(2000, test.client.roundTrip); n > 0 {
			t.Errorf("%s: %v allocations a call", test.name, n)
		}
	}
}

func BenchmarkRelay(b *testing.B) {
	e := newEdge(b, fixedNode(b))
	full := e.key(everythingOn)
	spent := e.key(func(g *account.Grant) { g.Plan.Limits = account.Limits{CallsPerSecond: 1, CallsBurst: 1} })
	e.post(spent, ethCall)
	for _, test := range []struct {
		name, path string
		status     int
	}{{"answered", "/v1/eth/" + full, 200}, {"rate limited", "/v1/eth/" + spent, mostly429}, {"malformed key", "/v1/eth/nonsense", 401}} {
		b.Run(test.name, func(b *testing.B) {
			c := e.client(test.path, test.status)
			c.roundTrip()
			b.ReportAllocs()
			for b.Loop() {
				c.roundTrip()
			}
		})
	}
}
