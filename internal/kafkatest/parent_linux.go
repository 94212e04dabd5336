package kafkatest

import (
	"os/exec"
	"syscall"
)

// dieWithParent kills cmd with the test, however that ends.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
