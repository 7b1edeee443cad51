package gateway_test

import (
	"errors"
	"net"
	"net/http"
	"syscall"
	"testing"
)

// A request whose key is being looked up when the server is told to stop is
// answered like any other that was accepted.
func TestStopWaitsForLookUps(t *testing.T) {
	e := newEdge(t, fixedNode(t))
	e.accounts.asked = make(chan struct{}, 1)
	key := e.key()
	e.accounts.mu.Lock()
	answered := make(chan answer, 1)
	go func() { answered <- e.post(key, blockNumber) }()
	<-e.accounts.asked

	stopped := make(chan error, 1)
	go func() { stopped <- e.server.Shutdown(t.Context()) }()
	for {
		c, err := net.Dial("tcp", e.addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
		if err == nil {
			c.Close()
		}
	}
	e.accounts.mu.Unlock()
	if a := <-answered; a.status != http.StatusOK {
		t.Errorf("answered with %d %s", a.status, a.body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
