package tcp_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"pokt.ai/internal/tcp"
)

// serveHTTP runs a fasthttp server that answers with the body it got.
func serveHTTP(t *testing.T, ln net.Listener, s *fasthttp.Server) {
	t.Helper()
	s.Handler = func(ctx *fasthttp.RequestCtx) { ctx.SetBody(ctx.PostBody()) }
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	t.Cleanup(func() {
		if err := s.Shutdown(); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

func TestFasthttpPipelinedRequests(t *testing.T) {
	l := newLoop(t)
	ln := listen(t, l)
	serveHTTP(t, ln, &fasthttp.Server{IdleTimeout: time.Minute})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c, err := l.Dial(t.Context(), ln.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			const requests = 200
			go func() {
				var all bytes.Buffer
				for i := range requests {
					body := fmt.Sprintf("%d:%s", i, bytes.Repeat([]byte("x"), i))
					fmt.Fprintf(&all, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				}
				c.Write(all.Bytes())
			}()
			r := bufio.NewReader(c)
			var answer fasthttp.Response
			for i := range requests {
				if err := answer.Read(r); err != nil {
					t.Errorf("answer %d: %v", i, err)
					return
				}
				if want := fmt.Sprintf("%d:", i); !bytes.HasPrefix(answer.Body(), []byte(want)) || len(answer.Body()) != len(want)+i {
					t.Errorf("answer %d is %q", i, answer.Body())
				}
			}
		})
	}
	wg.Wait()
}

func TestFasthttpClients(t *testing.T) {
	l := newLoop(t)
	ln := listen(t, l)
	serveHTTP(t, ln, &fasthttp.Server{})
	address := ln.Addr().String()
	dial := func(string) (net.Conn, error) { return l.Dial(t.Context(), address) }
	for name, client := range map[string]interface {
		DoTimeout(*fasthttp.Request, *fasthttp.Response, time.Duration) error
	}{
		"HostClient":     &fasthttp.HostClient{Addr: address, Dial: dial},
		"PipelineClient": &fasthttp.PipelineClient{Addr: address, Dial: dial, MaxPendingRequests: 64},
	} {
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				var req fasthttp.Request
				var resp fasthttp.Response
				for i := range 50 {
					req.SetRequestURI("http://" + address)
					req.Header.SetMethod(fasthttp.MethodPost)
					body := bytes.Repeat([]byte("y"), i*100)
					req.SetBody(body)
					if err := client.DoTimeout(&req, &resp, patience); err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					if !bytes.Equal(resp.Body(), body) {
						t.Errorf("%s: got %d bytes, sent %d", name, len(resp.Body()), len(body))
					}
				}
			})
		}
		wg.Wait()
	}
}

// fasthttp answers 408 to a body that does not come, but only if it recognises the error of Read as a timeout.
func TestFasthttpRecognisesTimeouts(t *testing.T) {
	l := newLoop(t)
	ln := listen(t, l)
	serveHTTP(t, ln, &fasthttp.Server{ReadTimeout: 2 * tcp.Tick})
	c := dial(t, l, ln.Addr().String())
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"); err != nil {
		t.Fatal(err)
	}
	var answer fasthttp.Response
	if err := within(t, "answer", func() error { return answer.Read(bufio.NewReader(c)) }); err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode() != fasthttp.StatusRequestTimeout {
		t.Errorf("status %d, want 408", answer.StatusCode())
	}
}

func TestTLS(t *testing.T) {
	l := newLoop(t)
	ln := listen(t, l)
	server, client := tlsConfigs(t)
	serve(t, tls.NewListener(ln, server), echo)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			nc, err := l.Dial(ctx, ln.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			c := tls.Client(nc, client)
			defer c.Close()
			if err := c.HandshakeContext(ctx); err != nil {
				t.Error(err)
				return
			}
			r := mathrand.New(mathrand.NewPCG(uint64(i), 6))
			if err := exchange(c, r, 100<<10); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func tlsConfigs(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"gateway.test"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: roots, ServerName: "gateway.test"}
}
