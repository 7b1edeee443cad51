package tcp_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"pokt.ai/internal/tcp"
)

// lineServer answers each line that a client sends with the same bytes, as a server
// with these time-outs, and tells the error that ended it.
func lineServer(t *testing.T, timeouts tcp.Timeouts, answer []byte) (client net.Conn, ended <-chan error) {
	t.Helper()
	l := newLoop(t)
	ln := listen(t, l)
	ln.Timeouts = timeouts
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	end := make(chan error, 1)
	go func() {
		buf := make([]byte, 64)
		for {
			n, err := c.Read(buf)
			if err == nil && bytes.IndexByte(buf[:n], '\n') >= 0 {
				_, err = c.Write(answer)
			}
			if err != nil {
				end <- err
				return
			}
		}
	}()
	return client, end
}

func TestClientThatIsTooSlow(t *testing.T) {
	const short = 3 * tcp.Tick
	tests := map[string]struct {
		timeouts tcp.Timeouts
		answer   []byte
		act      func(t *testing.T, client net.Conn, ended <-chan error) error
	}{
		"sends nothing": {tcp.Timeouts{Request: short, Idle: time.Hour}, nil, func(_ *testing.T, _ net.Conn, ended <-chan error) error {
			return <-ended
		}},
		"sends a request byte by byte": {tcp.Timeouts{Request: short, Idle: time.Hour}, nil, func(_ *testing.T, client net.Conn, ended <-chan error) error {
			tick := time.NewTicker(short / 10)
			defer tick.Stop()
			for {
				select {
				case err := <-ended:
					return err
				case <-tick.C:
					client.Write([]byte("x"))
				}
			}
		}},
		"sends no second request": {tcp.Timeouts{Request: time.Hour, Idle: short}, []byte("y"), func(t *testing.T, client net.Conn, ended <-chan error) error {
			if _, err := client.Write([]byte("x\n")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			return <-ended
		}},
		"begins a second request": {tcp.Timeouts{Request: short, Idle: time.Hour}, []byte("y"), func(t *testing.T, client net.Conn, ended <-chan error) error {
			if _, err := client.Write([]byte("x\n")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			return <-ended
		}},
		"does not read its answer": {tcp.Timeouts{Request: time.Hour, Write: short}, make([]byte, 64<<20), func(t *testing.T, client net.Conn, ended <-chan error) error {
			if _, err := client.Write([]byte("x\n")); err != nil {
				t.Fatal(err)
			}
			return <-ended
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			client, ended := lineServer(t, test.timeouts, test.answer)
			wantTimeout(t, test.act(t, client, ended))
		})
	}
}

func TestTimeoutsLeaveAPatientClientAlone(t *testing.T) {
	client, ended := lineServer(t, tcp.Timeouts{Request: time.Hour, Idle: time.Hour, Write: time.Hour}, []byte("y"))
	for range 100 {
		if _, err := client.Write([]byte("x\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	client.Close()
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("ended with %v, want EOF", err)
	}
}
