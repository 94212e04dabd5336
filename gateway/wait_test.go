package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/gateway"
)

// replies are the reply topics, in a bubble.
type replies struct {
	mu       sync.Mutex
	handle   func([]ebb.Record) // nil while nobody follows
	follows  int
	unheard  bool          // following does not begin
	cut      chan error    // ends following
	slowness time.Duration // until it begins
}

func (r *replies) Follow(ctx context.Context, begun func(), handle func([]ebb.Record)) error {
	select {
	case <-time.After(r.slowness):
	case <-ctx.Done():
		return ctx.Err()
	}
	r.mu.Lock()
	r.follows++
	if !r.unheard {
		r.handle = handle
		begun()
	}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.handle = nil
		r.mu.Unlock()
	}()
	select {
	case err := <-r.cut:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// say appends a reply, which nobody hears who does not follow.
func (r *replies) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.handle != nil {
		r.handle([]ebb.Record{{Value: fmt.Appendf(nil, format, args...)}})
	}
}

func (r *replies) following() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handle != nil
}

// waiting is a world in a bubble where requests can wait.
type waiting struct {
	*world
	replies *replies
	mu      sync.Mutex
	told    []string // what came of those who waited
}

func newWaiting(t *testing.T, edit ...func(*gateway.Config)) *waiting {
	w := &waiting{replies: &replies{cut: make(chan error)}}
	w.world = newWorld(t, append(edit, func(c *gateway.Config) {
		c.Answers = w.replies
		c.Metrics.Waited = func(how string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.told = append(w.told, how)
		}
	})...)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.gw.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("got %v, want a quiet end", err)
		}
	})
	return w
}

func (w *waiting) outcomes() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.told, " ")
}

// begin sends a command that waits, and returns once it does or is answered.
func (w *waiting) begin(user, prefer, corr string) <-chan *httptest.ResponseRecorder {
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		answer <- w.as(user, "POST", instance, fmt.Sprintf(`{"_command":"c","_corr":%q}`, corr), "Content-Type", "application/json", "Prefer", prefer)
	}()
	synctest.Wait()
	return answer
}

const applied = `{"_id":"` + id + `","_type":"board-task","_corr":%q,"_command":"c","_outcome":"applied","_seq":3,"_jwt":{"sub":%q,"roles":["x"]},"n":1.10}`

func TestWaitingRequestIsAnsweredWithTheReply(t *testing.T) {
	for _, tt := range []struct {
		name, reply string
		status      int
	}{
		{"applied", `"_outcome":"applied"`, 200},
		{"unchanged", `"_outcome":"unchanged"`, 200},
		{"a repeat of what was applied", `"_outcome":"duplicate"`, 200},
		{"of the elder family", `"_timestamp":1`, 200},
		{"unknown", `"_outcome":"unknown","_error":true,"_statusCode":400`, 400},
		{"forbidden", `"_outcome":"forbidden","_error":true,"_statusCode":403`, 403},
		{"stale", `"_outcome":"stale","_error":true,"_statusCode":409`, 409},
		{"rejected", `"_outcome":"rejected","_error":true,"_statusCode":422`, 422},
		{"failed", `"_outcome":"failed","_error":true,"_statusCode":500`, 500},
		{"a repeat of what was stale", `"_outcome":"duplicate","_error":true,"_statusCode":409`, 409},
		{"an error of the elder family", `"_error":true,"errors":[]`, 422},
		{"a status of the gateway's own", `"_error":true,"_statusCode":401`, 422},
		{"an odd status", `"_error":true,"_statusCode":700`, 500},
		{"a status without an error", `"_statusCode":409`, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWaiting(t)
				answer := w.begin("ann", "wait=5", "1")
				if m := w.sent.last(t); m.String("_corr") != "1" {
					t.Errorf("sent %s", m.JSON())
				}
				w.replies.say(`{"_corr":"1","_id":%q,"_type":"board-task",%s,"_jwt":{"sub":"ann"},"n":1.10,"x":"<b>"}`, id, tt.reply)
				a := <-answer
				if a.Code != tt.status || a.Header().Get("Preference-Applied") != "wait=5" || a.Header().Get("Content-Type") != "application/json" {
					t.Errorf("got %d %v, want %d", a.Code, a.Header(), tt.status)
				}
				body := a.Body.String()
				if m, err := ebb.ParseMessage([]byte(body)); err != nil || m["_jwt"] != nil || string(m["n"]) != "1.10" || !strings.Contains(body, `"x":"<b>"`) {
					t.Errorf("got %s", body)
				}
				if got := w.outcomes(); got != "answered" {
					t.Errorf("told %q", got)
				}
			})
		})
	}
}

