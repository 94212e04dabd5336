//go:build !linux

package kafkatest

import "os/exec"

// dieWithParent has no counterpart outside Linux.
func dieWithParent(*exec.Cmd) {}
