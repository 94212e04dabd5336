package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/sse"
)

// from is as, from an address.
func (w *world) from(addr, user, method, target, body string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host, r.RemoteAddr = "api.test", addr
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+w.token(user))
	answer := httptest.NewRecorder()
	w.gw.ServeHTTP(answer, r)
	return answer
}

// TestRates: users and addresses may do so much a second; beyond that it is 429
// with the time to come back, and it works then. Others are not concerned.
func TestRates(t *testing.T) {
	limits := gateway.Limits{
		UserCommands: 2, AddressCommands: 5, UserOpens: 1, AddressOpens: 3,
		Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	}
	const command, open = "POST " + instance, "GET /api/sse"
	tests := []struct {
		name, what, addr string
		user             func(i int) string
		good             int    // at once
		retry            string // afterwards
		reason           string
	}{
		{"commands of a user", command, "192.0.2.1:1", one, 20, "1", "user-rate"},
		{"from an address that is exempt, too", command, "10.0.0.1:1", one, 20, "1", "user-rate"},
		{"commands of an address", command, "192.0.2.1:1", each, 50, "1", "address-rate"},
		{"of one that is exempt", command, "10.0.0.1:1", each, 80, "", ""},
		{"streams of a user", open, "192.0.2.1:1", one, 10, "1", "user-rate"},
		{"tickets of a user", "POST /api/sse", "192.0.2.1:1", one, 10, "1", "user-rate"},
		{"streams of an address", open, "[2001:db8::1]:1", each, 30, "1", "address-rate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reasons := map[string]int{}
			w := newWorld(t, func(c *gateway.Config) {
				c.Limits = limits
				c.Metrics.Refused = func(reason string) { reasons[reason]++ }
			})
			method, path, _ := strings.Cut(tt.what, " ")
			ask := func(i int) *httptest.ResponseRecorder {
				return w.from(tt.addr, tt.user(i), method, path, `{"_command": "create"}`)
			}
			good := 0
			for i := range 80 {
				a := ask(i)
				if a.Code < 400 {
					good++
					continue
				}
				isProblem(t, a, http.StatusTooManyRequests)
				if got := a.Header().Get("Retry-After"); got != tt.retry {
					t.Errorf("Retry-After is %q, want %q", got, tt.retry)
				}
			}
			if good != tt.good || reasons["user-rate"]+reasons["address-rate"] != 80-tt.good || good < 80 && reasons[tt.reason] == 0 {
				t.Errorf("%d were good, refused %v; want %d", good, reasons, tt.good)
			}
			if a := w.from("198.51.100.1:1", "bob", method, path, `{"_command": "create"}`); a.Code >= 400 {
				t.Errorf("another user elsewhere got %d", a.Code)
			}
			w.now = w.now.Add(time.Second) // what Retry-After says
			if a := ask(0); a.Code >= 400 {
				t.Errorf("got %d a second later", a.Code)
			}
		})
	}
}

func one(int) string    { return "ann" }
func each(i int) string { return fmt.Sprint("user", i) }

// TestEventSourceThatOpensTooOftenComesBack: any other answer than a stream would
// end it for good.
func TestEventSourceThatOpensTooOftenComesBack(t *testing.T) {
	reasons := map[string]int{}
	w := newWorld(t, func(c *gateway.Config) {
		c.Limits.UserOpens = 0.1
		c.Metrics.Refused = func(reason string) { reasons[reason]++ }
	})
	w.as("ann", "GET", "/api/sse", "", "Accept", "text/event-stream")
	a := w.as("ann", "GET", "/api/sse", "", "Accept", "text/event-stream", "Origin", page)
	e, err := sse.NewReader(a.Body).Next()
	if err != nil || a.Code != http.StatusOK || a.Header().Get("Content-Type") != "text/event-stream" || a.Header().Get("Access-Control-Allow-Origin") != page {
		t.Fatalf("got %d %v, %v", a.Code, a.Header(), err)
	}
	if e.Name != "ebb.bye" || string(e.Data) != `{"reason":"rate"}` || e.Retry < 15*time.Second || e.Retry > 30*time.Second {
		t.Errorf("got %+v", e)
	}
	if reasons["user-rate"] != 1 {
		t.Errorf("counted %v", reasons)
	}
}

