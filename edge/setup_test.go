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
	"github.com/ebb-events/ebb/sse"
)

// jsonHold answers with a JSON instruct.
func jsonHold(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", grip.InstructType)
		io.WriteString(w, body)
	}
}

// TestSetupFaults: whatever goes wrong at the set-up endpoint, an EventSource
// gets what it comes back from by itself, soon, and each at another time.
func TestSetupFaults(t *testing.T) {
	hang := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	tests := []struct {
		name   string
		origin http.HandlerFunc
		status int // for the metric
		other  int // for who is no EventSource; 0: not asked
	}{
		{"hangs", hang, 0, 0},
		{"hangs in the body", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", grip.InstructType)
			io.WriteString(w, `{"hold":`)
			w.(http.Flusher).Flush()
			hang(w, r)
		}, 200, 0},
		{"begins with a body without end", func(w http.ResponseWriter, r *http.Request) {
			holdFor("data: x\n\n", "Grip-Channel", "ann")(w, r)
			w.(http.Flusher).Flush()
			hang(w, r)
		}, 200, 0},
		{"500", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", 500) }, 500, 500},
		{"503", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }, 503, 503},
		{"refuses connections", nil, 0, 502},
		{"drops the connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, 502},
		{"drops it in the body", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			holdFor("half", "Grip-Channel", "ann")(w, r)
		}, 200, 502},
		{"huge header", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Huge", strings.Repeat("x", 70<<10))
			setUp(w, r)
		}, 0, 502},
		{"huge JSON", jsonHold(`{"hold":{"mode":"stream","channels":[{"name":"ann"}]},"response":{"body":"` + strings.Repeat("x", 100_000) + `"}}`), 200, 502},
		{"huge body", holdFor(strings.Repeat("x", 1<<20+1), "Grip-Channel", "ann"), 200, 502},
		{"wrong content type", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<h1>We are updating</h1>")
		}, 200, 200},
		{"no JSON", jsonHold("<h1>"), 200, 502},
		{"empty JSON instruct", jsonHold(""), 200, 502},
		{"JSON instruct with another status", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", grip.InstructType)
			w.WriteHeader(201)
		}, 201, 502},
		{"JSON hold of an unknown mode", jsonHold(`{"hold":{"mode":"x","channels":[]}}`), 200, 502},
		{"JSON hold of a response", jsonHold(`{"hold":{"channels":[{"name":"ann"}]}}`), 200, 200},
		{"hold of a response", holdFor("", "Grip-Hold", "x"), 200, 0},
		{"malformed keep-alive", holdFor("", "Grip-Channel", "ann", "Grip-Keep-Alive", "x; timeout=soon"), 200, 502},
		{"unknown keep-alive format", holdFor("", "Grip-Channel", "ann", "Grip-Keep-Alive", "x; format=rot13"), 200, 502},
	}
	tests[17].origin = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Grip-Hold", grip.ModeResponse)
		w.Header().Set("Grip-Channel", "ann")
	}
	tests[17].other = 200
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			serving(t, tt.origin, nil, func(s *site) {
				if tt.origin == nil {
					s.back.Close()
				}
				retries := map[time.Duration]bool{}
				for range 3 {
					begun := time.Now()
					p := s.stream("/api/sse-setup?u=ann")
					e := p.want(`ebb.bye {"reason":"unavailable"}`)
					retries[e.Retry] = true
					if e.Retry < time.Second || e.Retry > 4*time.Second || e.ID != "" {
						t.Errorf("comes back after %v with id %q", e.Retry, e.ID)
					}
					p.ended()
					if d := time.Since(begun); d > 5*time.Second {
						t.Errorf("took %v", d)
					}
					h := p.resp.Header
					if p.resp.StatusCode != 200 || h.Get("Content-Type") != sse.ContentType || h.Get("Cache-Control") != "no-store" || h.Get("Access-Control-Allow-Origin") != "*" {
						t.Errorf("got %d %v", p.resp.StatusCode, h)
					}
				}
				if len(retries) < 2 {
					t.Errorf("all come back after %v", retries)
				}
				if got := s.tally.origin; got[tt.status] != 3 || len(got) != 1 {
					t.Errorf("counted as %v, want 3 of %d", got, tt.status)
				}
				if tt.other != 0 {
					if resp := s.ask("GET /api/sse-setup?u=ann"); resp.StatusCode != tt.other {
						t.Errorf("others got %d, want %d", resp.StatusCode, tt.other)
					} else {
						text(t, resp)
					}
				}
				if s.tally.opened != 0 {
					t.Errorf("%d streams were opened", s.tally.opened)
				}
			})
		})
	}
}

