package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/session"
	"github.com/ebb-events/ebb/session/sessiontest"
)

// inSession runs a test in a bubble, with gateways on one topic that have read it.
func inSession(t *testing.T, n int, test func(topic *sessiontest.Topic, ws []*world)) {
	synctest.Test(t, func(t *testing.T) {
		topic := sessiontest.NewTopic()
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		var ws []*world
		for range n {
			w := newWorld(t, func(c *gateway.Config) { c.Sessions = topic })
			running.Go(func() { w.gw.Run(ctx) })
			ws = append(ws, w)
		}
		synctest.Wait()
		test(topic, ws)
		stop()
		running.Wait()
	})
}

// stream is what a browser has of a session: the URL's ticket, and an event's id.
type stream struct{ u, id string }

func (w *world) stream(user string) stream {
	w.t.Helper()
	u := w.ticket(user).Get("u")
	proof := instruct(w.t, w.setUp(u)).Hold.Meta[grip.MetaProof]
	return stream{u, channel.Cursor{Partition: 1, Offset: 2, Proof: proof}.String()}
}

// resumes tells the status of a stream that comes back.
func (w *world) resumes(s stream) int {
	w.t.Helper()
	return w.setUp(s.u, "Last-Event-ID", s.id).Code
}

// TestRevokedTicketsAreWorthless: at every gateway, also at one that starts
// later, whoever revoked them (S16).
func TestRevokedTicketsAreWorthless(t *testing.T) {
	byOperator := func(body string) func(w *world, s stream) *httptest.ResponseRecorder {
		return func(w *world, s stream) *httptest.ResponseRecorder {
			c, _ := channel.ParseCursor(s.id)
			return w.operator(strings.ReplaceAll(body, "NAME", session.NameOf(c.Proof)))
		}
	}
	for name, tt := range map[string]struct {
		revoke func(w *world, s stream) *httptest.ResponseRecorder
		all    bool // the user's sessions
	}{
		"log out of one": {func(w *world, s stream) *httptest.ResponseRecorder {
			return w.as("ann", "DELETE", "/api/sse", "", "Last-Event-ID", s.id)
		}, false},
		"log out everywhere": {func(w *world, s stream) *httptest.ResponseRecorder {
			return w.as("ann", "DELETE", "/api/sse", "")
		}, true},
		"operator, one":  {byOperator(`{"user":"ann","session":"NAME"}`), false},
		"operator, user": {byOperator(`{"user":"ann"}`), true},
	} {
		t.Run(name, func(t *testing.T) {
			inSession(t, 2, func(topic *sessiontest.Topic, ws []*world) {
				one, other, bob := ws[0].stream("ann"), ws[1].stream("ann"), ws[0].stream("bob")
				if a := tt.revoke(ws[1], one); a.Code != 204 || a.Body.Len() > 0 {
					t.Fatalf("got %d %s", a.Code, a.Body)
				}
				again := ws[1].stream("ann") // at once
				synctest.Wait()
				late := newWorld(t, func(c *gateway.Config) { c.Sessions = topic })
				ctx, stop := context.WithCancel(context.Background())
				ended := make(chan error)
				go func() { ended <- late.gw.Run(ctx) }()
				synctest.Wait()
				for i, w := range append(ws, late) {
					want := map[bool]int{true: 403, false: 200}
					for what, got := range map[string][2]int{
						"the session": {w.resumes(one), 403}, "the user's other one": {w.resumes(other), want[tt.all]},
						"one since": {w.resumes(again), 200}, "another user's": {w.resumes(bob), 200},
					} {
						if got[0] != got[1] {
							t.Errorf("gateway %d, %s: got %d, want %d", i, what, got[0], got[1])
						}
					}
				}
				revoked, garbage := ws[0].setUp(one.u, "Last-Event-ID", one.id), ws[0].setUp("x")
				if revoked.Body.String() != garbage.Body.String() || len(revoked.Header()) != len(garbage.Header()) {
					t.Errorf("got %s %v, want what every other ticket gets (S15)", revoked.Body, revoked.Header())
				}
				stop()
				<-ended
			})
		})
	}
}

// operator asks as ebb revoke does.
func (w *world) operator(body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/revoke", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	a := httptest.NewRecorder()
	w.gw.Revoke(a, r)
	return a
}

