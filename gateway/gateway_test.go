package gateway_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/gateway"
)

func TestRoutes(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		method, path string
		want         int
		allow        string
	}{
		{"GET", "/api/health", 200, ""},
		{"HEAD", "/api/health", 200, ""},
		{"POST", "/api/health", 405, "GET"},
		{"PUT", "/api/sse", 405, "GET, POST"},
		{"OPTIONS", "/api/sse", 405, "GET, POST"},
		{"POST", "/api/sse-setup", 405, "GET, OPTIONS"},
		{"TRACE", instance, 405, "DELETE, GET, PATCH, POST, PUT"},
		{"POST", "/api/board/task", 405, "GET"},
		{"GET", "/", 404, ""},
		{"GET", "/api", 404, ""},
		{"GET", "/api/", 404, ""},
		{"GET", "/api/none", 404, ""},
		{"GET", "/api/sse/", 404, ""},
		{"GET", "/api/board/", 404, ""},
		{"GET", "/api//task/" + id, 404, ""},
		{"GET", instance + "/", 404, ""},
		{"GET", instance + "/more", 404, ""},
		{"GET", "/api/bo$rd/task", 404, ""},
		{"GET", "/api/board/task%2f" + id, 404, ""},
		{"GET", "/api/b%20d/task", 404, ""},
		{"GET", "/api/" + strings.Repeat("x", 200) + "/task", 404, ""},
		{"GET", "/api/board/task/7", 400, ""},
		{"GET", "/api/board/task/", 400, ""},
		{"POST", "/api/board/task/" + strings.ReplaceAll(id, "-", ""), 400, ""},
		{"DELETE", "/api/board/task/x" + id, 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			a := w.as("ann", tt.method, tt.path, "")
			if tt.want >= 400 {
				isProblem(t, a, tt.want)
			}
			if a.Code != tt.want || a.Header().Get("Allow") != tt.allow {
				t.Errorf("got %d %q, want %d %q", a.Code, a.Header().Get("Allow"), tt.want, tt.allow)
			}
			if a.Header().Get("Cache-Control") != "no-store" || a.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("got %v", a.Header())
			}
		})
	}
	if a := w.ask("GET", "/api/health", ""); a.Body.String() != `{"status":"ok"}`+"\n" {
		t.Errorf("got %s", a.Body)
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := newWorld(t).cfg
	for name, edit := range map[string]func(*gateway.Config){
		"first use":        func(c *gateway.Config) { c.FirstUse = time.Minute + 1 },
		"rule, no command": func(c *gateway.Config) { c.Roles = map[string][]string{"board-task": {"clerk"}} },
		"rule, empty":      func(c *gateway.Config) { c.Roles = map[string][]string{"board-task.": {"clerk"}} },
		"rule, no type":    func(c *gateway.Config) { c.Roles = map[string][]string{"task.get": {"clerk"}} },
		"rule, no role":    func(c *gateway.Config) { c.Roles = map[string][]string{"board-task.get": {"clerk", ""}} },
		"rule, a space":    func(c *gateway.Config) { c.Roles = map[string][]string{"board-task.get": {" clerk"}} },
		"rule, two": func(c *gateway.Config) {
			c.Roles = map[string][]string{"board-task.get": {"clerk", "board-task.put=boss"}}
		},
		"negative":       func(c *gateway.Config) { c.FirstUse = -1 },
		"session":        func(c *gateway.Config) { c.MaxSession = -1 },
		"body":           func(c *gateway.Config) { c.MaxBody = -1 },
		"no ticket keys": func(c *gateway.Config) { c.TicketKeys = nil },
		"edge path":      func(c *gateway.Config) { c.EdgeURL = "/edge" },
		"edge scheme":    func(c *gateway.Config) { c.EdgeURL = "javascript://edge.test" },
		"edge query":     func(c *gateway.Config) { c.EdgeURL += "?x" },
		"edge user":      func(c *gateway.Config) { c.EdgeURL = "https://ann:x@edge.test" },
		"edge fragment":  func(c *gateway.Config) { c.EdgeURL += "#" },
		"any origin":     func(c *gateway.Config) { c.Origins = []string{"*"} },
		"null origin":    func(c *gateway.Config) { c.Origins = []string{"null"} },
		"origin's path":  func(c *gateway.Config) { c.Origins = []string{"https://page.test/"} },
		"origin's case":  func(c *gateway.Config) { c.Origins = []string{"https://Page.test"} },
		"JWKS":           func(c *gateway.Config) { c.Issuers = []gateway.Issuer{{JWKS: "file:///keys"}} },
	} {
		cfg := good
		edit(&cfg)
		if _, err := gateway.New(cfg); err == nil || !strings.HasPrefix(err.Error(), "gateway: ") {
			t.Errorf("%s: got %v, want an error", name, err)
		}
	}
	if _, err := gateway.New(gateway.Config{}); err != nil {
		t.Errorf("zero Config: %v", err)
	}
}

