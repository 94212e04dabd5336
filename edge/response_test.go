package edge_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
)

// poll is an origin of long-polls: ?wait= is the time-out, ?prev= the item that
// the client has.
func poll(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	ch := "ann"
	if prev := q.Get("prev"); prev != "" {
		ch += "; prev-id=" + prev
	}
	holdFor("nothing new", "Content-Type", "application/json", "Grip-Hold", "", "Grip-Channel", ch, "Set-Cookie", "a=1", "Set-Cookie", "b=2")(respond{w}, r)
}

// respond makes a hold one of mode response.
type respond struct{ http.ResponseWriter }

func (r respond) Write(b []byte) (int, error) {
	r.Header().Set("Grip-Hold", grip.ModeResponse)
	return r.ResponseWriter.Write(b)
}

// asking asks without waiting for the response.
func (s *site) asking(request string, headers ...string) chan *http.Response {
	got := make(chan *http.Response, 1)
	go func() { got <- s.ask(request, headers...) }()
	synctest.Wait()
	return got
}

// publishItem publishes one item, in JSON.
func (s *site) publishItem(format string, args ...any) {
	s.t.Helper()
	if rec := s.publish(`{"items":[` + fmt.Sprintf(format, args...) + `]}`); rec.Code != 200 {
		s.t.Fatalf("got %d %s", rec.Code, rec.Body)
	}
}

const answerItem = `{"channel":"ann","id":%q,"formats":{"http-response":{"code":201,"headers":{"content-type":"text/plain","X-New":"1"},"body":"news"},"http-stream":{"content":"data: news\n\n"}}}`

func TestPublishedResponseEndsTheWait(t *testing.T) {
	serving(t, poll, nil, func(s *site) {
		begun := time.Now()
		got := s.asking("GET /")
		stream := s.open("/?u=bob", "") // somebody else's
		s.publishItem(`{"channel":"ann","formats":{"http-stream":{"content":"data: for streams\n\n"}}}`)
		s.publishItem(`{"channel":"bob","formats":{"http-response":{"body":"for bob"}}}`)
		time.Sleep(20 * time.Second)
		s.publishItem(answerItem, "1")
		resp := <-got
		if body := text(t, resp); body != "news" || resp.StatusCode != 201 || time.Since(begun) != 20*time.Second {
			t.Errorf("got %d %q after %v", resp.StatusCode, body, time.Since(begun))
		}
		h := resp.Header
		if h.Get("Content-Type") != "text/plain" || h.Get("X-New") != "1" || len(h.Values("Set-Cookie")) != 2 || resp.ContentLength != 4 {
			t.Errorf("got %v, length %d", h, resp.ContentLength)
		}
		stream.cut()
	})
}

func TestHeldResponseGetsItsOwnWhenTimeIsUp(t *testing.T) {
	for name, tt := range map[string]struct {
		origin http.HandlerFunc
		after  time.Duration
	}{
		"default":   {poll, 55 * time.Second},
		"its own":   {jsonHold(`{"hold":{"channels":[{"name":"ann"}],"timeout":30},"response":{"body":"nothing new"}}`), 30 * time.Second},
		"the floor": {jsonHold(`{"hold":{"channels":[],"timeout":0},"response":{"body":"nothing new"}}`), 5 * time.Second},
	} {
		serving(t, tt.origin, nil, func(s *site) {
			begun := time.Now()
			resp := s.ask("GET /")
			if body := text(t, resp); body != "nothing new" || resp.StatusCode != 200 || time.Since(begun) != tt.after {
				t.Errorf("%s: got %d %q after %v, want %v", name, resp.StatusCode, body, time.Since(begun), tt.after)
			}
		})
	}
}

func TestWhatHasNoBodyDoesNotWait(t *testing.T) {
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "HEAD" {
			poll(w, r)
			return
		}
		w.Header().Set("Grip-Hold", grip.ModeResponse)
		w.Header().Set("Grip-Channel", "ann")
		w.WriteHeader(http.StatusNoContent)
	}, nil, func(s *site) {
		begun := time.Now()
		for request, want := range map[string]int{"HEAD /": 200, "GET /": 204} {
			resp := s.ask(request)
			if body := text(t, resp); body != "" || resp.StatusCode != want || time.Since(begun) != 0 {
				t.Errorf("%s: got %d %q after %v", request, resp.StatusCode, body, time.Since(begun))
			}
		}
	})
}

