package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a listener without sockets, for bubbles.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
}

func newPipes() pipes { return pipes{make(chan net.Conn), make(chan struct{})} }

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.accept <- there:
		return here, nil
	case <-p.closed:
		return nil, errors.New("connection refused")
	}
}

// running is a server in a bubble, and a client of it.
type running struct {
	stop  func()
	ended chan error // what Run returns
	http.Client
	dial func(context.Context, string, string) (net.Conn, error)
}

func start(t *testing.T, s Server) *running {
	p := newPipes()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{stop: stop, ended: make(chan error, 1), dial: p.dial}
	r.Transport = &http.Transport{DialContext: p.dial, DisableKeepAlives: true}
	go func() { r.ended <- s.Run(ctx, p) }()
	return r
}

// held answers at once, and ends when end is closed.
func held(end <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "data: hello\n\n")
		w.(http.Flusher).Flush()
		select {
		case <-end:
			io.WriteString(w, "event: ebb.bye\ndata: \n\n")
		case <-r.Context().Done():
		}
	}
}

func TestServerListensUntilTheLastStreamHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end, gone := make(chan struct{}), make(chan struct{})
		var mux http.ServeMux
		mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) { held(end)(w, r); close(gone) })
		mux.HandleFunc("/short", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "short") })
		drain := func(ctx context.Context, grace time.Duration) error {
			if grace != 3*time.Second {
				t.Errorf("grace is %v, want 3 s", grace)
			}
			time.AfterFunc(2*time.Second, func() { close(end) })
			select {
			case <-gone:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		r := start(t, Server{Handler: &mux, Drain: drain})
		stream, err := r.Get("http://x/stream")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		r.stop()
		synctest.Wait()

		short, err := r.Get("http://x/short")
		if err != nil {
			t.Fatalf("a new connection while draining: %v", err)
		}
		if b, _ := io.ReadAll(short.Body); string(b) != "short" {
			t.Errorf("got %q", b)
		}
		if b, err := io.ReadAll(stream.Body); err != nil || !strings.HasSuffix(string(b), "ebb.bye\ndata: \n\n") {
			t.Errorf("the stream was %q, %v, want its end", b, err)
		}
		if err := <-r.ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if d := time.Since(began); d < 2*time.Second || d > 3*time.Second {
			t.Errorf("took %v, want as long as the stream", d)
		}
		if _, err := r.Get("http://x/short"); err == nil {
			t.Error("still listening")
		}
	})
}

func TestStubbornStreamIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drain := func(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }
		r := start(t, Server{Handler: held(nil), Drain: drain})
		stream, err := r.Get("http://x/")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		r.stop()
		if err := <-r.ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if d := time.Since(began); d < 3*time.Second || d > 4500*time.Millisecond {
			t.Errorf("took %v, want the grace and a second", d)
		}
		if _, err := io.ReadAll(stream.Body); err == nil {
			t.Error("the stream ended as if it were complete")
		}
	})
}

func TestShortRequestsFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			<-time.After(2 * time.Second)
			io.WriteString(w, "done")
		})})
		time.AfterFunc(time.Second, r.stop)
		answer, err := r.Get("http://x/")
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(answer.Body); string(b) != "done" {
			t.Errorf("got %q, %v", b, err)
		}
		if err := <-r.ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestSlowHeadersAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Server{Handler: http.NotFoundHandler()})
		conn, err := r.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		io.WriteString(conn, "GET / HTTP/1.1\r\n")
		io.ReadAll(conn)
		if d := time.Since(began); d != readHeaderTimeout {
			t.Errorf("cut off after %v, want %v", d, readHeaderTimeout)
		}
		r.stop()
		<-r.ended
	})
}

func TestLargeHeadersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Server{Handler: http.NotFoundHandler()})
		req := httptest.NewRequest("GET", "http://x/", nil)
		req.RequestURI = ""
		req.Header.Set("Cookie", strings.Repeat("x", 3*maxHeaderBytes))
		answer, err := r.Do(req)
		if err != nil || answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("got %v, %v, want 431", answer, err)
		}
		r.stop()
		<-r.ended
	})
}

func TestBrokenListenerIsAnError(t *testing.T) {
	p := newPipes()
	p.Close()
	if err := (Server{}).Run(t.Context(), p); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestListenNamesTheFlag(t *testing.T) {
	ln, err := Listen("127.0.0.1:0", "--edge-addr")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	addr := ln.Addr().String()
	for _, tt := range []struct{ addr, want string }{
		{addr, addr + " is in use (--edge-addr); choose another or stop what listens there"},
		{"nonsense", `cannot listen on "nonsense" (--edge-addr): address nonsense: missing port in address`},
		{"127.0.0.1:70000", `cannot listen on "127.0.0.1:70000" (--edge-addr): address 70000: invalid port`},
	} {
		other, err := Listen(tt.addr, "--edge-addr")
		if err == nil {
			other.Close()
		}
		if err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}
