package dev_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/kafkatest"
	"github.com/ebb-events/ebb/internal/logtest"
	"github.com/ebb-events/ebb/sse"
)

// ebb is the program, built once for all tests here.
var ebb string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ebb")
	if err == nil {
		ebb = filepath.Join(dir, "ebb")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", ebb, "../cmd/ebb").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, "building ebb:", err)
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// soon is how long a test waits for what must come.
const soon = 30 * time.Second

// system is a running `ebb dev`.
type system struct {
	t    *testing.T
	cmd  *exec.Cmd
	addr map[string]string // by part
	mu   sync.Mutex        // of addr
	log  logtest.Text
	gone chan error

	ended bool // because the test wanted it
}

// start runs `ebb dev` on a data directory until it is ready.
func start(t *testing.T, data string, flags ...string) *system {
	t.Helper()
	s := &system{t: t, addr: map[string]string{}, gone: make(chan error, 1)}
	args := []string{"dev", "--data", data}
	for _, name := range []string{"addr", "edge-addr", "control-addr", "admin-addr", "kafka-addr"} {
		args = append(args, "--"+name, "127.0.0.1:0")
	}
	s.cmd = exec.Command(ebb, append(args, flags...)...)
	stderr, err1 := s.cmd.StderrPipe()
	stdout, err2 := s.cmd.StdoutPipe()
	if err := errors.Join(err1, err2, s.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		s.readLog(stderr)
	}()
	ready := make(chan string, 1)
	go func() {
		out, _ := bufio.NewReader(stdout).ReadString('\n')
		ready <- out
		_, _ = io.Copy(io.Discard, stdout)
		<-logged
		s.gone <- s.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		if t.Failed() && !s.ended {
			t.Logf("ebb dev said:\n%s", &s.log)
		}
	})
	select {
	case line := <-ready:
		if !strings.HasPrefix(line, "ready http://"+s.addrOf("gateway")+"/") {
			t.Fatalf("ebb dev says %q and\n%s", line, &s.log)
		}
	case <-time.After(soon):
		t.Fatalf("ebb dev is not ready after %v:\n%s", soon, &s.log)
	}
	return s
}

func (s *system) readLog(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		var entry struct{ Msg, Part, Addr string }
		fmt.Fprintln(&s.log, lines.Text())
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "serving" {
			s.mu.Lock()
			s.addr[entry.Part] = entry.Addr
			s.mu.Unlock()
		}
	}
}

func (s *system) addrOf(part string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr[part]
}

// end sends a signal and returns how the process ended.
func (s *system) end(sig syscall.Signal) error {
	s.t.Helper()
	s.ended = true
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	select {
	case err := <-s.gone:
		return err
	case <-time.After(soon):
		s.t.Fatalf("still there %v after %v", soon, sig)
		return nil
	}
}

// api is a URL of the gateway.
func (s *system) api(path string) string { return "http://" + s.addrOf("gateway") + path }

// user is somebody who has logged in.
type user struct {
	*system
	name, token string
}

func (s *system) login(name string) user {
	s.t.Helper()
	var answer struct {
		Token string `json:"access_token"`
	}
	resp := s.do("POST", s.api("/dev/login"), map[string]string{"user": name}, nil)
	if err := json.Unmarshal(resp.body, &answer); err != nil || answer.Token == "" {
		s.t.Fatalf("login: %d %s", resp.StatusCode, resp.body)
	}
	return user{s, name, answer.Token}
}

type response struct {
	*http.Response
	body []byte
}

var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: soon}

// do sends a request with a JSON body, if it has one.
func (s *system) do(method, url string, body any, header http.Header) response {
	s.t.Helper()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, url, in)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response{resp, out}
}

func (u user) header() http.Header { return http.Header{"Authorization": {"Bearer " + u.token}} }

// accepted is what a 202 says.
type accepted struct {
	Corr string `json:"_corr"`
	ID   string `json:"_id"`
}

// send posts a command, which must be taken.
func (u user) send(id string, command map[string]any) accepted {
	u.t.Helper()
	resp := u.do("POST", u.api("/api/board/task/"+id), command, u.header())
	var a accepted
	if err := json.Unmarshal(resp.body, &a); err != nil || resp.StatusCode != http.StatusAccepted {
		u.t.Fatalf("%v: %s %s", command, resp.Status, resp.body)
	}
	return a
}

// list reads the tasks that the user may see.
func (u user) list() []message {
	u.t.Helper()
	var answer struct{ Items []message }
	resp := u.do("GET", u.api("/api/board/task?fresh"), nil, u.header())
	if err := json.Unmarshal(resp.body, &answer); err != nil || resp.StatusCode != http.StatusOK {
		u.t.Fatalf("list: %s %s", resp.Status, resp.body)
	}
	return answer.Items
}

type message map[string]any

// stream is an open event stream.
type stream struct {
	t      *testing.T
	events chan sse.Event
	lastID string
	cut    func()
}

// redirect asks for a stream and returns where the edge is.
func (u user) redirect() *url.URL {
	u.t.Helper()
	resp := u.do("GET", u.api("/api/sse"), nil, http.Header{"Cookie": {"access_token=" + u.token}})
	at, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.StatusCode != http.StatusTemporaryRedirect {
		u.t.Fatalf("GET /api/sse: %s, Location %q", resp.Status, resp.Header.Get("Location"))
	}
	return at
}

// open opens a stream as a browser does, behind the event lastID.
func (u user) open(lastID string) *stream {
	u.t.Helper()
	return u.openAt(u.redirect().String(), lastID)
}

func (u user) openAt(url, lastID string) *stream {
	u.t.Helper()
	ctx, cut := context.WithCancel(u.t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Accept", sse.ContentType)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		u.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != sse.ContentType {
		u.t.Fatalf("stream: %s %v", resp.Status, resp.Header)
	}
	s := &stream{t: u.t, events: make(chan sse.Event, 1000), cut: cut, lastID: lastID}
	u.t.Cleanup(cut)
	go func() {
		defer close(s.events)
		defer resp.Body.Close()
		r := sse.NewReader(resp.Body)
		for {
			e, err := r.Next()
			if err != nil {
				return
			}
			s.events <- e
		}
	}()
	return s
}

// next waits for the next event that is no heartbeat.
func (s *stream) next() sse.Event {
	s.t.Helper()
	for {
		select {
		case e, ok := <-s.events:
			if !ok {
				s.t.Fatal("the stream has ended")
			}
			s.lastID = e.ID
			if e.Name != "ebb.mark" {
				return e
			}
		case <-time.After(soon):
			s.t.Fatalf("nothing came for %v", soon)
		}
	}
}

// own waits for one of Ebb's own events.
func (s *stream) own(name string) sse.Event {
	s.t.Helper()
	e := s.next()
	if e.Name != name {
		s.t.Fatalf("got %q %s, want %s", e.Name, e.Data, name)
	}
	return e
}

// reply waits for the next event, which must answer that command, and returns
// it. It must be a plain message of one line.
func (s *stream) reply(corr string) message {
	s.t.Helper()
	e := s.next()
	var m message
	if err := json.Unmarshal(e.Data, &m); err != nil || e.Name != "" || bytes.ContainsAny(e.Data, "\r\n") {
		s.t.Fatalf("got %q %q, want a reply", e.Name, e.Data)
	}
	if m["_corr"] != corr {
		s.t.Fatalf("got %s, want the answer to %s", e.Data, corr)
	}
	return m
}

func freeAddr(t testing.TB) string {
	t.Helper()
	addr, err := kafkatest.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
