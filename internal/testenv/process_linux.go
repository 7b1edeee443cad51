package main

import (
	"os/exec"
	"syscall"
)

// endWithParent makes the kernel kill the process when this program dies in any
// way, and keeps a Ctrl-C in the terminal from reaching it before the tests end.
func endWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr.Setpgid = true
}
