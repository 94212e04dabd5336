package hold_test

import (
	"bufio"
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

type fill func(b []byte, now time.Time) ([]byte, hold.Next)

func (f fill) Fill(b []byte, now time.Time) ([]byte, hold.Next) { return f(b, now) }

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
func serve(t *testing.T, p *hold.Portable, s hold.Stream) (client net.Conn, ended chan error) {
	t.Helper()
	ended = make(chan error, 1)
	ln := &pipe{make(chan net.Conn, 1), make(chan struct{})}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ended <- p.Hold(r.Context(), w, s)
	})}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	client, server := net.Pipe()
	ln.conn <- server
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return client, ended
}

func TestReaderThatTakesNothingForAMinuteIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		_, ended := serve(t, hold.NewPortable(), fill(func(b []byte, _ time.Time) ([]byte, hold.Next) {
			return append(b, make([]byte, 100_000)...), hold.Next{More: true}
		}))
		if err := <-ended; !errors.Is(err, hold.ErrStalled) {
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
		client, ended := serve(t, hold.NewPortable(), fill(func(b []byte, _ time.Time) ([]byte, hold.Next) {
			left--
			return append(b, make([]byte, 40_000)...), hold.Next{More: left > 0, Done: left == 0}
		}))
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
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		client.Close()
		reading.Wait()
	})
}

func TestStreamIsAskedWhenWokenAndWhenItsTimeHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hold.NewPortable()
		begun := time.Now()
		var asked []time.Duration
		client, ended := serve(t, p, fill(func(b []byte, now time.Time) ([]byte, hold.Next) {
			asked = append(asked, now.Sub(begun))
			return b, hold.Next{At: now.Add(10 * time.Second), Done: len(asked) == 4}
		}))
		go io.Copy(io.Discard, client)
		time.Sleep(3 * time.Second)
		p.Wake()
		if err := <-ended; err != nil {
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

func TestStreamEndsWithItsContextAndItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idle := fill(func(b []byte, _ time.Time) ([]byte, hold.Next) { return b, hold.Next{} })
		client, ended := serve(t, hold.NewPortable(), idle)
		// The header comes at once, though there is nothing yet.
		if line, err := bufio.NewReader(client).ReadString('\n'); line != "HTTP/1.1 200 OK\r\n" {
			t.Errorf("got %q, %v", line, err)
		}
		go io.Copy(io.Discard, client)
		synctest.Wait()
		client.Close()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}
