package hold_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ebb-events/ebb/internal/hold"
)

// stream is one that a test fills.
type stream struct {
	fill  func(b []byte, now time.Time) ([]byte, hold.Next)
	ended chan error // gets one thing
	told  atomic.Int64
	wake  func() // set before the first Fill
	conn  hold.Conn
}

func newStream(fill func(b []byte, now time.Time) ([]byte, hold.Next)) *stream {
	return &stream{fill: fill, ended: make(chan error, 2)}
}

func (s *stream) Fill(b []byte, now time.Time) ([]byte, hold.Next) { return s.fill(b, now) }
func (s *stream) Written()                                         { s.told.Add(1) }
func (s *stream) End(err error)                                    { s.ended <- err }

// end waits for how the stream ended.
func (s *stream) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the stream does not end")
		return nil
	}
}

// overTLS is a handler that is to be served so.
type overTLS struct{ http.Handler }

// dial serves one request and returns the client's socket and its response.
func dial(t *testing.T, h http.Handler, buffer int) (*net.TCPConn, *http.Response) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Listener = hold.Listen(srv.Listener)
	_, overTLS := h.(overTLS)
	if overTLS {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	socket, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	tcp := socket.(*net.TCPConn)
	if buffer > 0 {
		_ = tcp.SetReadBuffer(buffer)
	}
	conn := socket
	if overTLS {
		conn = tls.Client(socket, &tls.Config{InsecureSkipVerify: true})
	}
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return tcp, resp
}

// testHolder is what every holder does. holder returns a handler that holds s.
func testHolder(t *testing.T, holder func(t *testing.T, s *stream) http.Handler) {
	t.Run("header comes before there is anything", func(t *testing.T) {
		s := newStream(func(b []byte, _ time.Time) ([]byte, hold.Next) { return b, hold.Next{} })
		if _, resp := dial(t, holder(t, s), 0); resp.StatusCode != http.StatusOK {
			t.Errorf("got %s", resp.Status)
		}
	})
	t.Run("client that goes ends the stream", func(t *testing.T) {
		s := newStream(func(b []byte, _ time.Time) ([]byte, hold.Next) { return b, hold.Next{} })
		conn, _ := dial(t, holder(t, s), 0)
		conn.Close()
		if err := s.end(t); err == nil {
			t.Error("ended as if it were done")
		}
	})
	t.Run("done ends the body", func(t *testing.T) {
		s := newStream(func(b []byte, _ time.Time) ([]byte, hold.Next) {
			return append(b, "all"...), hold.Next{Done: true}
		})
		_, resp := dial(t, holder(t, s), 0)
		if got, err := io.ReadAll(resp.Body); string(got) != "all" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		if err := s.end(t); err != nil {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("asked when woken", func(t *testing.T) {
		var says atomic.Pointer[string]
		s := newStream(func(b []byte, _ time.Time) ([]byte, hold.Next) {
			if text := says.Swap(nil); text != nil {
				b = append(b, *text...)
			}
			return b, hold.Next{}
		})
		_, resp := dial(t, holder(t, s), 0)
		for i := range 100 {
			says.Store(new(fmt.Sprintf("%03d", i)))
			s.wake()
			got := make([]byte, 3)
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != fmt.Sprintf("%03d", i) {
				t.Fatalf("got %q, %v, want %d", got, err, i)
			}
		}
	})
	t.Run("asked when its time has come", func(t *testing.T) {
		var asked []time.Time
		s := newStream(func(b []byte, now time.Time) ([]byte, hold.Next) {
			asked = append(asked, now)
			return b, hold.Next{At: now.Add(150 * time.Millisecond), Done: len(asked) == 4}
		})
		_, resp := dial(t, holder(t, s), 0)
		io.Copy(io.Discard, resp.Body)
		if err := s.end(t); err != nil {
			t.Error(err)
		}
		for i := 1; i < len(asked); i++ {
			if gap := asked[i].Sub(asked[i-1]); gap < 150*time.Millisecond {
				t.Errorf("asked again after %v", gap)
			}
		}
	})
	t.Run("slow reader gets all in order and is asked no more than it takes", func(t *testing.T) {
		const parts, size = 4000, 4000
		var n atomic.Int64
		s := newStream(func(b []byte, _ time.Time) ([]byte, hold.Next) {
			i := n.Add(1) - 1
			b = append(b, bytes.Repeat([]byte{byte('a' + i%26)}, size)...)
			return b, hold.Next{More: i+1 < parts, Done: i+1 == parts}
		})
		conn, resp := dial(t, holder(t, s), 4096)
		same, last := 0, int64(0)
		waitFor(t, "the socket is full", func() bool {
			runtime.Gosched()
			if same++; n.Load() != last {
				same, last = 0, n.Load()
			}
			return same == 10_000 && last > 0
		})
		if last == parts {
			t.Error("all of it went out at once")
		}
		_ = conn.SetReadBuffer(1 << 20)
		got, err := io.ReadAll(resp.Body)
		if err != nil || len(got) != parts*size {
			t.Fatalf("got %d bytes, %v", len(got), err)
		}
		for i := range parts {
			if got[i*size] != byte('a'+i%26) || got[i*size+size-1] != byte('a'+i%26) {
				t.Fatalf("part %d is %q", i, got[i*size:i*size+10])
			}
		}
		if err := s.end(t); err != nil {
			t.Error(err)
		}
	})
	t.Run("told of what was written, and not before", func(t *testing.T) {
		const size = 16 << 20 // more than sockets take
		var s *stream
		var n atomic.Int64
		var told [4]int64 // at the beginning of each Fill
		s = newStream(func(b []byte, _ time.Time) ([]byte, hold.Next) {
			i := n.Add(1) - 1
			told[i] = s.told.Load()
			switch i {
			case 0:
				return append(b, "first"...), hold.Next{More: true}
			case 1:
				return append(b, make([]byte, size)...), hold.Next{More: true, Tell: true}
			case 2:
				return b, hold.Next{More: true}
			}
			return append(b, "last"...), hold.Next{Done: true, Tell: true}
		})
		conn, resp := dial(t, holder(t, s), 4096)
		waitFor(t, "it was asked for more than there is room for", func() bool { return n.Load() == 2 })
		if got := s.told.Load(); got != 0 {
			t.Errorf("told %d times of what nobody took", got)
		}
		_ = conn.SetReadBuffer(1 << 20)
		if n, err := io.Copy(io.Discard, resp.Body); n != size+9 || err != nil {
			t.Errorf("got %d bytes, %v", n, err)
		}
		if err := s.end(t); err != nil {
			t.Error(err)
		}
		if want := [4]int64{0, 0, 1, 1}; told != want || s.told.Load() != 2 {
			t.Errorf("told %v and %d in the end, want %v and 2", told, s.told.Load(), want)
		}
	})
	t.Run("many woken by many", func(t *testing.T) {
		var count atomic.Int64
		s := newStream(func(b []byte, _ time.Time) ([]byte, hold.Next) {
			done := count.Load() == 4000
			return append(b, '.'), hold.Next{Done: done}
		})
		_, resp := dial(t, holder(t, s), 0)
		var wakers sync.WaitGroup
		for range 4 {
			wakers.Go(func() {
				for range 1000 {
					count.Add(1)
					s.wake()
				}
			})
		}
		io.Copy(io.Discard, resp.Body)
		if err := s.end(t); err != nil {
			t.Error(err)
		}
		wakers.Wait()
	})
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("waited too long until %s", what)
		}
	}
}
