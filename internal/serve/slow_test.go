package serve

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestAnswersThatNobodyTakesEnd after a minute, while those that are taken
// slowly may last (S50).
func TestAnswersThatNobodyTakesEnd(t *testing.T) {
	const size = 4 * piece
	for _, tt := range []struct {
		name  string
		pause time.Duration // before each piece is taken
		ends  time.Duration // of the handler; 0 if it may write all
	}{
		{"never", time.Hour, writeTimeout},
		{"slowly", 25 * time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				done := make(chan error, 1)
				began := time.Now()
				r := start(t, Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, err := w.Write(make([]byte, size))
					done <- err
				})})
				conn, err := r.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				reader := make(chan int64, 1)
				go func() {
					taken, b := int64(0), make([]byte, piece)
					for {
						time.Sleep(tt.pause)
						n, err := io.ReadFull(conn, b)
						if taken += int64(n); err != nil {
							reader <- taken
							return
						}
					}
				}()
				err = <-done
				if d := time.Since(began); tt.ends > 0 && (!errors.Is(err, os.ErrDeadlineExceeded) || d != tt.ends) || tt.ends == 0 && err != nil {
					t.Errorf("writing ended with %v after %v", err, d)
				}
				if taken := <-reader; tt.ends == 0 && taken < size {
					t.Errorf("%d bytes were taken, want %d and a header", taken, size)
				}
				conn.Close()
				r.stop()
				<-r.ended
			})
		})
	}
}

// TestSilenceIsNoStall: an answer may say nothing for long, over HTTP/2 too, and
// so may a connection between two requests.
func TestSilenceIsNoStall(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			io.WriteString(w, "x\n")
			http.NewResponseController(w).Flush()
			time.Sleep(3 * writeTimeout)
		}
		io.WriteString(w, "end\n")
	})
	hear := func(t *testing.T, r *running, url string) {
		resp, err := r.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "x\nx\nx\nend\n" {
			t.Errorf("%s: got %q, %v", resp.Proto, b, err)
		}
		resp.Body.Close()
	}
	synctest.Test(t, func(t *testing.T) {
		r := startTLS(t, Server{Handler: handler}, "h2")
		hear(t, r, "https://x/")
		r.CloseIdleConnections()
		r.stop()
		<-r.ended
	})
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Server{Handler: handler})
		hear(t, r, "http://x/")
		conn, err := r.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		for range 2 {
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(resp.Body); err != nil || len(b) != 10 {
				t.Errorf("got %q, %v", b, err)
			}
			time.Sleep(idleTimeout - time.Second) // longer than a piece may take
		}
		conn.Close()
		r.stop()
		<-r.ended
	})
}
