package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ebb-events/ebb/sse"
)

// patience is how long something may take that ought to take no time.
const patience = 30 * time.Second

// program is a running ebb.
type program struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has; its state is in cmd then

	mu     sync.Mutex
	news   chan struct{}     // has something after every line
	stdout []string          // lines
	stderr []string          // lines
	addr   map[string]string // of its parts, as logged
}

// startDev runs ebb dev on free ports, and returns when it is ready.
func startDev(dir string, env []string, flags ...string) (*program, error) {
	return startEbb(dir, env, append([]string{"dev", "--data", "data",
		"--addr", "127.0.0.1:0", "--edge-addr", "127.0.0.1:0", "--control-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--kafka-addr", "127.0.0.1:0",
	}, flags...)...)
}

// startEdge runs ebb edge on free ports, without Kafka unless flags say so, and
// returns when it is ready.
func startEdge(dir string, env []string, flags ...string) (*program, error) {
	return startEbb(dir, env, append([]string{"edge", "--data", "data",
		"--addr", "127.0.0.1:0", "--control-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0",
	}, flags...)...)
}

// startEbb runs ebb and returns when it is ready.
func startEbb(dir string, env []string, args ...string) (*program, error) {
	p := &program{ended: make(chan struct{}), news: make(chan struct{}, 1), addr: map[string]string{}}
	p.cmd = exec.Command("ebb", args...)
	p.cmd.Dir, p.cmd.Env = dir, env
	stdout, err1 := p.cmd.StdoutPipe()
	stderr, err2 := p.cmd.StderrPipe()
	if err := errors.Join(err1, err2, p.cmd.Start()); err != nil {
		return nil, err
	}
	var reading sync.WaitGroup
	reading.Go(func() { p.read(stdout, &p.stdout) })
	reading.Go(func() { p.read(stderr, &p.stderr) })
	go func() {
		reading.Wait()
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	part, ok := map[string]string{"dev": "edge", "edge": "edge", "gateway": "gateway"}[args[0]]
	if !ok {
		part = "admin" // it serves nobody else
	}
	if err := p.await(func() bool { return p.base() != "" && p.addr[part] != "" && p.addr["admin"] != "" }); err != nil {
		p.kill()
		return nil, fmt.Errorf("%w; it said:\n%s", err, strings.Join(p.stderr, "\n"))
	}
	return p, nil
}

func (p *program) read(r io.Reader, lines *[]string) {
	for s := bufio.NewScanner(r); s.Scan(); {
		p.mu.Lock()
		*lines = append(*lines, s.Text())
		var serving struct{ Msg, Part, Addr string }
		if json.Unmarshal(s.Bytes(), &serving) == nil && serving.Msg == "serving" {
			p.addr[serving.Part] = serving.Addr
		}
		p.mu.Unlock()
		select {
		case p.news <- struct{}{}:
		default:
		}
	}
}

// await waits until what it has said makes ok true. It holds mu meanwhile.
func (p *program) await(ok func() bool) error {
	late := time.After(patience)
	for {
		p.mu.Lock()
		done := ok()
		p.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-p.news:
		case <-p.ended:
			return fmt.Errorf("ebb ended: %v", p.cmd.ProcessState)
		case <-late:
			return errors.New("ebb was not ready in time")
		}
	}
}

// base is the front's URL without its path, out of the line that says ready.
func (p *program) base() string {
	if len(p.stdout) == 0 {
		return ""
	}
	base, _ := strings.CutPrefix(p.stdout[0], "ready ")
	return strings.TrimSuffix(base, "/")
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// plainLines are the lines of stderr that are no JSON log.
func plainLines(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		var log struct {
			Time       time.Time
			Level, Msg string
		}
		return line == "" || json.Unmarshal([]byte(line), &log) == nil && !log.Time.IsZero() && log.Level != "" && log.Msg != ""
	})
}

// login returns a user's token.
func (p *program) login(ctx context.Context, user string) (string, error) {
	var got struct {
		Token string `json:"access_token"`
	}
	resp, err := p.request(ctx, "POST", "/dev/login", "", strings.NewReader(fmt.Sprintf(`{"user": %q}`, user)))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	err = json.NewDecoder(resp.Body).Decode(&got)
	return got.Token, err
}

// request sends JSON to the gateway.
func (p *program) request(ctx context.Context, method, path, token string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, p.base()+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return http.DefaultClient.Do(r)
}

// stream is an open stream.
type stream struct {
	*sse.Reader
	body   io.Closer
	header http.Header
}

// stream opens one, by way of the gateway's redirect, and reads its ebb.hello.
func (p *program) stream(ctx context.Context, token string) (*stream, error) {
	resp, err := p.request(ctx, "GET", "/api/sse", token, nil)
	if err != nil {
		return nil, err
	}
	s := &stream{sse.NewReader(resp.Body), resp.Body, resp.Header}
	for {
		e, err := s.Next()
		if err != nil {
			resp.Body.Close()
			return nil, fmt.Errorf("stream: %s before ebb.hello: %w", resp.Status, err)
		}
		if e.Name == "ebb.hello" {
			return s, nil
		}
	}
}

// ready asks the admin listener.
func (p *program) ready() (bool, error) {
	resp, err := http.Get("http://" + p.addr["admin"] + "/readyz")
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK, nil
}

// clean is this process's environment without flags of ebb.
func clean() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "EBB_") })
	return append(env, "GORACE="+noRaceSleep)
}

// noRaceSleep is for GORACE: the race detector would sleep for a second at the
// end of every process.
const noRaceSleep = "atexit_sleep_ms=0"
