package jsonrpc_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/gateway/jsonrpc"
)

// A script is a file of bodies and of what must be read from them:
//
//	// comment
//	--> body
//	<-- one line for each message, or one for the refusal of the whole body
func runScript(t *testing.T, path string, read func(body []byte) []string) {
	script, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var (
		body string
		want []string
		at   int
	)
	check := func() {
		if body == "" {
			return
		}
		if diff := cmp.Diff(want, read([]byte(body))); diff != "" {
			t.Errorf("%s:%d: %s\n(-want +got)\n%s", path, at, body, diff)
		}
	}
	for i, line := range strings.Split(string(script), "\n") {
		switch {
		case line == "" || strings.HasPrefix(line, "//"):
		case strings.HasPrefix(line, "--> "):
			check()
			body, want, at = line[4:], nil, i+1
		case strings.HasPrefix(line, "<-- "):
			want = append(want, line[4:])
		default:
			t.Fatalf("%s:%d: neither comment, body nor answer: %s", path, i+1, line)
		}
	}
	check()
}

func TestRequestScripts(t *testing.T) {
	runScript(t, "testdata/requests.txt", func(body []byte) []string {
		reqs, batch, err := jsonrpc.Scan(body, jsonrpc.Limits{MaxBatch: 3, MaxDepth: 5}, nil)
		if err != nil {
			return []string{"refused " + describe(err)}
		}
		var lines []string
		for i := range reqs {
			line := describeRequest(&reqs[i])
			if batch {
				line = "item " + line
			}
			lines = append(lines, line)
		}
		return lines
	})
}

func describe(err *jsonrpc.Error) string {
	if err.TooLarge {
		return fmt.Sprintf("too large: %d %s", err.Code, err.Message)
	}
	return fmt.Sprintf("%d %s", err.Code, err.Message)
}

func describeRequest(r *jsonrpc.Request) string {
	id := "no id"
	if r.ID != nil {
		id = "id " + string(r.ID)
	}
	if r.Err != nil {
		return fmt.Sprintf("bad: %s; %s", id, describe(r.Err))
	}
	line := fmt.Sprintf("call: %s; %s", id, r.Method)
	if r.Params != nil {
		line += " " + string(r.Params)
	}
	if !r.Canonical {
		line += "; rebuild"
	}
	return line
}

func TestResponseScripts(t *testing.T) {
	runScript(t, "testdata/responses.txt", func(body []byte) []string {
		answers, batch, err := jsonrpc.ScanResponses(body, nil)
		if err != nil {
			return []string{"refused " + err.Error()}
		}
		var lines []string
		for _, r := range answers {
			line := fmt.Sprintf("id %s; result %s", r.ID, r.Result)
			if r.Error != nil {
				line = fmt.Sprintf("id %s; error %d %s", r.ID, r.Code, r.Error)
			}
			if batch {
				line = "item " + line
			}
			lines = append(lines, line)
		}
		return lines
	})
}
