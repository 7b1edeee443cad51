//go:build !linux

package main

import (
	"os/exec"
	"syscall"
)

// endWithParent keeps a Ctrl-C in the terminal from reaching the process before
// the tests end. Only Linux can also end it with this program.
func endWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true
}