func TestSlowSetupIsWaitedFor(t *testing.T) {
	serving(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(4900 * time.Millisecond)
		setUp(w, r)
	}, nil, func(s *site) {
		p := s.stream("/?u=ann")
		p.want("ebb.hello")
		s.append(event("ann", 1, "1"))
		p.want("1")
		p.close()
	})
}

// TestClientThatLeavesDuringSetupLeavesNothing: the bubble does not end while a
// goroutine is left.
func TestClientThatLeavesDuringSetupLeavesNothing(t *testing.T) {
	serving(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(c *edge.Config) { c.Wait = time.Hour }, func(s *site) {
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		r := must(http.NewRequestWithContext(ctx, "GET", "http://edge/", nil))
		r.Header.Set("Accept", sse.ContentType)
		if _, err := s.http.Do(r); err == nil {
			t.Error("got an answer")
		}
		synctest.Wait()
		if len(s.tally.origin) > 0 {
			t.Errorf("counted as %v", s.tally.origin)
		}
	})
}

// TestClientThatLeavesLeavesNothing: while its cursor is judged, while the log
// is read for it, and when it is live.
func TestClientThatLeavesLeavesNothing(t *testing.T) {
	old := channel.Cursor{Generation: channel.Generation{1}, Partition: annIn, Offset: -1, Proof: proof}.String()
	for _, away := range []bool{true, false} {
		for _, window := range []int64{1, 1 << 20} {
			for _, cursor := range []string{"", old, "17"} {
				in(t, func(c *edge.Config) { c.Window = window }, func(w *world) {
					for i := range int64(20) {
						w.append(event("ann", i, strings.Repeat("x", 20_000)))
					}
					w.log.change(func() { w.log.away = away })
					unread := w.connect("/?u=ann", cursor)
					read := w.open("/?u=ann", cursor)
					time.Sleep(time.Second)
					unread.cut()
					read.cut()
					if w.edge.Streams() != 0 {
						t.Errorf("%d left", w.edge.Streams())
					}
				})
			}
		}
	}
}

func TestHeaderInstructHolds(t *testing.T) {
	origin := holdFor("", "Grip-Channel", "ann", "Grip-Keep-Alive", `:\n\n; format=cstring; timeout=10`,
		"Grip-Set-Meta", `ebb-session="s", ebb-proof="`+proof+`"`, "Grip-Set-Meta", "ebb-ttl=3600", "Cache-Control", "no-cache", "Set-Cookie", "a=1", "Set-Cookie", "b=2")
	serving(t, origin, nil, func(s *site) {
		begun := time.Now()
		p := s.stream("/")
		hello := p.want("ebb.hello")
		cursor, err := channel.ParseCursor(hello.ID)
		if err != nil || cursor.Proof != proof {
			t.Errorf("hello at %q, %v: the session's proof is %s", hello.ID, err, proof)
		}
		if hello.Retry == 0 || time.Since(begun) != 0 {
			t.Errorf("first bytes after %v, retry %v", time.Since(begun), hello.Retry)
		}
		h := p.resp.Header
		if h.Get("Cache-Control") != "no-cache" || len(h.Values("Set-Cookie")) != 2 || h.Get("X-Accel-Buffering") != "no" || p.resp.ContentLength >= 0 {
			t.Errorf("got %v", h)
		}
		p.want("ebb.mark")
		if d := time.Since(begun); d != 10*time.Second {
			t.Errorf("marked after %v, want the origin's 10 s", d)
		}
		s.append(event("ann", 1, "1"))
		p.want("1")
		p.close()
	})
}

