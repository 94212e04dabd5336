package bench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bind makes a process end with us, however we end.
func bind(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// endGroup kills what a process that has ended left behind.
func endGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// family returns a process and its children, and theirs.
func family(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 1 {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			parent, _ := strconv.Atoi(f[1])
			children[parent] = append(children[parent], child)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// cpuTime is what processes have had of the processors.
func cpuTime(pids []int) (sum time.Duration, err error) {
	for _, pid := range pids {
		var t unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil { // see clock_getcpuclockid(3)
			return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
		}
		sum += time.Duration(t.Nano())
	}
	return sum, nil
}

// memory is how much of it processes have in user space, in bytes. What they
// share with others counts by their share.
func memory(pids []int) (sum int64, err error) {
	for _, pid := range pids {
		kib, err := strconv.ParseInt(strings.TrimSuffix(field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss", ":"), " kB"), 10, 64)
		if err != nil {
			return 0, errors.New("this kernel does not tell a process's memory (smaps_rollup)")
		}
		sum += kib << 10
	}
	return sum, nil
}

// openFiles is how many files this process may have open.
func openFiles() (int, error) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return int(min(limit.Cur, 1<<30)), err
}

// residentBytes is a line of a process's status: VmRSS or VmHWM.
func residentBytes(pid int, line string) (int64, error) {
	kib, err := strconv.ParseInt(strings.TrimSuffix(field(fmt.Sprintf("/proc/%d/status", pid), line, ":"), " kB"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s of process %d: %w", line, pid, err)
	}
	return kib << 10, nil
}