func TestRenewedTicketIsGoodUntilTheNewEnd(t *testing.T) {
	inSession(t, 2, func(_ *sessiontest.Topic, ws []*world) {
		s, other := ws[0].stream("ann"), ws[0].stream("ann")
		tick := func(d time.Duration) {
			for _, w := range ws {
				w.now = w.now.Add(d)
			}
		}
		tick(40 * time.Minute)
		a := ws[1].as("ann", "POST", "/api/sse/renew", "", "Last-Event-ID", s.id)
		var got struct{ Expires int64 }
		if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil || a.Code != 200 || got.Expires != ws[1].now.Add(time.Hour).Unix() {
			t.Fatalf("got %d %s, want the token's end", a.Code, a.Body)
		}
		synctest.Wait()
		tick(59 * time.Minute)
		for i, w := range ws {
			if got := w.resumes(s); got != 200 {
				t.Errorf("gateway %d: got %d for the renewed session", i, got)
			}
			if got := w.resumes(other); got != 403 {
				t.Errorf("gateway %d: got %d for another session of the same user", i, got)
			}
			if got := instruct(t, w.setUp(s.u, "Last-Event-ID", s.id)).Hold.Meta[grip.MetaTTL]; got != "60" {
				t.Errorf("gateway %d: %s s are left, want 60", i, got)
			}
			if got := w.setUp(s.u).Code; got != 403 {
				t.Errorf("gateway %d: got %d for the URL alone", i, got)
			}
		}
		tick(time.Minute)
		if got := ws[0].resumes(s); got != 403 {
			t.Errorf("got %d after the new end", got)
		}
	})
}

// TestSessionIsNamedByAnEventOfIt: and by nothing else, nor by anybody else.
func TestSessionIsNamedByAnEventOfIt(t *testing.T) {
	inSession(t, 1, func(topic *sessiontest.Topic, ws []*world) {
		w := ws[0]
		anns, bobs := w.stream("ann"), w.stream("bob")
		made := channel.Cursor{Partition: 1, Offset: 2, Proof: strings.Repeat("A", 22)}.String()
		bare := channel.Cursor{Partition: 1, Offset: 2}.String()
		for _, tt := range []struct {
			name   string
			header []string
			renew  int
			logOut int // 0: it would end all sessions
		}{
			{"one's own", []string{"Last-Event-ID", anns.id}, 200, 204},
			{"another user's", []string{"Last-Event-ID", bobs.id}, 403, 403},
			{"made up", []string{"Last-Event-ID", made}, 403, 403},
			{"no proof", []string{"Last-Event-ID", bare}, 400, 400},
			{"no cursor", []string{"Last-Event-ID", "7"}, 400, 400},
			{"empty", []string{"Last-Event-ID", ""}, 400, 400},
			{"two", []string{"Last-Event-ID", anns.id, "Last-Event-ID", anns.id}, 400, 400},
			{"none", nil, 400, 0},
		} {
			if a := w.as("ann", "POST", "/api/sse/renew?cursor="+anns.id, "", tt.header...); a.Code != tt.renew {
				t.Errorf("%s: renewing got %d %s, want %d", tt.name, a.Code, a.Body, tt.renew)
			}
			if tt.logOut == 0 || tt.logOut == 204 {
				continue
			}
			if a := w.as("ann", "DELETE", "/api/sse?cursor="+anns.id, "", tt.header...); a.Code != tt.logOut {
				t.Errorf("%s: logging out got %d %s, want %d", tt.name, a.Code, a.Body, tt.logOut)
			}
		}
		if n := len(topic.Entries()); n != 1 {
			t.Errorf("%d records were written, want that of one's own", n)
		}
		if a := w.as("ann", "DELETE", "/api/sse", "", "Last-Event-ID", anns.id); a.Code != 204 {
			t.Errorf("got %d", a.Code)
		}
		if a := w.as("ann", "POST", "/api/sse/renew", "", "Last-Event-ID", anns.id); a.Code != 403 {
			t.Errorf("got %d for a session that is over", a.Code)
		}
	})
}