func TestWaitEndsInTime(t *testing.T) {
	for prefer, want := range map[string]int{
		"wait=5": 5, `Wait = "5"`: 5, "respond-async, wait=7": 7, "wait=3; x=y, wait=9": 3, "wait=30": 30, "wait=31": 30, "wait=2147483647": 30,
		"wait=0": 0, "wait": 0, "wait=-1": 0, "wait=1.5": 0, "wait=x": 0, "wait=99999999999": 0, "waits=5": 0, "return=minimal": 0, "": 0,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWaiting(t)
			began := time.Now()
			a := <-w.begin("ann", prefer, "1")
			applied := ""
			if want > 0 {
				applied = fmt.Sprint("wait=", want)
			}
			if took := time.Since(began); a.Code != 202 || took != time.Duration(want)*time.Second || a.Header().Get("Preference-Applied") != applied {
				t.Errorf("%q: got %d %v after %v, want 202 after %d s", prefer, a.Code, a.Header(), took, want)
			}
			if !strings.Contains(a.Body.String(), `"_corr":"1"`) || (w.replies.follows > 0) != (want > 0) {
				t.Errorf("%q: got %s, followed %d times", prefer, a.Body, w.replies.follows)
			}
		})
	}
}

// TestOnlyTheSenderIsAnswered: by the reply to the command that was sent (P6).
func TestOnlyTheSenderIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWaiting(t)
		const other = "1d9c1c5a-7d5a-4f6e-9a57-0123456789ab"
		anns, bobs := w.begin("ann", "wait=5", "Same"), w.begin("bob", "wait=5", "Same")
		for _, reply := range []string{
			`{"_corr":"Same","_id":"` + id + `","_type":"board-task","_command":"c","_jwt":{"sub":"eve"}}`,
			`{"_corr":"Same","_id":"` + id + `","_type":"board-task","_command":"c","_jwt":{"SUB":"ann"}}`,
			`{"_corr":"Same","_id":"` + id + `","_type":"board-task","_command":"c"}`,
			`{"_corr":"Same","_id":"` + id + `","_type":"board-other","_command":"c","_jwt":{"sub":"ann"}}`,
			`{"_corr":"Same","_id":"` + id + `","_type":"board-task","_command":"d","_jwt":{"sub":"ann"}}`,
			`{"_corr":"SAME","_id":"` + id + `","_type":"board-task","_command":"c","_jwt":{"sub":"ann"}}`,
			`{"_corr":"other","_id":"` + id + `","_type":"board-task","_command":"c","_jwt":{"sub":"ann"}}`,
			`{"_corr":`, ``, `[]`,
		} {
			w.replies.say("%s", reply)
		}
		synctest.Wait()
		if len(anns)+len(bobs) > 0 || w.outcomes() != "" {
			t.Fatalf("answered by the reply to another: %q", w.outcomes())
		}
		// The elder family writes ids in lower case.
		w.replies.say(`{"_corr":"same","_id":%q,"_type":"board-task","_jwt":{"sub":"bob"}}`, id)
		if a := <-bobs; a.Code != 200 {
			t.Errorf("bob got %d", a.Code)
		}
		// Another instance may have a command of the same name and correlation.
		w.replies.say(`{"_corr":"Same","_id":%q,"_type":"board-task","_command":"c","_jwt":{"sub":"ann"}}`, other)
		if synctest.Wait(); len(anns) > 0 {
			t.Fatal("ann was answered by the reply about another instance")
		}
		// Where a unique value tells instances apart, the reply says who was asked.
		w.replies.handle([]ebb.Record{{
			Headers: []ebb.Header{{Key: ebb.HeaderAsked, Value: []byte(id)}},
			Value:   fmt.Appendf(nil, `{"_corr":"Same","_id":%q,"_type":"board-task","_command":"c","_jwt":{"sub":"ann"}}`, other),
		}})
		if a := <-anns; a.Code != 200 || !strings.Contains(a.Body.String(), other) {
			t.Errorf("ann got %d %s", a.Code, a.Body)
		}
	})
}