// TestMetaOfAnotherBackEndIsNoSession: names are everybody's, but for ours.
func TestMetaOfAnotherBackEndIsNoSession(t *testing.T) {
	origin := holdFor("", "Grip-Channel", "ann", "Grip-Set-Meta", `session="s", proof="`+proof+`", ttl=5`)
	serving(t, origin, nil, func(s *site) {
		p := s.stream("/", "Last-Event-ID", "17") // of the back end's own
		hello := p.want("ebb.hello")
		if cursor, err := channel.ParseCursor(hello.ID); err != nil || cursor.Proof != "" {
			t.Errorf("hello at %q, %v, want no proof", hello.ID, err)
		}
		p.want("ebb.mark") // and no end after five seconds
		p.close()
	})
}

func TestKeepAliveByIntervalComesAlsoWhereThereAreEvents(t *testing.T) {
	for mode, want := range map[string]int{"interval": 6, "idle": 0} {
		origin := holdFor("", "Content-Type", "text/plain", "Grip-Channel", "ann", "Grip-Keep-Alive", "-; timeout=10; mode="+mode)
		serving(t, origin, nil, func(s *site) {
			resp := s.ask("GET /")
			got := make(chan string)
			go func() {
				b, _ := io.ReadAll(resp.Body)
				got <- string(b)
			}()
			synctest.Wait()
			time.Sleep(time.Second) // not when a heartbeat is due
			for range 12 {
				s.append(channel.Record{Channel: "ann", Kind: channel.Raw, Data: []byte("x")})
				time.Sleep(5 * time.Second)
			}
			s.append(channel.Record{Channel: "ann", Kind: channel.Close})
			if text := <-got; strings.Count(text, "-") != want || strings.Count(text, "x") != 12 {
				t.Errorf("%s: got %q, want %d keep-alives", mode, text, want)
			}
		})
	}
}

func TestKeepAliveContentIsSentAndMixesWithNothing(t *testing.T) {
	for _, content := range []string{":", "data: ka", "event: ka\ndata: ka\r\n", "data: ka\n\n", ""} {
		serving(t, jsonHold(fmt.Sprintf(`{"hold":{"mode":"stream","channels":[{"name":"ann"}],"keep-alive":{"content":%q,"timeout":3}},"response":{"headers":{"Content-Type":"text/event-stream"}}}`, content)), nil, func(s *site) {
			p := s.stream("/")
			p.want("ebb.hello")
			for range 2 {
				switch {
				case strings.HasPrefix(content, "event"):
					p.want("ka ka")
				case strings.HasPrefix(content, "data"):
					p.want("ka")
				}
				p.want("ebb.mark")
			}
			p.close()
		})
	}
}

func TestSeveralChannels(t *testing.T) {
	for _, channels := range [][]string{{"ann, bob"}, {"ann", "bob,ann"}} {
		var headers []string
		for _, c := range channels {
			headers = append(headers, "Grip-Channel", c)
		}
		serving(t, holdFor("", headers...), nil, func(s *site) {
			p := s.stream("/", "Last-Event-ID", "17")
			p.want("ebb.hello")
			s.append(event("ann", 1, "1"))
			p.want("1")
			s.append(channel.Record{Channel: "bob", Kind: channel.Raw, Data: []byte("data: raw\r\n\r\n")}, event("cid", 2, "no"))
			p.want("raw")
			s.append(event("ann", 3, "3"))
			if e := p.want("3"); e.ID != "" {
				t.Errorf("its id is %q, which cannot be a position in two channels", e.ID)
			}
			p.want("ebb.mark")
			p.close()
		})
	}
}