func TestMetricsTellRouteAndReason(t *testing.T) {
	var got []string
	w := newWorld(t, func(c *gateway.Config) {
		c.Metrics.Answered = func(route string, status int, _ time.Duration) { got = append(got, fmt.Sprint(route, status)) }
		c.Metrics.Refused = func(reason string) { got = append(got, reason) }
		c.Answers = &replies{}
	})
	w.ask("GET", "/api/health", "")
	w.ask("GET", "/nothing", "")
	w.command(`{"_command":"c"}`)
	w.ask("GET", "/api/sse", "")
	w.ask("GET", "/api/sse", "", "Sec-Fetch-Mode", "navigate")
	w.ask("GET", "/api/sse", "", "Cookie", "access_token="+w.token("ann"), "Origin", "null")
	w.ask("GET", "/api/sse-setup", "")
	w.setUp("x")
	w.as("ann", "GET", "/api/board/task", "", "Prefer", "wait=1")
	w.as("ann", "PUT", instance, "", "Prefer", "wait=1")
	want := "health200 none404 instance202 token sse401 navigation sse403 origin sse403 signature sse-setup403 ticket sse-setup403 listing200 waiting415"
	if got := strings.Join(got, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

type panics struct{ gateway.Sender }

// TestPanicIsolation: a bug costs one request, and tells nothing (S58).
func TestPanicIsolation(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(c *gateway.Config) {
		c.Sender = panics{}
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	isProblem(t, w.command(`{"_command":"canary"}`), http.StatusInternalServerError)
	if a := w.ask("GET", "/api/health", ""); a.Code != 200 {
		t.Errorf("got %d afterwards", a.Code)
	}
	if !strings.Contains(log.String(), "panicked") || strings.Contains(log.String(), "canary") {
		t.Errorf("logged %s", log.String())
	}
}

// TestNoSecretsInLogs: whatever happens, nothing that opens a stream is in a
// log, even with all of it shown (S11).
func TestNoSecretsInLogs(t *testing.T) {
	var log bytes.Buffer
	i := &issuer{err: &url.Error{Op: "Get", URL: keysURL, Err: errors.New("canary-cause")}}
	logged := func(c *gateway.Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	w := newWorld(t, logged)
	remote := newWorld(t, logged, func(c *gateway.Config) { c.Issuers, c.Transport = []gateway.Issuer{{JWKS: keysURL}}, i })

	token := w.token("ann")
	q := w.ticket("ann")
	u := q.Get("u")
	meta := instruct(t, w.setUp(u)).Hold.Meta
	cursor := channel.Cursor{Offset: 7, Proof: meta["ebb-proof"]}.String()
	sig, _ := secret(t, "grip").Sign("ebb", w.now)
	bearer := []string{"Authorization", "Bearer " + token}
	w.ask("GET", "/api/sse?cursor="+cursor+"&access_token="+token, "", "Sec-Fetch-Mode", "navigate")
	w.ask("GET", "/api/sse?cursor="+cursor, "", "Authorization", "Bearer "+token+"x")
	w.ask("GET", "/api/sse?cursor="+cursor, "", "Authorization", "Basic "+token)
	w.ask("GET", "/api/sse", "", "Cookie", "access_token="+token, "Origin", "https://evil.test")
	w.ask("GET", "/api/sse-setup?u="+u, "", "Grip-Sig", sig+"x")
	w.ask("GET", "/api/none?u="+u, "", bearer...)
	w.setUp(u + "x")
	w.now = w.now.Add(2 * time.Minute)
	w.setUp(u, "Last-Event-ID", cursor+"x")
	w.now = w.now.Add(2 * time.Hour)
	w.setUp(u, "Last-Event-ID", cursor)
	w.ask("POST", instance+"?access_token="+token, `{"_command":"c"}`, bearer...)
	w.now = w.now.Add(-3 * time.Hour)
	w.sent.err = errors.New("no broker")
	w.command(`{"_command":"c","_corr":"` + token + `"}`)
	remote.ask("GET", "/api/sse", "", "Authorization", "Bearer "+w.signWith("ES256", keyPairs(t)[1].private, "kid"))

	for name, canary := range map[string]string{
		"token": token, "its claims": strings.Split(token, ".")[1], "its signature": strings.Split(token, ".")[2],
		"ticket": u, "sealed part": u[9:40], "proof": meta["ebb-proof"], "cursor": cursor, "session": meta["ebb-session"],
		"signature": sig, "a query": "?", "issuer's query": "secret=canary",
	} {
		if strings.Contains(log.String(), canary) {
			t.Errorf("%s is in the log:\n%s", name, log.String())
		}
	}
	for _, said := range []string{"no valid Grip-Sig", "used late without a proof", "canary-cause", "no broker"} {
		if !strings.Contains(log.String(), said) {
			t.Errorf("%q is not in the log:\n%s", said, log.String())
		}
	}
}

func TestTroubleIsLoggedOnceInAWhile(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(c *gateway.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	w.sent.err = errors.New("no broker")
	for range 100 {
		w.command(`{"_command":"c"}`)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("got %d lines for 100 failures: %s", n, log.String())
	}
}
