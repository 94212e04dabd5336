package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ebb-events/ebb/gateway"
)

// TestCSRFMatrix: a foreign page cannot command with the user's cookie (S20).
func TestCSRFMatrix(t *testing.T) {
	const command = `{"_command":"create"}`
	tests := []struct {
		name, method, contentType string
		header                    []string
		want                      int
	}{
		{"own page", "POST", "application/json", []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://api.test"}, 202},
		{"own page, old browser", "POST", "application/json", []string{"Origin", "https://api.test"}, 202},
		{"allowed page", "POST", "application/json", []string{"Sec-Fetch-Site", "cross-site", "Origin", page}, 202},
		{"no browser", "POST", "application/json", nil, 202},
		{"own form", "POST", "application/x-www-form-urlencoded", []string{"Sec-Fetch-Site", "same-origin"}, 415},
		{"own text/plain", "POST", "text/plain", []string{"Sec-Fetch-Site", "same-origin"}, 415},
		{"form", "POST", "application/x-www-form-urlencoded", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test", "Sec-Fetch-Mode", "navigate"}, 403},
		{"form of a sandbox", "POST", "application/x-www-form-urlencoded", []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}, 403},
		{"text/plain fetch", "POST", "text/plain", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test", "Sec-Fetch-Mode", "no-cors"}, 403},
		{"beacon with JSON", "POST", "application/json", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"}, 403},
		{"beacon, old browser", "POST", "application/json", []string{"Origin", "https://evil.test"}, 403},
		{"sibling domain", "POST", "application/json", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.api.test"}, 403},
		{"put", "PUT", "application/json", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"}, 403},
		{"delete", "DELETE", "application/json", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"}, 403},
		{"image", "GET", "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 404},
		{"frame", "GET", "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			body := command
			if tt.method != "POST" {
				body = `{}`
			}
			header := append([]string{"Cookie", "access_token=" + w.token("ann"), "Content-Type", tt.contentType}, tt.header...)
			if tt.method == "GET" {
				body = ""
			}
			a := w.ask(tt.method, instance, body, header...)
			if a.Code != tt.want || (len(w.sent.all) == 1) != (tt.want == 202) {
				t.Errorf("got %d, %d commands sent, want %d", a.Code, len(w.sent.all), tt.want)
			}
			if tt.method == "POST" && tt.want == 403 {
				if a := w.ask("POST", "/api/sse", "", header...); a.Code != 403 {
					t.Errorf("a ticket: got %d", a.Code)
				}
			}
		})
	}
	w := newWorld(t)
	if a := w.as("ann", "POST", instance, command, "Content-Type", "application/json", "Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site"); a.Code != 202 {
		t.Errorf("got %d for a bearer token, which no browser sends unasked", a.Code)
	}
}

// TestCORSMatrix: answers are for pages of the list, letter by letter (S22).
func TestCORSMatrix(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Origins = []string{page, "http://localhost:5173"} })
	for origin, want := range map[string]bool{
		page:                      true,
		"http://localhost:5173":   true,
		"":                        false,
		"null":                    false,
		"*":                       false,
		"http://page.test":        false,
		"https://page.test:8443":  false,
		"https://page.test:443":   false,
		"https://page.test.evil":  false,
		"https://evilpage.test":   false,
		"https://sub.page.test":   false,
		"https://page.test/":      false,
		"https://PAGE.test":       false,
		"https://page.test@evil":  false,
		"https://pаge.test":       false, // a Cyrillic а
		"https://page.test, null": false,
		"http://localhost":        false,
		"http://localhost:51730":  false,
	} {
		var header []string
		if origin != "" {
			header = []string{"Origin", origin}
		}
		preflight := w.ask("OPTIONS", instance, "", append(header, "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "authorization,content-type")...)
		actual := w.as("ann", "GET", "/api/board/task", "", header...)
		redirect := w.as("ann", "GET", "/api/sse", "", header...)
		refused := w.ask("GET", "/api/sse", "", header...)
		for name, h := range map[string]http.Header{"preflight": preflight.Header(), "answer": actual.Header(), "redirect": redirect.Header(), "401": refused.Header()} {
			got := h.Get("Access-Control-Allow-Origin")
			if (got == origin && origin != "") != want || !want && got != "" {
				t.Errorf("%q, %s: allowed is %q, want it: %v", origin, name, got, want)
			}
			if (h.Get("Access-Control-Allow-Credentials") == "true") != want {
				t.Errorf("%q, %s: credentials %q", origin, name, h.Get("Access-Control-Allow-Credentials"))
			}
			if h.Get("Vary") != "Origin" {
				t.Errorf("%q, %s: got Vary %q", origin, name, h.Get("Vary"))
			}
		}
		if got := preflight.Header().Get("Access-Control-Allow-Headers"); (got == "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, Traceparent") != want {
			t.Errorf("%q: preflight allows headers %q", origin, got)
		}
		if got := preflight.Header().Get("Access-Control-Allow-Methods"); strings.Contains(got, "PATCH, POST, PUT") != want {
			t.Errorf("%q: preflight allows methods %q", origin, got)
		}
		if preflight.Code != http.StatusNoContent || preflight.Body.Len() > 0 {
			t.Errorf("%q: preflight got %d %s", origin, preflight.Code, preflight.Body)
		}
	}
}

func TestAnyPageMayTryATicket(t *testing.T) {
	w := newWorld(t)
	a := w.ask("OPTIONS", "/api/sse-setup?u=x", "", "Origin", "null", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "last-event-id")
	h := a.Header()
	if a.Code != 204 || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Headers") != "Last-Event-ID" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("got %d %v", a.Code, h)
	}
	for _, origin := range []string{page, "null", "https://evil.test"} {
		h := w.setUp(w.ticket("ann").Get("u"), "Origin", origin).Header()
		if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: got %v", origin, h)
		}
	}
}

// TestHeaderInjection: nothing that a request holds begins a line of its own in
// the header of an answer, the redirect above all (S25).
func TestHeaderInjection(t *testing.T) {
	for _, br := range []string{"%0d%0a", "%0a", "%0d", "%00", "%c2%85", "%e5%98%8a%e5%98%8d", "%ff", "%0d%0a%20"} {
		evil := br + "Set-Cookie:%20evil=1" + br + br
		w := newWorld(t)
		for _, target := range []string{"/api/sse?cursor=" + evil, "/api/sse?cursor=1.AAAAAAAA.0.1.1.." + evil, "/api/sse?" + evil + "=x", "/api/" + evil, "/api/board/task/" + evil, "/api/board/" + evil + "/" + id, "/api/sse-setup?u=" + evil, "/api/board/task?" + evil} {
			for _, method := range []string{"GET", "POST", "OPTIONS"} {
				raw, err := url.PathUnescape(evil)
				if err != nil {
					t.Fatal(err)
				}
				a := w.as("ann"+strings.Trim(strings.ToValidUTF8(raw, ""), "\r\n\x00\u0085"), method, target, "", "Origin", page, "Last-Event-ID", raw, "Access-Control-Request-Headers", raw, "Access-Control-Request-Method", raw, "Idempotency-Key", raw, "Prefer", "wait=1;"+raw)
				for name, values := range a.Header() {
					for _, value := range append(values, name) {
						if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }) {
							t.Errorf("%s %s: %q: %q", method, target, name, value)
						}
					}
				}
				if a.Header().Get("Set-Cookie") != "" {
					t.Errorf("%s %s: a cookie: %v", method, target, a.Header())
				}
			}
		}
	}
}
