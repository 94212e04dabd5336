package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestOutOfDescriptors runs itself as a server that may have few of them.
func TestOutOfDescriptors(t *testing.T) {
	if os.Getenv("FEW_DESCRIPTORS") != "" {
		serveWithFew(t)
		return
	}
	self := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOutOfDescriptors$")
	self.Env = append(os.Environ(), "FEW_DESCRIPTORS=1")
	stdin, _ := self.StdinPipe()
	stdout, _ := self.StdoutPipe()
	stderr, _ := self.StderrPipe()
	if err := self.Start(); err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	var reading sync.WaitGroup
	reading.Go(func() { io.Copy(&logged, stderr) })
	out := bufio.NewReader(stdout)
	addr, err := out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	s := crowd{t: t, addr: strings.TrimSpace(addr)}

	// As many streams as go in, and then some.
	for s.open() {
		if len(s.streams) > 100 {
			t.Fatal("it takes all")
		}
	}
	held := len(s.streams)
	if held < 20 {
		t.Errorf("only %d streams were taken", held)
	}
	for range 50 {
		s.open()
	}
	// Those who say nothing do not lock the others out for long.
	var silent []net.Conn
	for range 2 * spares {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, conn)
	}
	began := time.Now()
	s.open()
	if d := time.Since(began); d > 3*shedTime {
		t.Errorf("answered after %v", d)
	}
	for _, conn := range silent {
		conn.Close()
	}
	if more := len(s.streams) - held; more > spares { // one may slip in while a spare is given back
		t.Errorf("%d more were taken", more)
	}
	// The old ones live.
	for i, stream := range s.streams {
		if _, err := io.WriteString(stream.conn, "GET /more HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Errorf("stream %d: %v", i, err)
		}
		if line, err := stream.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 200") {
			t.Errorf("stream %d: %q, %v", i, line, err)
		}
	}
	// And there is room again when they go.
	for _, stream := range s.streams[:10] {
		stream.conn.Close()
	}
	gone := s.streams[10:]
	s.streams = nil
	for late := time.After(10 * time.Second); !s.open(); { // it has to notice first
		select {
		case <-late:
			t.Fatal("there is no room")
		default:
		}
	}
	for _, stream := range append(gone, s.streams...) {
		stream.conn.Close()
	}
	stdin.Close()
	io.Copy(io.Discard, out)
	reading.Wait()
	if err := self.Wait(); err != nil {
		t.Errorf("%v; it said %s", err, &logged)
	}
	if n := strings.Count(logged.String(), "no file descriptors left"); n != 1 {
		t.Errorf("told %d times: %s", n, &logged)
	}
	if used := self.ProcessState.UserTime() + self.ProcessState.SystemTime(); used > 3*time.Second {
		t.Errorf("took %v of a processor", used)
	}
}

// serveWithFew serves until stdin ends. Connections are kept after each answer,
// which is as good as a stream here.
func serveWithFew(t *testing.T) {
	ln, err := Listen("127.0.0.1:0", "--addr")
	if err != nil {
		t.Fatal(err)
	}
	few := syscall.Rlimit{Cur: 64, Max: 64}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	if OpenFileLimit() != 64 {
		t.Errorf("the limit is %d", OpenFileLimit())
	}
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s := Server{Handler: answer("welcome"), Full: answer("full"), Log: slog.New(slog.NewJSONHandler(os.Stderr, nil))}
	go func() { ended <- s.Run(ctx, ln) }()
	fmt.Println(ln.Addr())
	io.Copy(io.Discard, os.Stdin)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// crowd opens connections until there are too many.
type crowd struct {
	t       *testing.T
	addr    string
	streams []taken
}

type taken struct {
	*bufio.Reader
	conn net.Conn
}

// open tells whether one more connection was taken. Otherwise it was sent away
// with an answer.
func (c *crowd) open() bool {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	one := taken{bufio.NewReader(conn), conn}
	resp, err := http.ReadResponse(one.Reader, nil)
	if err != nil {
		c.t.Fatalf("with %d streams: %v", len(c.streams), err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if string(body) == "welcome" {
		c.streams = append(c.streams, one)
		return true
	}
	defer conn.Close()
	if string(body) != "full" || !resp.Close {
		c.t.Errorf("got %q, close %v", body, resp.Close)
	}
	if b, err := io.ReadAll(one); len(b) > 0 || err != nil {
		c.t.Errorf("behind the answer: %q, %v", b, err)
	}
	return false
}

// broke is a listener that has no descriptors for a while.
type broke struct {
	pipes
	calls int
	until time.Time
}

func (b *broke) Accept() (net.Conn, error) {
	b.calls++
	if time.Now().Before(b.until) {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return b.pipes.Accept()
}

// TestOutOfDescriptorsIsNoBusyLoop where even spare ones do not help, and it is
// told once for each time that they are out.
func TestOutOfDescriptorsIsNoBusyLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := &broke{pipes: newPipes()}
		var told, over int
		s := newSparing(ln, slog.New(counting{slog.DiscardHandler, func(level slog.Level) {
			if level == slog.LevelError {
				told++
			} else {
				over++
			}
		}}))
		for len(s.slots) > 0 { // somebody else has them all
			if f := <-s.slots; f != nil {
				f.Close()
			}
		}
		for range spares {
			s.slots <- nil
		}
		closeAll := openAll(t)
		for episode := range 2 {
			ln.calls, ln.until = 0, time.Now().Add(time.Minute)
			accepted := make(chan net.Conn)
			go func() {
				conn, err := s.Accept()
				if err != nil {
					t.Error(err)
				}
				accepted <- conn
			}()
			here, err := ln.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			(<-accepted).Close()
			here.Close()
			if ln.calls > int(time.Minute/shedPause)+10 {
				t.Errorf("%d calls in a minute", ln.calls)
			}
			if told != episode+1 {
				t.Errorf("told %d times, want %d", told, episode+1)
			}
			time.Sleep(time.Minute)
			s.calm()
			if over != episode+1 {
				t.Errorf("told %d times that it is over, want %d", over, episode+1)
			}
		}
		closeAll()
		s.Close()
		if _, err := s.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// openAll makes this process have no descriptors left.
func openAll(t *testing.T) (closeAll func()) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := syscall.Rlimit{Cur: 3, Max: before.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	return func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) }
}

// counting is told the level of each line of a log.
type counting struct {
	slog.Handler
	line func(slog.Level)
}

func (c counting) Enabled(context.Context, slog.Level) bool { return true }
func (c counting) Handle(_ context.Context, r slog.Record) error {
	c.line(r.Level)
	return nil
}
