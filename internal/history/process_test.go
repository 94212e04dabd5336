//go:build unix

package history_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a service: one process after the other, all behind one proxy.
type process struct {
	name  string
	env   []string
	hears func(line string) // what its reducers say
	log   *log

	mu      sync.Mutex
	cmd     *exec.Cmd
	stdin   io.Closer
	gone    chan struct{} // closed once cmd has ended
	wanted  bool          // that it ends
	starts  int
	failure error // it ended though nobody wanted that
}

// log is what services say, the last of it.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) add(line string) {
	if strings.Contains(line, "command failed") {
		return // as it is to
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	l.lines = l.lines[max(0, len(l.lines)-1000):]
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// start starts a new process, this program once more, unless one runs.
func (p *process) start(t testing.TB) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		select {
		case <-p.gone:
		default:
			return
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), p.env...)
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	stderr, err3 := cmd.StderrPipe()
	for _, err := range []error{err1, err2, err3, cmd.Start()} {
		if err != nil {
			t.Errorf("starting %s: %v", p.name, err)
			return
		}
	}
	gone := make(chan struct{})
	p.cmd, p.stdin, p.gone, p.wanted = cmd, stdin, gone, false
	p.starts++
	name := fmt.Sprintf("%s.%d", p.name, p.starts)
	var reads sync.WaitGroup
	reads.Go(func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			p.hears(lines.Text())
		}
	})
	reads.Go(func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			p.log.add(name + ": " + lines.Text())
		}
	})
	go func() {
		defer close(gone)
		reads.Wait()
		err := cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.wanted && p.failure == nil {
			p.failure = fmt.Errorf("%s ended by itself: %v", name, err)
		}
	}()
}

// environment is a service's.
func environment(seeds []string, local bool, name, once string) []string {
	env := []string{envSeeds + "=" + strings.Join(seeds, ","), envName + "=" + name, envOnce + "=" + once}
	if local {
		env = append(env, envLocal+"=1")
	}
	return env
}

// signal sends one to the process.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Signal(s)
}

// expect notes that the process is to end.
func (p *process) expect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
}

// kill ends the process as kill -9 does, and waits for it.
func (p *process) kill() {
	p.expect()
	p.signal(syscall.SIGKILL)
	p.wait()
}

// leave has the process end by itself, and waits for it.
func (p *process) leave(t testing.TB) {
	p.expect()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended():
	case <-time.After(soon):
		t.Errorf("%s is still there %v after SIGTERM", p.name, soon)
		p.kill()
	}
}

func (p *process) wait() { <-p.ended() }

func (p *process) ended() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gone
}

// pid is that of the process that runs now.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// check says whether a process ended that nobody ended.
func (p *process) check(t testing.TB) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure != nil {
		t.Error(p.failure)
	}
}