// TestSessionsTakeAToken: nobody else's page, and nobody without one.
func TestSessionsTakeAToken(t *testing.T) {
	inSession(t, 1, func(topic *sessiontest.Topic, ws []*world) {
		w := ws[0]
		s := w.stream("ann")
		for _, to := range [][2]string{{"POST", "/api/sse/renew"}, {"DELETE", "/api/sse"}} {
			isProblem(t, w.ask(to[0], to[1], "", "Last-Event-ID", s.id), http.StatusUnauthorized)
			isProblem(t, w.ask(to[0], to[1], "", "Last-Event-ID", s.id, "Cookie", "access_token="+w.token("ann"), "Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
		}
		old := w.token("ann")
		w.now = w.now.Add(time.Hour + 30*time.Second) // within the leeway
		isProblem(t, w.ask("POST", "/api/sse/renew", "", "Last-Event-ID", s.id, "Authorization", "Bearer "+old), http.StatusUnauthorized)
		if len(topic.Entries()) > 0 {
			t.Errorf("got %v written", topic.Entries())
		}
	})
}

// TestNothingIsPromisedWithoutTheTopic: 503 where it cannot be written, and
// before it was read.
func TestNothingIsPromisedWithoutTheTopic(t *testing.T) {
	inSession(t, 1, func(topic *sessiontest.Topic, ws []*world) {
		w := ws[0]
		s := w.stream("ann")
		topic.Away()
		isProblem(t, w.as("ann", "POST", "/api/sse/renew", "", "Last-Event-ID", s.id), http.StatusServiceUnavailable)
		isProblem(t, w.as("ann", "DELETE", "/api/sse", ""), http.StatusServiceUnavailable)
		isProblem(t, w.operator(`{"user":"ann"}`), http.StatusServiceUnavailable)
		if got := w.resumes(s); got != 200 {
			t.Errorf("got %d: a revocation that was not promised took place", got)
		}
	})
	inSession(t, 1, func(topic *sessiontest.Topic, ws []*world) {
		s := ws[0].stream("ann")
		ws[0].as("ann", "DELETE", "/api/sse", "")
		topic.Hide(true)
		w := newWorld(t, func(c *gateway.Config) { c.Sessions = topic })
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error)
		isProblem(t, w.as("ann", "GET", "/api/sse", ""), http.StatusServiceUnavailable)
		go func() { ended <- w.gw.Run(ctx) }()
		synctest.Wait()
		if w.gw.Ready() == nil {
			t.Error("ready without having read")
		}
		isProblem(t, w.setUp(s.u), http.StatusServiceUnavailable)
		isProblem(t, w.as("ann", "POST", "/api/sse", ""), http.StatusServiceUnavailable)
		topic.Hide(false)
		synctest.Wait()
		if got := w.setUp(s.u).Code; w.gw.Ready() != nil || got != 403 {
			t.Errorf("got %d after it has read", got)
		}
		stop()
		<-ended
	})
}

// TestGatewayThatLagsIssuesWhatWasRevoked: order counts, not clocks. What a
// gateway issues before it has heard of a revocation falls under it, and what
// one issues that has is good, however wrong its clock.
func TestGatewayThatLagsIssuesWhatWasRevoked(t *testing.T) {
	inSession(t, 2, func(topic *sessiontest.Topic, ws []*world) {
		fast, slow := ws[0], ws[1]
		fast.now, slow.now = fast.now.Add(30*time.Second), slow.now.Add(-30*time.Second)
		before := fast.stream("ann")
		if a := slow.as("ann", "DELETE", "/api/sse", ""); a.Code != 204 {
			t.Fatalf("got %d", a.Code)
		}
		synctest.Wait()
		after := slow.stream("ann")
		topic.Hide(true)
		topic.Append(context.Background(), session.Record{Kind: session.Revoke, User: "bob"})
		lagging := fast.stream("bob")
		topic.Hide(false)
		synctest.Wait()
		for what, got := range map[string][2]int{
			"issued before, by a clock ahead": {slow.resumes(before), 403}, "issued after, by a clock behind": {fast.resumes(after), 200},
			"issued in ignorance": {slow.resumes(lagging), 403},
		} {
			if got[0] != got[1] {
				t.Errorf("%s: got %d, want %d", what, got[0], got[1])
			}
		}
	})
}

func TestRevokeIsOfWhatIsAsked(t *testing.T) {
	inSession(t, 1, func(topic *sessiontest.Topic, ws []*world) {
		w := ws[0]
		for _, body := range []string{"", "{}", `{"user":""}`, `{"user":"ann","session":"x"}`, `{"usr":"ann"}`, `{"user":"ann","all":true}`, `{"user":"a\u0000b"}`, `[]`, strings.Repeat(" ", 5000) + `{"user":"ann"}`} {
			isProblem(t, w.operator(body), http.StatusBadRequest)
		}
		r := httptest.NewRequest("POST", "/revoke", strings.NewReader(`{"user":"ann"}`)) // as a form of a page would
		r.Header.Set("Content-Type", "text/plain")
		a := httptest.NewRecorder()
		w.gw.Revoke(a, r)
		isProblem(t, a, http.StatusUnsupportedMediaType)
		r = httptest.NewRequest("POST", "/revoke", strings.NewReader(`{"user":"ann"}`)) // as a page with a name for this machine
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		a = httptest.NewRecorder()
		w.gw.Revoke(a, r)
		isProblem(t, a, http.StatusForbidden)
		if len(topic.Entries()) > 0 {
			t.Errorf("got %v written", topic.Entries())
		}
	})
}

func TestWithoutTheTopicThereIsNoRenewal(t *testing.T) {
	w := newWorld(t)
	isProblem(t, w.as("ann", "DELETE", "/api/sse", ""), http.StatusMethodNotAllowed)
	isProblem(t, w.operator(`{"user":"ann"}`), http.StatusNotFound)
	if a := w.as("ann", "POST", "/api/sse/renew", ""); a.Code < 400 {
		t.Errorf("got %d", a.Code)
	}
	if _, err := gateway.New(gateway.Config{MaxSession: session.Longest + 1}); err == nil {
		t.Error("a session may be longer than revocations are remembered")
	}
}