// TestRefusedCommandsAreNotSent, nor is a token looked at that comes too often.
func TestRefusedCommandsAreNotSent(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Limits.AddressCommands = 1 })
	for range 30 {
		w.from("192.0.2.1:1", "ann", "POST", instance, `{"_command": "create"}`)
	}
	if n := w.sent.count(); n != 10 {
		t.Errorf("%d commands were sent, want 10", n)
	}
	a := w.ask("POST", instance, "", "Authorization", "Bearer rubbish") // of the same address: 192.0.2.1
	isProblem(t, a, http.StatusTooManyRequests)
}

// TestWaitsOfAUser: who has too many requests that wait is answered 202, as when
// too many wait in all, and other users' are not concerned.
func TestWaitsOfAUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWaiting(t, func(c *gateway.Config) { c.Limits.UserWaits = 2 })
		ann1, ann2 := w.begin("ann", "wait=10", "1"), w.begin("ann", "wait=10", "2")
		bob := w.begin("bob", "wait=10", "1")
		if a := <-w.begin("ann", "wait=10", "3"); a.Code != http.StatusAccepted || w.outcomes() != "user-full" {
			t.Errorf("the third got %d, %s", a.Code, w.outcomes())
		}
		for _, waits := range []<-chan *httptest.ResponseRecorder{ann1, ann2, bob} {
			select {
			case a := <-waits:
				t.Errorf("got %d at once", a.Code)
			default:
			}
		}
		<-ann1
		<-ann2
		<-bob
		<-w.begin("ann", "wait=10", "4") // there is room again
		if got := w.outcomes(); got != "user-full late late late late" {
			t.Errorf("got %s", got)
		}
	})
}

// TestAuditTrail: a line for who is let in and who is not, with user, hash of
// the session, address and reason, and nothing that opens anything (S57).
func TestAuditTrail(t *testing.T) {
	var b bytes.Buffer
	w := newWorld(t, func(c *gateway.Config) {
		c.Log = slog.New(slog.NewJSONHandler(&b, nil))
		c.Roles = map[string][]string{"board-task.delete": {"boss"}}
	})
	b.Reset()
	u := w.ticket("ann").Get("u")
	w.setUp(u) // is no login
	w.ask("GET", "/api/sse?canary=1", "", "Authorization", "Bearer canary.canary.canary")
	w.as("ann", "DELETE", instance, "", "Content-Type", "application/json")
	w.ask("POST", instance, "{}", "Cookie", "access_token="+w.token("ann"), "Origin", "https://evil.test", "Content-Type", "application/json")
	w.setUp(u + "x")
	w.ask("GET", "/api/sse-setup?u="+u, "", "Grip-Sig", "canary")
	w.now = w.now.Add(2 * time.Minute)
	w.setUp(u)
	w.as("ann", "GET", "/api/sse", "", "Sec-Fetch-Mode", "navigate")
	w.command(`{"_command": "create"}`) // neither

	var got []string
	var sessions []any
	text := b.String()
	for d := json.NewDecoder(&b); d.More(); {
		var l map[string]any
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		if l["msg"] != "audit" || l["address"] != "192.0.2.1" {
			t.Errorf("got %v", l)
		}
		user, _ := l["user"].(string)
		reason, _ := l["reason"].(string)
		got = append(got, fmt.Sprint(l["action"], " ", l["outcome"], " ", user, " ", reason))
		if l["session"] != nil {
			sessions = append(sessions, l["session"])
		}
	}
	want := []string{
		"sse accepted ann ",
		"sse refused  token",
		"instance refused ann role",
		"instance refused ann origin",
		"sse-setup refused  ticket",
		"sse-setup refused  signature",
		"sse-setup refused ann ticket", // late, and without the proof
		"sse refused  navigation",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(sessions) != 2 || sessions[0] != sessions[1] {
		t.Errorf("the lines of a session have %v", sessions)
	}
	for _, secret := range []string{"canary", u, w.token("ann"), "?"} {
		if strings.Contains(text, secret) {
			t.Errorf("the audit has %q", secret)
		}
	}
}
