package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// server is a running process that serves.
type server struct {
	url    string
	cmd    *exec.Cmd
	log    tail
	anyEnd bool // its exit code says nothing
}

// start returns once the server is ready. What would be flags of it in our
// environment is not in its own.
func start(ctx context.Context, cmd *exec.Cmd) (*server, error) {
	s := &server{cmd: cmd}
	cmd.Env = slices.DeleteFunc(cmd.Environ(), func(v string) bool { return strings.HasPrefix(v, "EBB_") })
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = &s.log
	cmd.WaitDelay = time.Second
	bind(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, s.terminate)()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			s.url = url
			return s, nil
		}
	}
	return nil, errors.Join(ctx.Err(), errors.New("the server did not get ready"), s.stop())
}

func (s *server) terminate() { _ = s.cmd.Process.Signal(syscall.SIGTERM) }

// stop ends the server. A bad end is an error, with what it said last.
func (s *server) stop() error {
	s.terminate()
	late := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	defer endGroup(s.cmd)
	if err := s.cmd.Wait(); err != nil && !s.anyEnd {
		return fmt.Errorf("the server: %w\n%s", err, s.log.troubles())
	}
	return nil
}

// tail keeps the end of what is written.
type tail []byte

func (t *tail) Write(b []byte) (int, error) {
	*t = append(*t, b...)
	if over := len(*t) - 4096; over > 0 {
		*t = append((*t)[:0], (*t)[over:]...)
	}
	return len(b), nil
}

// troubles are the lines that say more than that all is well.
func (t tail) troubles() string {
	var b strings.Builder
	for line := range strings.Lines(string(t)) {
		if !strings.Contains(line, `"level":"INFO"`) {
			b.WriteString(line)
		}
	}
	return strings.TrimSpace(b.String())
}
