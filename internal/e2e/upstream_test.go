package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A holder is a node that answers no call before it is told to.
type holder struct {
	url     string
	arrived chan struct{} // has one for each call
	answer  chan struct{} // to be closed
}

func newHolder(t *testing.T) *holder {
	t.Helper()
	n := &holder{arrived: make(chan struct{}, 1024), answer: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ ID json.RawMessage }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		n.arrived <- struct{}{}
		select {
		case <-n.answer:
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":"0x1"}`, asked.ID)
	}))
	t.Cleanup(server.Close)
	n.url = server.URL
	return n
}
