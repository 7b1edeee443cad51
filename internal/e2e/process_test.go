package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for something that must happen. It is long because
// machines that run tests are busy; nothing waits for all of it but a failure.
const patience = time.Minute

// eventually asks until it is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	end := time.After(patience)
	for !so() {
		select {
		case <-again.C:
		case <-end:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// within returns what comes.
func within[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
		panic("unreachable")
	}
}

// An output keeps what a process writes.
type output struct {
	mu   sync.Mutex
	text []byte
	more chan struct{} // closed at the next write
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, b...)
	close(o.more)
	o.more = make(chan struct{})
	return len(b), nil
}

func (o *output) String() string {
	text, _ := o.look()
	return text
}

func (o *output) look() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text), o.more
}

// await returns once what was written since mark has a match of the pattern.
func (o *output) await(t testing.TB, mark int, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	end := time.After(patience)
	for {
		text, more := o.look()
		if re.MatchString(text[mark:]) {
			return
		}
		select {
		case <-more:
		case <-end:
			t.Fatalf("%q was not written within %v", pattern, patience)
		}
	}
}

func (o *output) mark() int { return len(o.String()) }

// A process is a running `poktai up`.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *output
	ended          chan struct{}
	code           int // -1: by a signal
}

// launch starts poktai in dir.
func launch(t testing.TB, dir string, env []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary(t), args...), stdout: newOutput(), stderr: newOutput(), ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = dir, environment(env)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	endWithTests(p.cmd)
	must(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
		p.code = p.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.ended
		log := p.stderr.String()
		// The log is the only place where a panic of one request, or a race,
		// is seen.
		for _, bad := range []string{"panic", "fatal error", "DATA RACE", "BUG:"} {
			if strings.Contains(log, bad) {
				t.Errorf("%q is in the log", bad)
			}
		}
		if t.Failed() {
			t.Logf("poktai %s exited with %d\nstdout: %s\nstderr: %s", strings.Join(args, " "), p.code, p.stdout, end(log, 16<<10))
		}
	})
	return p
}

// environment is that of the tests without what would configure the product.
// Under the race detector a process sleeps for a second at its end unless told.
func environment(more []string) []string {
	env := []string{"GORACE=atexit_sleep_ms=0"}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "POKTAI_") {
			env = append(env, kv)
		}
	}
	return append(env, more...)
}

func end(s string, n int) string { return s[max(len(s)-n, 0):] }

// signal sends a signal, to a process that may have ended.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// wait returns the exit code.
func (p *process) wait(t testing.TB) int {
	t.Helper()
	within(t, "the process ends", p.ended)
	return p.code
}

// A result is what a command that ends by itself left behind.
type result struct {
	stdout, stderr string
	code           int
}

// execute runs poktai to its end.
func execute(t testing.TB, dir string, env []string, args ...string) result {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	cmd.Dir, cmd.Env = dir, environment(env)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	endWithTests(cmd)
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}