// TestInstancesOfOneCorrelationAreToldApart as long as each is waited for.
func TestInstancesOfOneCorrelationAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWaiting(t)
		answers := map[string]chan *httptest.ResponseRecorder{}
		for n := range 3 {
			one := fmt.Sprintf("%d%s", n+1, id[1:])
			answer := make(chan *httptest.ResponseRecorder, 1)
			answers[one] = answer
			go func() {
				answer <- w.as("ann", "PUT", "/api/board/task/"+one, `{"_corr":"1"}`, "Content-Type", "application/json", "Prefer", "wait=5")
			}()
		}
		synctest.Wait()
		for one := range answers {
			w.replies.say(`{"_corr":"1","_id":%q,"_type":"board-task","_command":"put","_jwt":{"sub":"ann"}}`, one)
		}
		for one, answer := range answers {
			if a := <-answer; a.Code != 200 || !strings.Contains(a.Body.String(), one) {
				t.Errorf("%s got %d %s", one, a.Code, a.Body)
			}
		}
	})
}

// TestWaitingShowsNoMoreThanTheStream: no claims, and no tokens.
func TestWaitingShowsNoMoreThanTheStream(t *testing.T) {
	const token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.c2ln"
	const rest = `"_corr":"1","_id":"` + id + `","_type":"board-task"`
	for _, tt := range []struct{ reply, want string }{
		{`,"a":1.10,"b":12345678901234567890,"c":"<eyJ>"`, `,"a":1.10,"b":12345678901234567890,"c":"<eyJ>"`},
		{`,"a":{"_jwt":{"sub":"bob"},"n":1.10}`, `,"a":{"n":1.10}`},
		{`,"a":[{"\u005fjwt":{"sub":"bob"}},null]`, `,"a":[{},null]`},
		{`,"a":"` + token + `","b":["x","Bearer ` + token + `"]`, `,"b":["x"]`},
		{`,"a":{"` + token + `":1}`, `,"a":{}`},
		{`,"a":"\u0065` + token[1:] + `"`, ``},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWaiting(t)
			answer := w.begin("ann", "wait=5", "1")
			w.replies.say("%s", `{`+rest+tt.reply+`,"_jwt":{"sub":"ann"}}`)
			a := <-answer
			if got, want := strings.TrimSpace(a.Body.String()), `{`+rest+tt.want+`}`; got != want {
				t.Errorf("%s is shown as %s, want %s", tt.reply, got, want)
			}
		})
	}
}

// TestRepeatsWaitForOneReply: a client that lost its connection asks again.
func TestRepeatsWaitForOneReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWaiting(t)
		first, second := w.begin("ann", "wait=5", "1"), w.begin("ann", "wait=5", "1")
		w.replies.say(applied, "1", "ann")
		w.replies.say(applied, "1", "ann") // more than anybody waits for
		if a, b := <-first, <-second; a.Code != 200 || b.Code != 200 {
			t.Errorf("got %d and %d", a.Code, b.Code)
		}
	})
}

func TestWaitersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWaiting(t)
		var all []<-chan *httptest.ResponseRecorder
		for n := range 1000 {
			all = append(all, w.begin("ann", "wait=5", fmt.Sprint(n)))
		}
		began := time.Now()
		a := <-w.begin("ann", "wait=5", "more")
		if a.Code != 202 || time.Since(began) != 0 || a.Header().Get("Preference-Applied") != "" || w.outcomes() != "full" {
			t.Errorf("got %d %v after %v, told %q", a.Code, a.Header(), time.Since(began), w.outcomes())
		}
		for n, answer := range all {
			w.replies.say(applied, fmt.Sprint(n), "ann")
			if a := <-answer; a.Code != 200 {
				t.Fatalf("%d got %d", n, a.Code)
			}
		}
		answer := w.begin("ann", "wait=5", "again")
		w.replies.say(applied, "again", "ann")
		if a := <-answer; a.Code != 200 {
			t.Errorf("got %d when there is room again", a.Code)
		}
	})
}

func TestWhoLeavesWaitsNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWaiting(t)
		ctx, leave := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "POST", instance, strings.NewReader(`{"_command":"c"}`))
		r.Header = http.Header{"Content-Type": {"application/json"}, "Prefer": {"wait=30"}, "Authorization": {"Bearer " + w.token("ann")}}
		done := make(chan bool)
		go func() {
			w.gw.ServeHTTP(httptest.NewRecorder(), r)
			close(done)
		}()
		synctest.Wait()
		began := time.Now()
		leave()
		<-done
		if time.Since(began) != 0 || w.outcomes() != "gone" {
			t.Errorf("ended after %v, told %q", time.Since(began), w.outcomes())
		}
	})
}

func TestNobodyWaitsForWhatWasNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWaiting(t)
		w.sent.err = errors.New("no broker")
		a := <-w.begin("ann", "wait=30", "1")
		isProblem(t, a, 503)
		if w.outcomes() != "failed" {
			t.Errorf("told %q", w.outcomes())
		}
	})
}
