package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"
)

// A callCounter counts the calls that an HTTP client puts on the wire: libraries
// make more of them than were asked for.
type callCounter struct {
	mu                     sync.Mutex
	requests, largestBatch int64
	byMethod               map[string]int64
}

func (c *callCounter) client() *http.Client { return &http.Client{Transport: c} }

// RoundTrip counts the calls of a request and sends it.
func (c *callCounter) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	if err := c.count(body); err != nil {
		return nil, err
	}
	again := req.Clone(req.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	return http.DefaultTransport.RoundTrip(again)
}

func (c *callCounter) count(body []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	type call struct{ Method string }
	calls := make([]call, 1)
	var err error
	if bytes.HasPrefix(body, []byte("[")) {
		err = json.Unmarshal(body, &calls)
		c.largestBatch = max(c.largestBatch, int64(len(calls)))
	} else {
		err = json.Unmarshal(body, &calls[0])
	}
	c.requests++
	for _, one := range calls {
		c.byMethod[one.Method]++
	}
	return err
}
