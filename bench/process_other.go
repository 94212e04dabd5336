//go:build !linux

package bench

import (
	"errors"
	"os/exec"
	"time"
)

func bind(*exec.Cmd)     {}
func endGroup(*exec.Cmd) {}

func family(pid int) []int { return []int{pid} }

func cpuTime([]int) (time.Duration, error) { return 0, errors.ErrUnsupported }
func memory([]int) (int64, error)          { return 0, errors.ErrUnsupported }
func openFiles() (int, error)              { return 0, errors.ErrUnsupported }

func residentBytes(int, string) (int64, error) { return 0, errors.ErrUnsupported }