// TestBurstOnSeveralChannelsNeedsNoHeartbeat: what does not fit into one write
// goes out with the next, not with the next event.
func TestBurstOnSeveralChannelsNeedsNoHeartbeat(t *testing.T) {
	serving(t, holdFor("", "Grip-Channel", "ann, bob"), nil, func(s *site) {
		p := s.stream("/")
		p.want("ebb.hello")
		var burst []channel.Record
		for i := range int64(5000) {
			burst = append(burst, event("ann", i, fmt.Sprint(i)))
		}
		begun := time.Now()
		s.append(burst...)
		for i := range burst {
			p.want(fmt.Sprint(i))
		}
		if d := time.Since(begun); d != 0 {
			t.Errorf("took %v", d)
		}
		p.close()
	})
}

func TestHoldWithAnotherStatus(t *testing.T) {
	serving(t, jsonHold(`{"hold":{"mode":"stream","channels":[{"name":"ann"}]},"response":{"code":403,"headers":{"Content-Type":"text/event-stream"},"body":"data: no\n\n"}}`), nil, func(s *site) {
		p := s.stream("/")
		p.want("no", "ebb.hello")
		if p.resp.StatusCode != 403 {
			t.Errorf("got %d", p.resp.StatusCode)
		}
		p.close()
	})
}

func TestHoldWithoutChannels(t *testing.T) {
	serving(t, holdFor("data: x\n\n"), nil, func(s *site) {
		p := s.stream("/")
		p.want("x")
		time.Sleep(time.Minute)
		go s.edge.Drain(s.t.Context(), time.Second)
		p.want(`ebb.bye {"reason":"draining"}`)
		p.ended()
	})
}

// TestInitialBodyComesFirstAndNothingIsLostBehindIt: the stream is subscribed
// before its first byte, however slow the client is.
func TestInitialBodyComesFirstAndNothingIsLostBehindIt(t *testing.T) {
	initial := strings.Repeat("data: initial\n\n", 10_000)
	in(t, nil, func(w *world) {
		w.origin = holdFor(initial, "Grip-Channel", "ann")
		c := w.connect("/?u=ann", "")
		synctest.Wait() // nobody reads
		w.append(event("ann", 1, "1"))
		go c.read(16)
		for range 10_000 {
			c.want("initial")
		}
		c.want("ebb.hello", "1")
		c.silent()
		c.cut()
	})
}

// TestInitialBodyMixesWithNothing, also where it does not end with a block.
func TestInitialBodyMixesWithNothing(t *testing.T) {
	for body, want := range map[string]string{
		"": "", ":hello": "", "data: x": "x", "data: x\n": "x", "data: x\r": "x", "data: x\r\n": "x", "data: x\r\r": "x", "data: x\r\n\r\n": "x", "event: a\n": "", "data: x\n\nevent: b": "x",
		"retry: 9000\ndata: x\n\n": "x",
	} {
		serving(t, holdFor(body, "Grip-Channel", "ann"), nil, func(s *site) {
			p := s.stream("/")
			if want != "" {
				e := p.want(want)
				if strings.Contains(body, "retry") != (e.Retry == 9*time.Second) {
					t.Errorf("retry is %v", e.Retry)
				}
			}
			if e := p.want("ebb.hello"); strings.Contains(body, "retry") != (e.Retry == 0) {
				t.Errorf("%q: retry is %v", body, e.Retry)
			}
			p.close()
		})
	}
}

func TestPlainTextGetsWhatWasPublishedAndNothingElse(t *testing.T) {
	for _, ka := range []bool{false, true} {
		headers := []string{"Content-Type", "text/plain", "Grip-Channel", "ann"}
		if ka {
			headers = append(headers, "Grip-Keep-Alive", "-; timeout=55")
		}
		serving(t, holdFor("first ", headers...), nil, func(s *site) {
			resp := s.ask("GET /") // the header comes before anything is published
			r := resp.Body
			want := func(want string) {
				t.Helper()
				b := make([]byte, len(want))
				if _, err := io.ReadFull(r, b); err != nil || string(b) != want {
					t.Errorf("got %q, %v, want %q", b, err, want)
				}
			}
			want("first ")
			for _, content := range []string{"one", "\xff\x00", "data: x\n\n", "data: x\r\n\r\n", "id: 7\ndata: x\n\n", "data: x\n\n\n", "data: x\r\r", "\n"} {
				s.append(channel.Record{Channel: "ann", Kind: channel.Raw, Data: []byte(content)})
				want(content)
			}
			if ka {
				begun := time.Now()
				want("-")
				if d := time.Since(begun); d != 55*time.Second {
					t.Errorf("kept alive after %v, want 55 s", d)
				}
			} else {
				time.Sleep(time.Hour)
			}
			s.append(channel.Record{Channel: "ann", Kind: channel.Close})
			rest, err := io.ReadAll(r)
			if len(rest) > 0 || err != nil {
				t.Errorf("got %q, %v", rest, err)
			}
			r.Close()
			synctest.Wait()
			if s.tally.closed["closed"] != 1 {
				t.Errorf("closed %v", s.tally.closed)
			}
		})
	}
}

