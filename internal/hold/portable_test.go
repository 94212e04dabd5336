package hold_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/internal/hold"
)

// portable is a handler that holds s.
func portable(_ *testing.T, s *stream) http.Handler {
	p := hold.NewPortable()
	s.wake = p.Wake
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.Hold(r.Context(), w, s) })
}

func TestPortable(t *testing.T) { testHolder(t, portable) }

func TestPortableEndsWithItsContext(t *testing.T) {
	s := newStream(func(b []byte, _ time.Time) ([]byte, hold.Next) { return b, hold.Next{} })
	ctx, cancel := context.WithCancel(t.Context())
	p := hold.NewPortable()
	dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.Hold(ctx, w, s) }), 0)
	cancel()
	if err := s.end(t); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

// pipe is one connection, for a server in a bubble.
type pipe struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conn:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipe) Close() error   { close(p.closed); return nil }
func (p *pipe) Addr() net.Addr { return &net.TCPAddr{} }

// serve holds s on the server's end of a pipe and returns the client's, with
// the request sent.
func serve(t *testing.T, s *stream) (client net.Conn) {
	t.Helper()
	ln := &pipe{make(chan net.Conn, 1), make(chan struct{})}
	srv := &http.Server{Handler: portable(t, s)}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	client, server := net.Pipe()
	ln.conn <- server
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return client
}

func TestReaderThatTakesNothingForAMinuteIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		s := newStream(func(b []byte, _ time.Time) ([]byte, hold.Next) {
			return append(b, make([]byte, 100_000)...), hold.Next{More: true}
		})
		serve(t, s)
		if err := <-s.ended; !errors.Is(err, hold.ErrStalled) {
			t.Errorf("ended with %v", err)
		}
		if after := time.Since(begun); after != time.Minute {
			t.Errorf("ended after %v, want a minute", after)
		}
	})
}

func TestSlowReaderIsNotEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := 5
		s := newStream(func(b []byte, _ time.Time) ([]byte, hold.Next) {
			left--
			return append(b, make([]byte, 40_000)...), hold.Next{More: left > 0, Done: left == 0}
		})
		client := serve(t, s)
		var reading sync.WaitGroup
		reading.Go(func() {
			buf := make([]byte, 8192)
			for {
				time.Sleep(10 * time.Second)
				if _, err := client.Read(buf); err != nil {
					return
				}
			}
		})
		if err := <-s.ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		client.Close()
		reading.Wait()
	})
}

func TestStreamIsAskedWhenWokenAndWhenItsTimeHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var asked []time.Duration
		s := newStream(func(b []byte, now time.Time) ([]byte, hold.Next) {
			asked = append(asked, now.Sub(begun))
			return b, hold.Next{At: now.Add(10 * time.Second), Done: len(asked) == 4}
		})
		client := serve(t, s)
		go io.Copy(io.Discard, client)
		time.Sleep(3 * time.Second)
		s.wake()
		if err := <-s.ended; err != nil {
			t.Error(err)
		}
		want := []time.Duration{0, 3 * time.Second, 13 * time.Second, 23 * time.Second}
		for i := range want {
			if asked[i] != want[i] {
				t.Fatalf("asked at %v, want %v", asked, want)
			}
		}
	})
}
