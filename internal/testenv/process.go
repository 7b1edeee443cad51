package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	pollInterval = 20 * time.Millisecond
	stopTimeout  = 10 * time.Second
	logTailBytes = 4 << 10
)

// A process is one server that runs until it is stopped.
type process struct {
	cmd    *exec.Cmd
	log    string        // file with all it printed
	exited chan struct{} // closed when it has ended
}

// run starts cmd, with its output in a file in dir, and returns when ready
// returns nil: ready is asked again and again until then.
func (p *process) run(ctx context.Context, cmd *exec.Cmd, dir string, ready func(context.Context) error) error {
	p.log = filepath.Join(dir, "log")
	log, err := os.Create(p.log)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = dir
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.exited = cmd, make(chan struct{})
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // how it ended is told by its log
	}()

	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return p.ended()
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s does not answer: %w", cmd.Path, err), p.end(syscall.SIGKILL))
		case <-tick.C:
		}
	}
}

// end sends sig and waits. It reports a process that had ended before, failed on
// its way out, or had to be killed.
func (p *process) end(sig syscall.Signal) error {
	select {
	case <-p.exited:
		return p.ended()
	default:
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-p.exited:
		status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if p.cmd.ProcessState.Success() || ok && status.Signal() == sig {
			return nil
		}
		return p.ended()
	case <-timeout.C:
		_ = p.cmd.Process.Kill() // it may just have ended
		<-p.exited
		return fmt.Errorf("%s did not end %v after %v and was killed", p.cmd.Path, stopTimeout, sig)
	}
}

// ended tells how a process ended that should not have, and what it printed.
func (p *process) ended() error {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err
	}
	tail := bytes.TrimSpace(text[max(0, len(text)-logTailBytes):])
	return fmt.Errorf("%s ended: %v\n%s", p.cmd.Path, p.cmd.ProcessState, tail)
}

// freePort returns a port of the loopback interface that nothing listens on.
// Another program may take it before the service does; then the service ends at
// once and says so.
func freePort(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}