func TestHintAsksTheOriginAgainWithTheWholeRequest(t *testing.T) {
	for name, body := range map[string]string{"none": "", "one": "question", "too large": strings.Repeat("x", 100_001)} {
		var asked []string
		serving(t, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			asked = append(asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("X-Own")+" "+string(b))
			if len(asked) < 3 {
				poll(w, r)
				return
			}
			io.WriteString(w, "at last")
		}, nil, func(s *site) {
			got := make(chan *http.Response, 1)
			go func() { got <- s.send(s.t.Context(), strings.NewReader(body), "POST /p?a=b", "X-Own", "mine") }()
			synctest.Wait()
			want := "at last"
			for range 2 {
				s.publishItem(`{"channel":"ann","formats":{"http-response":{"action":"hint"},"http-stream":{"action":"hint"}}}`)
				time.Sleep(time.Second)
				synctest.Wait()
			}
			if name == "too large" {
				want = "nothing new" // what there is of it cannot be asked for again
			} else if len(asked) != 3 || asked[0] != asked[2] || asked[2] != "POST /p?a=b mine "+body {
				t.Errorf("%s: asked %q", name, asked)
			}
			if got := text(t, <-got); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		})
	}
}

// TestPollGoesOnBehindItsItem: what was published between the origin's look and
// the hold is not missed.
func TestPollGoesOnBehindItsItem(t *testing.T) {
	serving(t, poll, nil, func(s *site) {
		s.publishItem(answerItem, "1")
		s.publishItem(answerItem, "2")
		begun := time.Now()
		for prev, after := range map[string]time.Duration{"1": 0, "2": 55 * time.Second, "unknown": 55 * time.Second} {
			resp := s.ask("GET /?prev=" + prev)
			text(t, resp)
			if d := time.Since(begun); d != after || (resp.StatusCode == 201) != (after == 0) {
				t.Errorf("behind %s: got %d after %v, want %v", prev, resp.StatusCode, d, after)
			}
			begun = time.Now()
		}
	})
}

// TestAnyEdgeHearsAResponse: it is published at one and waited for at another.
func TestAnyEdgeHearsAResponse(t *testing.T) {
	serving(t, poll, nil, func(s *site) {
		got := s.asking("GET /")
		other := &world{t: s.t, log: s.log, origin: poll}
		stop := other.start(nil)
		defer stop()
		if rec := other.publish(`{"items":[` + fmt.Sprintf(answerItem, "1") + `]}`); rec.Code != 200 {
			t.Errorf("got %d", rec.Code)
		}
		if body := text(t, <-got); body != "news" {
			t.Errorf("got %q", body)
		}
	})
}

// TestBothFormatsOfAnItemAreOnePublication: a copy answers nobody again.
func TestBothFormatsOfAnItemAreOnePublication(t *testing.T) {
	serving(t, poll, nil, func(s *site) {
		first := s.asking("GET /")
		s.publishItem(answerItem, "1")
		text(t, <-first)
		second := s.asking("GET /")
		s.publishItem(answerItem, "1")
		select {
		case resp := <-second:
			t.Errorf("a copy answered with %d", resp.StatusCode)
		default:
		}
		s.publishItem(answerItem, "2")
		if resp := <-second; text(t, resp) != "news" {
			t.Errorf("got %d", resp.StatusCode)
		}
	})
	in(t, nil, func(w *world) { // and streams hear it once
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		for range 2 {
			w.publish(`{"items":[` + fmt.Sprintf(answerItem, "1") + `]}`)
		}
		w.publish(`{"items":[{"channel":"ann","http-response":{"body":"x"}},{"channel":"ann","http-response":{"action":"hint"}},{"channel":"ann","http-stream":{"content":"data: last\n\n"}}]}`)
		c.want("news", "last")
		c.silent()
		c.cut()
	})
}

func TestPollThatIsLeftLeavesNothing(t *testing.T) {
	outcomes := map[string]int{}
	serving(t, poll, func(c *edge.Config) { c.Metrics.Polled = func(outcome string) { outcomes[outcome]++ } }, func(s *site) {
		ctx, leave := context.WithCancel(s.t.Context())
		r := must(http.NewRequestWithContext(ctx, "GET", "http://edge/", nil))
		go s.http.Do(r)
		synctest.Wait()
		leave()
		synctest.Wait()
		got := s.asking("GET /")
		s.publishItem(answerItem, "1")
		text(t, <-got)
	})
	if outcomes["gone"] != 1 || outcomes["answered"] != 1 || len(outcomes) != 2 {
		t.Errorf("counted %v", outcomes)
	}
}