func TestRefusedHoldsOfOtherKindsGet503(t *testing.T) {
	serving(t, holdFor("", "Content-Type", "text/plain", "Grip-Channel", "ann"), nil, func(s *site) {
		s.edge.Drain(s.t.Context(), time.Second)
		resp := s.ask("GET /")
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("got %d", resp.StatusCode)
		}
		text(t, resp)
	})
}

// TestStartingEdgeSendsBack: until the log was read, streams are sent away with
// a time to come back, and leave nothing.
func TestStartingEdgeSendsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, log: newLog(), origin: setUp}
		w.edge = must(edge.New(edge.Config{Log: w.log, Publisher: w.log, Origin: originURL, GripKey: key, Transport: w}))
		begun := time.Now()
		c := w.connect("/?u=ann", "")
		go c.read(1000)
		<-c.ended
		c.want(`ebb.bye {"reason":"starting"}`)
		if time.Since(begun) != 5*time.Second || w.edge.Ready() == nil {
			t.Errorf("after %v, ready: %v", time.Since(begun), w.edge.Ready())
		}
		c.cut()
	})
}

func TestReasonsAreCounted(t *testing.T) {
	serving(t, setUp, nil, func(s *site) {
		gone := s.stream("/?u=ann")
		gone.want("ebb.hello")
		gone.close()
		expired := s.stream("/?u=ann&ttl=10", "Last-Event-ID", "17")
		expired.want(`ebb.reset {"reason":"unreadable","from":-1,"to":-1}`, "ebb.hello", `ebb.expiring {"expires":946684810,"left":10}`, `ebb.bye {"reason":"expired"}`)
		expired.ended()
		closed := s.stream("/?u=ann")
		closed.want("ebb.hello")
		s.append(event("ann", 1, "1"), channel.Record{Channel: "ann", Kind: channel.Close})
		closed.want("1", `ebb.bye {"reason":"closed"}`)
		closed.ended()
		stalled := s.stream("/?u=bob")
		for i := range int64(10) {
			s.append(event("bob", i, strings.Repeat("x", 60_000)))
		}
		time.Sleep(2 * time.Minute)
		stalled.close()
		want := map[string]int{"gone": 1, "expired": 1, "closed": 1, "stalled": 1}
		if fmt.Sprint(s.tally.closed) != fmt.Sprint(want) || s.tally.opened != 4 || s.tally.resets["unreadable"] != 1 || s.tally.origin[200] != 4 {
			t.Errorf("got %+v", &s.tally)
		}
	})
}

// TestClientThatNeverReadsIsEnded also where all there is is an initial body.
func TestClientThatNeverReadsIsEnded(t *testing.T) {
	for _, contentType := range []string{sse.ContentType, "text/plain"} {
		serving(t, holdFor(strings.Repeat("data: x\n\n", 50_000), "Content-Type", contentType, "Grip-Channel", "ann"), nil, func(s *site) {
			conn := must(s.wire.dial(s.t.Context(), "", ""))
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			time.Sleep(2 * time.Minute)
			if s.edge.Streams() != 0 || s.tally.closed["stalled"] != 1 {
				t.Errorf("%d left, closed %v", s.edge.Streams(), s.tally.closed)
			}
			conn.Close()
		})
	}
}
