package testclickhouse

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

const (
	startTimeout = 30 * time.Second
	pollInterval = 20 * time.Millisecond
)

// An Engine is a server that one test has to itself and may kill and restart:
// its ports and its data stay the same. It is not safe for concurrent use.
type Engine struct {
	Server
	command, data string

	cmd    *exec.Cmd
	stdin  io.Closer // its end stops the engine, so that it never outlives the test
	output bytes.Buffer
	exited chan struct{} // closed when it has ended
}

// Start starts an engine with no data. It ends with the test.
func Start(t testing.TB) *Engine {
	t.Helper()
	e := Stopped(t)
	e.Start(t)
	return e
}

// Stopped returns an engine that is yet to be started.
func Stopped(t testing.TB) *Engine {
	t.Helper()
	e := &Engine{command: variable(t, CommandVariable), data: filepath.Join(t.TempDir(), "clickhouse")}
	e.HTTP, e.Native, e.Disposable = freeAddress(t), freeAddress(t), true
	t.Cleanup(func() {
		if e.cmd != nil {
			e.Stop(t)
		}
	})
	return e
}

// Start starts the engine on its data and returns when it answers.
func (e *Engine) Start(t testing.TB) {
	t.Helper()
	// Not bound to the test's context: the engine outlives it until the cleanups
	// that still ask it.
	e.cmd = exec.Command(e.command, "-data", e.data, "-http", port(e.HTTP), "-native", port(e.Native), "-until-eof")
	e.output.Reset()
	e.cmd.Stdout, e.cmd.Stderr = &e.output, &e.output
	stdin, err := e.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	e.stdin, e.exited = stdin, make(chan struct{})
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func(cmd *exec.Cmd, exited chan struct{}) {
		defer close(exited)
		_ = cmd.Wait() // how it ended is asked of its state
	}(e.cmd, e.exited)

	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for !e.answers() {
		select {
		case <-poll.C:
		case <-e.exited:
			t.Fatalf("the engine did not start: %v\n%s", e.cmd.ProcessState, &e.output)
		case <-deadline.C:
			t.Fatalf("the engine does not answer after %v", startTimeout)
		}
	}
}

// Kill ends the engine as a power cut of the process does: kill -9.
func (e *Engine) Kill(t testing.TB) {
	t.Helper()
	if err := e.cmd.Process.Kill(); err != nil {
		t.Fatalf("kill the engine: %v", err)
	}
	<-e.exited
	e.cmd = nil
}

// Stop shuts the engine down in good order.
func (e *Engine) Stop(t testing.TB) {
	t.Helper()
	_ = e.stdin.Close()
	select {
	case <-e.exited:
	case <-time.After(startTimeout):
		_ = e.cmd.Process.Kill()
		<-e.exited
	}
	if !e.cmd.ProcessState.Success() {
		t.Errorf("the engine ended with %v\n%s", e.cmd.ProcessState, &e.output)
	}
	e.cmd = nil
}

// answers reports whether the engine serves: HTTP opens last.
func (e *Engine) answers() bool {
	resp, err := http.Get(fmt.Sprintf("http://%s/ping", e.HTTP))
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// freeAddress returns an address of the loopback interface that nothing listens
// on. Another program may take it before the engine does; then the engine ends
// at once and says so.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}
