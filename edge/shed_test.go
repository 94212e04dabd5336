package edge_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

// TestFullEdgeSendsAway: streams that are there live on, others come back, and
// find room when one has gone.
func TestFullEdgeSendsAway(t *testing.T) {
	asked := 0
	origin := func(w http.ResponseWriter, r *http.Request) { asked++; setUp(w, r) }
	serving(t, origin, func(c *edge.Config) { c.Streams = 2 }, func(s *site) {
		first, second := s.stream("/?u=ann"), s.stream("/?u=ann")
		first.want("ebb.hello")
		second.want("ebb.hello")
		asked = 0
		retries := map[time.Duration]bool{}
		for range 5 {
			p := s.stream("/?u=ann")
			e := p.want(`ebb.bye {"reason":"full"}`)
			if p.resp.StatusCode != 200 || e.Retry < 5*time.Second || e.Retry > 20*time.Second {
				t.Errorf("got %d, comes back after %v", p.resp.StatusCode, e.Retry)
			}
			retries[e.Retry] = true
			p.ended()
		}
		if len(retries) < 2 {
			t.Errorf("all come back after %v", retries)
		}
		if asked != 0 || s.tally.away["full"] != 5 {
			t.Errorf("the origin was asked %d times; sent away %v", asked, s.tally.away)
		}
		s.append(event("ann", 1, "1"))
		first.want("1")
		second.want("1")
		second.close()
		third := s.stream("/?u=ann")
		third.want("ebb.hello")
		first.close()
		third.close()
	})
}

// TestFullOfPolls: responses that are held take room too, and who waits for one
// at a full edge gets a 503.
func TestFullOfPolls(t *testing.T) {
	origin := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Grip-Hold", grip.ModeResponse)
		w.Header().Set("Grip-Channel", "c")
		w.Header().Set("Grip-Timeout", "10")
		io.WriteString(w, "nothing yet")
	}
	serving(t, origin, func(c *edge.Config) { c.Streams = 1 }, func(s *site) {
		first := s.asking("GET /")
		synctest.Wait()
		if resp := s.ask("GET /"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("got %s %v", resp.Status, resp.Header)
		} else {
			resp.Body.Close()
		}
		if got := text(t, <-first); got != "nothing yet" {
			t.Errorf("got %q", got)
		}
		if got := text(t, s.ask("GET /")); got != "nothing yet" { // there is room again
			t.Errorf("then got %q", got)
		}
	})
}

func TestShedAnswersEverybody(t *testing.T) {
	serving(t, nil, nil, func(s *site) {
		w := httptest.NewRecorder()
		s.edge.Shed(w, httptest.NewRequest("POST", "/", nil))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("got %d %v", w.Code, w.Header())
		}
		w = httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", sse.ContentType)
		s.edge.Shed(w, r)
		if e, err := sse.NewReader(w.Body).Next(); w.Code != 200 || e.Name != "ebb.bye" {
			t.Errorf("got %d %v, %v", w.Code, e, err)
		}
	})
}

func TestDrainingEdgeAsksNobody(t *testing.T) {
	serving(t, func(http.ResponseWriter, *http.Request) { panic("asked") }, nil, func(s *site) {
		s.edge.Drain(s.t.Context(), time.Second)
		p := s.stream("/")
		p.want(`ebb.bye {"reason":"draining"}`)
		p.ended()
	})
}

// TestSetupCallsAreBounded: an origin that is slow is not asked by everybody at
// once, who waits gets a turn, and who has waited too long comes back.
func TestSetupCallsAreBounded(t *testing.T) {
	const bound, more = 256, 50
	var mu sync.Mutex
	now, most := 0, 0
	origin := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		select {
		case <-time.After(3 * time.Second):
		case <-r.Context().Done():
		}
		mu.Lock()
		now--
		mu.Unlock()
		setUp(w, r)
	}
	in(t, nil, func(w *world) {
		w.origin = origin
		var clients []*client
		for range 2*bound + more { // the third lot would be asked about after 6 s
			clients = append(clients, w.connect("/?u=ann", ""))
		}
		hellos, byes := 0, 0
		for _, c := range clients {
			go c.read(1000)
		}
		time.Sleep(4 * time.Second)
		mu.Lock()
		if most != bound || now != bound {
			t.Errorf("%d calls at once, %d now, want %d", most, now, bound)
		}
		mu.Unlock()
		time.Sleep(3 * time.Second)
		for _, c := range clients {
			switch e := <-c.events; e.Name {
			case "ebb.hello":
				hellos++
			case "ebb.bye":
				byes++
			}
			c.cut()
		}
		if hellos != bound || byes != bound+more {
			t.Errorf("%d streams, %d sent away, want %d and %d", hellos, byes, bound, bound+more)
		}
	})
}

// TestTricklingSetupIsBounded: a byte now and then, in header or body, does not
// keep a browser waiting.
func TestTricklingSetupIsBounded(t *testing.T) {
	for name, answer := range map[string]string{
		"header": "HTTP/1.1 200 OK\r\nContent-Type: application/grip-instruct\r\nX-Slow: ",
		"body":   "HTTP/1.1 200 OK\r\nContent-Type: application/grip-instruct\r\nContent-Length: 1000\r\n\r\n",
		"hold":   "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nGrip-Hold: stream\r\nGrip-Channel: ann\r\nContent-Length: 1000\r\n\r\n",
		"chunks": "HTTP/1.1 200 OK\r\nContent-Type: application/grip-instruct\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			origin := func(w http.ResponseWriter, r *http.Request) {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				io.WriteString(conn, answer)
				for err == nil { // until the edge hangs up
					time.Sleep(time.Second)
					if name == "chunks" {
						_, err = io.WriteString(conn, "1\r\nx\r\n")
					} else {
						_, err = io.WriteString(conn, "x")
					}
				}
			}
			serving(t, origin, nil, func(s *site) {
				begun := time.Now()
				p := s.stream("/?u=ann")
				p.want(`ebb.bye {"reason":"unavailable"}`)
				p.ended()
				if d := time.Since(begun); d > 5*time.Second {
					t.Errorf("took %v", d)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
			})
		})
	}
}

// TestOriginInTroubleIsLoggedOnceInAWhile and not once for each browser.
func TestOriginInTroubleIsLoggedOnceInAWhile(t *testing.T) {
	var lines lineCounter
	serving(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }, func(c *edge.Config) { c.Logger = lines.logger() }, func(s *site) {
		for range 100 {
			p := s.stream("/")
			p.want(`ebb.bye {"reason":"unavailable"}`)
			p.ended()
		}
		if n := lines.count(); n != 1 {
			t.Errorf("%d lines", n)
		}
		time.Sleep(11 * time.Second)
		p := s.stream("/")
		p.want(`ebb.bye {"reason":"unavailable"}`)
		p.ended()
		if n := lines.count(); n != 2 {
			t.Errorf("%d lines 11 s later", n)
		}
	})
}

// lineCounter counts the lines of a log.
type lineCounter struct {
	mu sync.Mutex
	n  int
}

func (l *lineCounter) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *lineCounter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	return len(b), nil
}

func (l *lineCounter) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}
