package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the scripts in testdata. Beside the commands of testscript
// they have those below. $BUSY is an address that is in use.
func TestScripts(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	t.Run("in", func(t *testing.T) { // waits for the parallel scripts
		testscript.Run(t, testscript.Params{
			Dir: "testdata",
			Setup: func(env *testscript.Env) error {
				s := &script{}
				env.Values["script"] = s
				env.Setenv("BUSY", ln.Addr().String())
				env.Setenv("GORACE", noRaceSleep)
				env.Defer(s.end)
				return nil
			},
			Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
				"fails":  fails,
				"narrow": narrow,
				"dev":    command((*script).dev),
				"stream": command((*script).stream),
				"bye":    command((*script).bye),
				"hold":   command((*script).hold),
				"signal": command((*script).signal),
				"unready": command(func(s *script, ts *testscript.TestScript, _ []string) error {
					return s.unready()
				}),
				"ended": command((*script).ended),
			},
		})
	})
}

// fails CODE COMMAND... runs a command that ends with an exit code soon, says
// why on one line of stderr, and nothing on stdout.
func fails(ts *testscript.TestScript, neg bool, args []string) {
	began := time.Now()
	err := ts.Exec(args[1], args[2:]...)
	took := time.Since(began)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != args[0] {
		ts.Fatalf("got %v, want exit code %s", err, args[0])
	}
	if lines := plainLines(strings.Split(ts.ReadFile("stderr"), "\n")); len(lines) != 1 {
		ts.Fatalf("got %d lines on stderr beside the log, want one: %q", len(lines), lines)
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("got %q on stdout", out)
	}
	if took > 7*time.Second {
		ts.Fatalf("took %v", took)
	}
}

// narrow N checks that no line of stdout has more than N characters.
func narrow(ts *testscript.TestScript, neg bool, args []string) {
	limit, err := strconv.Atoi(args[0])
	ts.Check(err)
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > limit {
			ts.Fatalf("%d characters: %s", n, line)
		}
	}
}

// script is what a script has running.
type script struct {
	*program
	token   string
	streams []*stream
	held    []net.Conn
	told    time.Time // when it was signalled last
	first   time.Time // when it was signalled first
}

func command(f func(s *script, ts *testscript.TestScript, args []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Check(f(ts.Value("script").(*script), ts, args))
	}
}

func (s *script) end() {
	for _, conn := range s.held {
		conn.Close()
	}
	for _, stream := range s.streams {
		stream.body.Close()
	}
	if s.program != nil {
		s.kill()
	}
}

// dev FLAG... starts ebb dev on free ports, with its data in data. Its broker
// is $KAFKA.
func (s *script) dev(ts *testscript.TestScript, flags []string) (err error) {
	if s.program != nil {
		<-s.program.ended // only one at a time, so that none is forgotten
	}
	s.first, s.streams = time.Time{}, nil
	if s.program, err = startDev(ts.MkAbs("."), clean(), flags...); err != nil {
		return err
	}
	ts.Setenv("KAFKA", s.addr["kafka"])
	s.token, err = s.login(context.Background(), "ann")
	return err
}

// stream opens a stream.
func (s *script) stream(ts *testscript.TestScript, _ []string) error {
	one, err := s.program.stream(context.Background(), s.token)
	s.streams = append(s.streams, one)
	return err
}

// bye REASON reads the streams to their ends, the last words being ebb.bye.
func (s *script) bye(_ *testscript.TestScript, args []string) error {
	for _, stream := range s.streams {
		last, data := "", ""
		for {
			e, err := stream.Next()
			if err != nil {
				break
			}
			last, data = e.Name, string(e.Data)
		}
		if last != "ebb.bye" || !strings.Contains(data, args[0]) {
			return fmt.Errorf("a stream ended with %q %s", last, data)
		}
	}
	return nil
}

// hold sends half a request, which an orderly end waits for.
func (s *script) hold(*testscript.TestScript, []string) error {
	conn, err := net.Dial("tcp", s.addr["gateway"])
	if err != nil {
		return err
	}
	s.held = append(s.held, conn)
	_, err = fmt.Fprintf(conn, "POST /api/board/task/0d9c1c5a-7d5a-4f6e-9a57-0123456789ab HTTP/1.1\r\nHost: x\r\n"+
		"Authorization: Bearer %s\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n", s.token)
	if err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, len("HTTP/1.1 100 Continue"))) // it reads the body now
	return err
}

// signal TERM|INT signals ebb dev.
func (s *script) signal(_ *testscript.TestScript, args []string) error {
	s.told = time.Now()
	if s.first.IsZero() {
		s.first = s.told
	}
	return s.cmd.Process.Signal(signals[args[0]])
}

var signals = map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}

// unready waits until ebb dev says that it is about to end.
func (s *script) unready() error {
	for {
		if ready, err := s.ready(); err != nil || !ready {
			return err
		}
	}
}

// ended CODE waits for ebb dev's end, in order and in time; ended TERM|INT for
// its death by a signal. Its output is stdout and stderr for the next command.
func (s *script) ended(ts *testscript.TestScript, args []string) error {
	limit, since := 5*time.Second, s.first
	want := "exit status " + args[0]
	if sig, ok := signals[args[0]]; ok {
		limit, since = 1500*time.Millisecond, s.told
		want = "signal: " + sig.String()
	}
	select {
	case <-s.program.ended:
	case <-time.After(patience):
	}
	if took := time.Since(since); took > limit {
		return fmt.Errorf("ended after %v, want %v", took, limit)
	}
	if got := s.cmd.ProcessState.String(); got != want {
		return fmt.Errorf("ended with %s, want %s", got, want)
	}
	if lines := plainLines(s.stderr); len(lines) > 0 {
		return fmt.Errorf("not JSON: %q", lines)
	}
	fmt.Fprintln(ts.Stdout(), strings.Join(s.stdout, "\n"))
	fmt.Fprintln(ts.Stderr(), strings.Join(s.stderr, "\n"))
	return nil
}