func TestDrainingAnswersWhoWaits(t *testing.T) {
	serving(t, poll, nil, func(s *site) {
		const n = 20
		var waiting []chan *http.Response
		for range n {
			waiting = append(waiting, s.asking("GET /"))
		}
		begun := time.Now()
		if err := s.edge.Drain(s.t.Context(), 10*time.Second); err != nil {
			t.Error(err)
		}
		if resp := s.ask("GET /"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("a new one got %d", resp.StatusCode)
		}
		for _, got := range waiting {
			if resp := <-got; text(t, resp) != "nothing new" {
				t.Errorf("got %d", resp.StatusCode)
			}
		}
		if d := time.Since(begun); d < time.Second || d > 10*time.Second {
			t.Errorf("all were answered within %v, want spread over the grace", d)
		}
	})
}

// TestPollThatMayHaveMissedSomethingAsksAgain: the log was read anew.
func TestPollThatMayHaveMissedSomethingAsksAgain(t *testing.T) {
	asked := 0
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 {
			poll(w, r)
			return
		}
		io.WriteString(w, "state")
	}, nil, func(s *site) {
		got := s.asking("GET /")
		s.log.change(func() { s.log.cut++ })
		if body := text(t, <-got); body != "state" || asked != 2 {
			t.Errorf("got %q, asked %d times", body, asked)
		}
	})
}

func TestEventSourceIsNotHeldForAnythingButAStream(t *testing.T) {
	serving(t, poll, nil, func(s *site) {
		p := s.stream("/")
		p.want(`ebb.bye {"reason":"unavailable"}`)
		p.ended()
	})
	serving(t, jsonHold(`{"hold":{"channels":[{"name":"ann"}]},"response":{"headers":{"Content-Type":"text/event-stream"},"body":""}}`), nil, func(s *site) {
		got := s.asking("GET /", "Accept", "text/event-stream")
		s.publishItem(`{"channel":"ann","http-response":{"body":"data: x\n\n"}}`)
		if resp := <-got; text(t, resp) != "data: x\n\n" || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("got %d %v", resp.StatusCode, resp.Header)
		}
	})
}

func TestPublishedResponseHasNoWordOfGrip(t *testing.T) {
	serving(t, poll, nil, func(s *site) {
		got := s.asking("GET /")
		s.append(channel.Record{Channel: "ann", Kind: channel.Answer, Data: []byte(`{"headers":{"Grip-Hold":"stream","Content-Length":"1","X-A":"b"},"body":"whole"}`)})
		resp := <-got
		if body := text(t, resp); body != "whole" || resp.Header.Get("Grip-Hold") != "" || resp.Header.Get("X-A") != "b" {
			t.Errorf("got %q %v", body, resp.Header)
		}
	})
}

func TestGripStatusAndExposedHeaders(t *testing.T) {
	headers := []string{"Grip-Status", "404 Not here", "Grip-Expose-Headers", "x-one, Content-Type", "X-One", "1", "X-Two", "2", "Content-Type", "text/plain"}
	for _, mode := range []string{"", "stream", "response"} {
		serving(t, func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			if mode != "" {
				w.Header().Set("Grip-Hold", mode)
				w.Header().Set("Grip-Channel", "ann")
			}
			io.WriteString(w, "not here")
		}, nil, func(s *site) {
			got := s.asking("GET /")
			s.append(channel.Record{Channel: "ann", Kind: channel.Close})
			resp := <-got
			body := text(t, resp)
			if body != "not here" || resp.StatusCode != 404 || resp.Header.Get("X-One") != "1" || resp.Header.Get("X-Two") != "" || resp.Header.Get("Content-Type") != "text/plain" {
				t.Errorf("%q: got %d %q %v", mode, resp.StatusCode, body, resp.Header)
			}
		})
	}
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Grip-Status", "304")
		io.WriteString(w, "a body that 304 cannot have")
	}, nil, func(s *site) {
		for range 2 { // the connection is still good
			if resp := s.ask("GET /"); text(t, resp) != "" || resp.StatusCode != 304 {
				t.Errorf("got %d", resp.StatusCode)
			}
		}
	})
}
