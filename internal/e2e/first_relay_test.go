package e2e_test

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the first page of the documentation promises: start it, copy the line it
// prints, see the call in the usage.
func TestFirstRelay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.start()
	greeting := h.stdout.String()
	token := regexp.MustCompile(`pokt_live_[0-9A-Za-z]{36}`).FindString(greeting)
	curl := regexp.MustCompile(`(?m)^ *curl (?:.*\\\n)*.*$`).FindString(greeting)
	if token == "" || curl == "" {
		t.Fatalf("the first start prints neither key nor curl line:\n%s", greeting)
	}
	body := runCurl(t, curl)
	m, _ := answer{body: body}.message()
	if string(m.ID) != "1" || !regexp.MustCompile(`^"0x[1-9a-f][0-9a-f]*"$`).Match(m.Result) {
		t.Errorf("the curl line is answered with %s", body)
	}

	h.awaitUsage("local", 1)
	keys := cliJSON[[]key](h, "key", "list", "--org", "local")
	if len(keys) != 1 {
		t.Fatalf("%d keys after the first start", len(keys))
	}
	one := count{Calls: 1, CU: 10}
	for by, name := range map[string]string{"method": "eth_blockNumber", "key": keys[0].ID, "chain": "dev", "status": "answered"} {
		groups, total := h.usage("local", by)
		if diff := cmp.Diff(map[string]count{name: one}, groups); diff != "" || total != one {
			t.Errorf("usage by %s: total %v, groups (-want +got):\n%s", by, total, diff)
		}
	}
	// The line that was printed for it, as it was printed.
	line := regexp.MustCompile(`\S+ usage .*`).FindString(greeting)
	shell := exec.Command("sh", "-c", line)
	shell.Dir, shell.Env = h.dir, environment(nil)
	out, err := shell.CombinedOutput()
	if err != nil || !regexp.MustCompile(`eth_blockNumber +1 +10 `).Match(out) {
		t.Errorf("%s: %v\n%s", line, err, out)
	}

	first := h.process
	h.stop()
	h.start()
	if out := h.stdout.String(); out != "" {
		t.Errorf("the second start prints %q", out)
	}
	if body := runCurl(t, curl); !bytes.Contains(body, []byte(`"result"`)) {
		t.Errorf("after a restart the curl line is answered with %s", body)
	}
	h.awaitUsage("local", 2)

	// The prefix is kept on purpose: finding it shows that this finds things.
	if files := filesWith(t, h.dir, token[:14]); len(files) == 0 {
		t.Error("the key's prefix is in no file")
	}
	if files := filesWith(t, h.dir, token[14:42]); len(files) > 0 {
		t.Errorf("the key is in %v", files)
	}
	if log := first.stderr.String() + h.stderr.String(); strings.Contains(log, token[14:42]) {
		t.Errorf("the key is in the log:\n%s", log)
	}
}

// runCurl runs a printed curl line with a shell, or sends what it says where
// there is no curl.
func runCurl(t *testing.T, line string) []byte {
	t.Helper()
	if _, err := exec.LookPath("curl"); err == nil {
		out, err := exec.Command("sh", "-c", line+" --silent --show-error --fail").Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return out
	}
	header := regexp.MustCompile(`-H '([^:]+): ([^']+)'`).FindStringSubmatch(line)
	data := regexp.MustCompile(`-d '([^']+)'`).FindStringSubmatch(line)
	url := regexp.MustCompile(`http://\S+`).FindString(line)
	if header == nil || data == nil || url == "" {
		t.Fatalf("not understood: %s", line)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(data[1]))
	must(t, err)
	req.Header.Set(header[1], header[2])
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(resp.Body)
	must(t, err)
	return body.Bytes()
}

// filesWith returns the files below dir that contain text.
func filesWith(t *testing.T, dir, text string) (files []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			files = append(files, path)
		}
		return err
	}))
	return files
}
