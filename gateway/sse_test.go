package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/gateway"
)

// TestRedirectHeaders: a redirect is not kept, nor told to the next site (S12).
func TestRedirectHeaders(t *testing.T) {
	w := newWorld(t)
	a := w.as("ann", "GET", "/api/sse", "", "Sec-Fetch-Mode", "cors")
	if a.Code != http.StatusTemporaryRedirect || !strings.HasPrefix(a.Header().Get("Location"), edgeURL+"/api/sse-setup?u=") {
		t.Errorf("got %d to %s", a.Code, a.Header().Get("Location"))
	}
	for name, want := range map[string]string{
		"Cache-Control":                "no-store",
		"Referrer-Policy":              "no-referrer",
		"X-Content-Type-Options":       "nosniff",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Vary":                         "Origin",
		"Content-Type":                 "",
	} {
		if got := a.Header().Get(name); got != want {
			t.Errorf("got %s %q, want %q", name, got, want)
		}
	}
	if a.Body.Len() > 0 {
		t.Errorf("got a body: %s", a.Body)
	}
}

func TestTicketAsJSON(t *testing.T) {
	w := newWorld(t)
	a := w.as("ann", "POST", "/api/sse", "")
	var got struct {
		URL     string
		Expires int64
	}
	if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil || a.Code != 200 || a.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d %s: %v", a.Code, a.Body, err)
	}
	if want := w.now.Add(time.Hour).Unix(); got.Expires != want {
		t.Errorf("expires at %d, want %d", got.Expires, want)
	}
	u, err := url.Parse(got.URL)
	if err != nil || !strings.HasPrefix(got.URL, edgeURL+"/api/sse-setup?u=") || w.setUp(u.Query().Get("u")).Code != 200 {
		t.Errorf("got %s, which opens nothing", got.URL)
	}
	isProblem(t, w.ask("POST", "/api/sse", ""), http.StatusUnauthorized)
}

func TestCursorIsPassedOnWithoutItsProof(t *testing.T) {
	plain := channel.Cursor{Partition: 3, Offset: 41}.String()
	proven := channel.Cursor{Partition: 3, Offset: 41, Proof: strings.Repeat("p", 22)}.String()
	tests := []struct{ query, want string }{
		{"", ""},
		{"?cursor=" + plain, plain},
		{"?cursor=" + proven, plain},
		{"?cursor=", ""},
		{"?cursor=x", ""},
		{"?cursor=" + plain + "%0d%0aX-Evil:1", ""},
		{"?cursor=" + plain + "&cursor=" + plain, ""},
	}
	w := newWorld(t)
	for _, tt := range tests {
		for _, method := range []string{"GET", "POST"} {
			a := w.as("ann", method, "/api/sse"+tt.query, "")
			to := a.Header().Get("Location")
			if method == "POST" {
				var body struct{ URL string }
				json.Unmarshal(a.Body.Bytes(), &body)
				to = body.URL
			}
			u, err := url.Parse(to)
			if err != nil || u.Query().Get("u") == "" || u.Query().Get("cursor") != tt.want || u.Query().Has("cursor") != (tt.want != "") {
				t.Errorf("%s %s: sent to %s, want cursor %q", method, tt.query, to, tt.want)
			}
		}
	}
}

// TestNavigationRefused: a stream is no page, so that no ticket is in a
// history (S12).
func TestNavigationRefused(t *testing.T) {
	w := newWorld(t)
	a := w.ask("GET", "/api/sse", "", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "none", "Cookie", "access_token="+w.token("ann"))
	isProblem(t, a, http.StatusForbidden)
	if a.Header().Get("Location") != "" {
		t.Error("redirected all the same")
	}
	isProblem(t, w.setUp(w.ticket("ann").Get("u"), "Sec-Fetch-Mode", "navigate"), http.StatusForbidden)
}

// TestSSECrossSite: a foreign page opens no stream with the user's cookie (S21).
func TestSSECrossSite(t *testing.T) {
	tests := []struct {
		name   string
		header []string
		cookie int
		bearer int
	}{
		{"same origin", []string{"Sec-Fetch-Site", "same-origin"}, 307, 307},
		{"no browser", nil, 307, 307},
		{"old browser, own origin", []string{"Origin", "https://api.test"}, 307, 307},
		{"allowed page", []string{"Origin", page, "Sec-Fetch-Site", "cross-site"}, 307, 307},
		{"allowed page, old browser", []string{"Origin", page}, 307, 307},
		{"foreign page", []string{"Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site"}, 403, 307},
		{"foreign page, old browser", []string{"Origin", "https://evil.test"}, 403, 307},
		{"sibling domain", []string{"Origin", "https://other.test", "Sec-Fetch-Site", "same-site"}, 403, 307},
		{"sandboxed", []string{"Origin", "null", "Sec-Fetch-Site", "cross-site"}, 403, 307},
		{"sandboxed, old browser", []string{"Origin", "null"}, 403, 307},
		{"foreign image", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403, 307},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			for how, want := range map[string]int{"Cookie": tt.cookie, "Authorization": tt.bearer} {
				value := map[string]string{"Cookie": "access_token=", "Authorization": "Bearer "}[how] + w.token("ann")
				a := w.ask("GET", "/api/sse", "", append([]string{how, value}, tt.header...)...)
				if a.Code != want || (a.Header().Get("Location") != "") != (want == 307) {
					t.Errorf("%s: got %d, want %d", how, a.Code, want)
				}
			}
		})
	}
}

// TestNoOpenRedirect: nothing in a request moves the target (S23).
func TestNoOpenRedirect(t *testing.T) {
	w := newWorld(t)
	for _, target := range []string{
		"/api/sse?next=https://evil.test", "/api/sse?url=https://evil.test&redirect_uri=//evil.test",
		"/api/sse?u=https://evil.test", "http://evil.test/api/sse", "/api/sse?cursor=//evil.test",
	} {
		a := w.as("ann", "GET", target, "", "X-Forwarded-Host", "evil.test", "Forwarded", "host=evil.test", "X-Original-URL", "//evil.test", "Referer", "https://evil.test/", "Origin", "https://evil.test")
		if to := a.Header().Get("Location"); !strings.HasPrefix(to, edgeURL+"/api/sse-setup?u=") || strings.Contains(to, "evil") {
			t.Errorf("%s: sent to %s", target, to)
		}
	}
	for _, target := range []string{"//evil.test/api/sse", "/api//sse", "/api/../api/sse", "/x/../api/sse", "/api/sse/", "/api/sse%2f..", "/API/sse"} {
		a := w.as("ann", "GET", target, "")
		if a.Header().Get("Location") != "" || a.Code < 400 {
			t.Errorf("%s: got %d to %q", target, a.Code, a.Header().Get("Location"))
		}
	}
}

func TestStreamsNeedNoBroker(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Sender, c.Reader = nil, nil })
	if a := w.setUp(w.ticket("ann").Get("u")); a.Code != 200 {
		t.Errorf("got %d", a.Code)
	}
	isProblem(t, w.command(`{"_command":"x"}`), http.StatusNotFound)
	isProblem(t, w.as("ann", "GET", instance, ""), http.StatusNotFound)

	none := newWorld(t, func(c *gateway.Config) { *c = gateway.Config{} })
	if a := none.ask("GET", "/api/health", ""); a.Code != 200 {
		t.Errorf("got %d of a gateway without parts", a.Code)
	}
	isProblem(t, none.ask("GET", "/api/sse", ""), http.StatusNotFound)
	isProblem(t, none.ask("GET", "/api/sse-setup", ""), http.StatusNotFound)
}
