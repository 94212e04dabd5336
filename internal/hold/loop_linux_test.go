package hold_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/hold"
)

// looped holds s in l.
func looped(t *testing.T, l *hold.Loop, s *stream) http.Handler {
	s.wake = s.conn.Wake
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		socket, err := l.Open(conn)
		if err != nil {
			t.Error(err)
			return
		}
		l.Hold(&s.conn, socket, []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), true, s)
	})
}

// loop holds s in a loop of its own.
func loop(t *testing.T, s *stream) http.Handler {
	l := new(hold.Loop)
	t.Cleanup(l.Close)
	return looped(t, l, s)
}

func TestLoop(t *testing.T) { testHolder(t, loop) }

func TestLoopOverTLS(t *testing.T) {
	testHolder(t, func(t *testing.T, s *stream) http.Handler { return overTLS{loop(t, s)} })
}

func TestLoopEndsItsStreams(t *testing.T) {
	s, l := newStream(func(b []byte, _ time.Time) ([]byte, hold.Next) { return b, hold.Next{} }), new(hold.Loop)
	dial(t, looped(t, l, s), 0)
	l.Close()
	if err := s.end(t); !errors.Is(err, hold.ErrStopped) {
		t.Errorf("ended with %v", err)
	}
}

func TestLoopEndsWhoTakesNothing(t *testing.T) {
	l := &hold.Loop{Stall: 300 * time.Millisecond}
	t.Cleanup(l.Close)
	s := newStream(func(b []byte, _ time.Time) ([]byte, hold.Next) {
		return append(b, make([]byte, 1<<20)...), hold.Next{More: true}
	})
	dial(t, looped(t, l, s), 4096)
	if err := s.end(t); !errors.Is(err, hold.ErrStalled) {
		t.Errorf("ended with %v", err)
	}
}

// TestLoopKeepsLittleForSlowReaders: what many sockets do not take is bounded,
// and who is over the bound comes back.
func TestLoopKeepsLittleForSlowReaders(t *testing.T) {
	l := &hold.Loop{Rest: 1}
	t.Cleanup(l.Close)
	endless := func(b []byte, _ time.Time) ([]byte, hold.Next) {
		return append(b, make([]byte, 16<<10)...), hold.Next{More: true}
	}
	ended := make(chan error, 10)
	for range 4 {
		s := newStream(endless)
		s.ended = ended
		dial(t, looped(t, l, s), 4096)
	}
	for range 4 {
		if err := (&stream{ended: ended}).end(t); !errors.Is(err, hold.ErrStalled) {
			t.Errorf("ended with %v", err)
		}
	}
}

func TestLoopIgnoresWhatClientsSay(t *testing.T) {
	var asked atomic.Int64
	s := newStream(func(b []byte, _ time.Time) ([]byte, hold.Next) {
		if asked.Add(1) == 1 {
			return append(b, "first"...), hold.Next{}
		}
		return append(b, "last"...), hold.Next{Done: true}
	})
	conn, resp := dial(t, loop(t, s), 0)
	first := make([]byte, 5)
	io.ReadFull(resp.Body, first)
	conn.Write(make([]byte, 300_000))
	s.wake()
	if got, err := io.ReadAll(resp.Body); string(first)+string(got) != "firstlast" && string(first)+string(got) != "firstlastlast" || err != nil {
		t.Errorf("got %q %q, %v", first, got, err)
	}
}

// TestLoopGivesBackWhatConnectionsCost: a held stream has no goroutine, and one
// that has ended no descriptor.
func TestLoopGivesBackWhatConnectionsCost(t *testing.T) {
	l := new(hold.Loop)
	streams := make(chan *stream, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := newStream(func(b []byte, _ time.Time) ([]byte, hold.Next) { return b, hold.Next{} })
		looped(t, l, s).ServeHTTP(w, r)
		streams <- s
	}))
	var bodies []io.Closer
	before := runtime.NumGoroutine()
	for range 100 {
		// Each has a transport of its own, of which nothing runs on the server's side.
		resp, err := (&http.Transport{}).RoundTrip(must(http.NewRequest("GET", srv.URL, nil)))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, resp.Body)
	}
	const clients, ours = 2 * 100, 20 // goroutines
	waitFor(t, "the handlers are done", func() bool { return runtime.NumGoroutine() < before+clients+ours })
	held := descriptors(t)
	for _, b := range bodies {
		b.Close()
	}
	for range 100 {
		s := <-streams
		if err := s.end(t); err == nil {
			t.Error("ended as if it were done")
		}
	}
	waitFor(t, "the descriptors are back", func() bool { return descriptors(t) <= held-200 })
	l.Close()
	srv.Close()
}

func descriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
