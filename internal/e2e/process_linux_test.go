package e2e_test

import (
	"os/exec"
	"syscall"
)

// endWithTests makes the kernel kill the process when the tests end without
// having stopped it, as at their time-out.
func endWithTests(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
