package gateway_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/grip"
)

func TestSetUpHoldsTheStreamOnItsUsersChannel(t *testing.T) {
	for _, user := range []string{"ann", `a,b;c="d\` + "\u00e9", "a\u2028b", strings.Repeat("<", 256)} {
		w := newWorld(t)
		q := w.ticket(user)
		w.now = w.now.Add(10*time.Second + time.Millisecond)
		a := w.setUp(q.Get("u"))
		in := instruct(t, a)
		if in.Hold.Mode != grip.ModeStream || len(in.Hold.Channels) != 1 || in.Hold.Channels[0].Name != user {
			t.Errorf("got %+v, want a stream on channel %q alone", in.Hold, user)
		}
		meta := in.Hold.Meta
		if len(meta["ebb-proof"]) != 22 || len(meta["ebb-session"]) != 22 || meta["ebb-proof"] == meta["ebb-session"] || meta["ebb-ttl"] != "3590" || len(meta) != 3 {
			t.Errorf("got meta %v, want session, proof and 3590 s left", meta)
		}
		if in.Hold.KeepAlive != nil {
			t.Errorf("got keep-alive %v, want the edge's", in.Hold.KeepAlive)
		}
		for name, want := range map[string]string{
			"Content-Type":                 "text/event-stream",
			"Cache-Control":                "no-store",
			"X-Accel-Buffering":            "no",
			"Access-Control-Allow-Origin":  "*",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Resource-Policy": "cross-origin",
		} {
			if got := in.Response.Header.Get(name); got != want {
				t.Errorf("stream has %s %q, want %q", name, got, want)
			}
		}
		if in.Response.Code != 200 || a.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("got code %d, header %v", in.Response.Code, a.Header())
		}
	}
}

// TestLeakedUrlAloneRefusedAfterTTL: after a minute it takes the cursor of an
// event of the same session too, until the session ends (S13).
func TestLeakedUrlAloneRefusedAfterTTL(t *testing.T) {
	w := newWorld(t)
	u := w.ticket("ann").Get("u")
	other := instruct(t, w.setUp(w.ticket("ann").Get("u"))).Hold.Meta["ebb-proof"]
	proof := instruct(t, w.setUp(u)).Hold.Meta["ebb-proof"]
	cursor := func(proof string) string { return channel.Cursor{Partition: 3, Offset: 7, Proof: proof}.String() }
	tests := []struct {
		name  string
		after time.Duration
		last  string
		want  int
	}{
		{"at once", 0, "", 200},
		{"within the minute", time.Minute, "", 200},
		{"within the minute, odd id", time.Minute, "7", 200},
		{"late, alone", time.Minute + time.Millisecond, "", 403},
		{"late, with the proof", time.Minute + time.Millisecond, cursor(proof), 200},
		{"late, with another session's proof", 2 * time.Minute, cursor(other), 403},
		{"late, without a proof", 2 * time.Minute, cursor(""), 403},
		{"late, the proof alone", 2 * time.Minute, proof, 403},
		{"late, not quite the proof", 2 * time.Minute, cursor(flip(proof)), 403},
		{"at the end, with the proof", time.Hour - time.Millisecond, cursor(proof), 200},
		{"after the end, with the proof", time.Hour, cursor(proof), 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(c *gateway.Config) { *c = w.cfg })
			w.now = w.now.Add(tt.after)
			w.cfg.Now = func() time.Time { return w.now }
			w.gw, _ = gateway.New(w.cfg)
			var header []string
			if tt.last != "" {
				header = []string{"Last-Event-ID", tt.last}
			}
			if a := w.setUp(u, header...); a.Code != tt.want {
				t.Errorf("got %d %s, want %d", a.Code, a.Body, tt.want)
			}
		})
	}
	w.now = w.now.Add(2 * time.Minute)
	sig, _ := secret(t, "grip").Sign("ebb", w.now)
	if a := w.ask("GET", "/api/sse-setup?u="+u+"&cursor="+cursor(proof), "", "Grip-Sig", sig); a.Code != 403 {
		t.Errorf("got %d for a proof in the query, want 403", a.Code)
	}
}

func flip(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}

// TestTokenBitFlips: no bit of a ticket can be changed, nor anything added (S14).
func TestTokenBitFlips(t *testing.T) {
	w := newWorld(t)
	for _, user := range []string{"a", "an", "ann"} { // the ends of base64 differ
		u := w.ticket(user).Get("u")
		if w.setUp(u).Code != 200 {
			t.Fatal("the ticket itself is refused")
		}
		for i := range len(u) * 8 {
			b := []byte(u)
			b[i/8] ^= 1 << (i % 8)
			if a := w.setUp(string(b)); a.Code != 403 {
				t.Errorf("bit %d of byte %d: got %d", i%8, i/8, a.Code)
			}
		}
		for _, s := range []string{u + "A", u + "=", u + "\n", "\n" + u, u[:len(u)-1], u[:9], strings.ToUpper(u), "." + u, u[9:], strings.Repeat("A", 1<<20)} {
			if a := w.setUp(s); a.Code != 403 {
				t.Errorf("%.60q: got %d", s, a.Code)
			}
		}
	}
}

func TestTokenWrongAudience(t *testing.T) {
	here := newWorld(t)
	there := newWorld(t, func(c *gateway.Config) { c.EdgeURL = "https://edge.test/other" })
	if a := there.setUp(here.ticket("ann").Get("u")); a.Code != 403 {
		t.Errorf("got %d for the ticket of another edge", a.Code)
	}
	slash := newWorld(t, func(c *gateway.Config) { c.EdgeURL += "/" })
	if a := slash.setUp(here.ticket("ann").Get("u")); a.Code != 200 {
		t.Errorf("got %d for the same edge with a slash", a.Code)
	}
}

func TestTicketKeysRotate(t *testing.T) {
	old, next := secret(t, "ticket"), secret(t, "next")
	before := newWorld(t)
	during := newWorld(t, func(c *gateway.Config) { c.TicketKeys = []grip.Key{next, old} })
	after := newWorld(t, func(c *gateway.Config) { c.TicketKeys = []grip.Key{next} })
	for _, tt := range []struct {
		name     string
		from, to *world
		want     int
	}{
		{"old to both", before, during, 200}, {"new to both", during, during, 200},
		{"new to new", during, after, 200}, {"old to new", before, after, 403}, {"new to old", during, before, 403},
	} {
		if got := tt.to.setUp(tt.from.ticket("ann").Get("u")).Code; got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestUniformTokenErrors: nobody learns why a ticket opens nothing (S15).
func TestUniformTokenErrors(t *testing.T) {
	w := newWorld(t)
	u := w.ticket("ann").Get("u")
	expired := newWorld(t)
	expired.now = expired.now.Add(2 * time.Hour)
	late := newWorld(t)
	late.now = late.now.Add(2 * time.Minute)
	answers := map[string]*httptest.ResponseRecorder{
		"no ticket":    w.setUp(""),
		"garbage":      w.setUp("x"),
		"unknown key":  w.setUp("00000000" + u[8:]),
		"flipped":      w.setUp(u[:30] + flip(u[30:])),
		"expired":      expired.setUp(u),
		"late":         late.setUp(u),
		"no signature": w.ask("GET", "/api/sse-setup?u="+u, ""),
		"two tickets":  w.ask("GET", "/api/sse-setup?u="+u+"&u="+u, "", "Grip-Sig", func() string { s, _ := secret(t, "grip").Sign("ebb", w.now); return s }()),
	}
	first := answers["no ticket"]
	isProblem(t, first, http.StatusForbidden)
	for name, a := range answers {
		if a.Code != first.Code || !bytes.Equal(a.Body.Bytes(), first.Body.Bytes()) || len(a.Header()) != len(first.Header()) {
			t.Errorf("%s: got %d %s %v, want %d %s", name, a.Code, a.Body, a.Header(), first.Code, first.Body)
		}
		if a.Header().Get("Access-Control-Allow-Origin") != "*" || a.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: a page cannot read it: %v", name, a.Header())
		}
	}
}

// TestGripSigRequired: the edge alone is told about tickets (S40).
func TestGripSigRequired(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.GripKeys = append(c.GripKeys, secret(t, "next grip")) })
	u := w.ticket("ann").Get("u")
	sign := func(key, issuer string, at time.Time) string {
		s, err := secret(t, key).Sign(issuer, at)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	good := sign("grip", "ebb", w.now)
	for name, tt := range map[string]struct {
		sigs []string
		want int
	}{
		"good":         {[]string{good}, 200},
		"next key":     {[]string{sign("next grip", "ebb", w.now)}, 200},
		"none":         {nil, 403},
		"empty":        {[]string{""}, 403},
		"twice":        {[]string{good, good}, 403},
		"another key":  {[]string{sign("other", "ebb", w.now)}, 403},
		"other issuer": {[]string{sign("grip", "pushpin", w.now)}, 403},
		"expired":      {[]string{sign("grip", "ebb", w.now.Add(-12*time.Minute))}, 403},
		"no exp":       {[]string{jws(secretBytes("grip"), hs256, `{"iss":"ebb"}`)}, 403},
		"alg none":     {[]string{b64(`{"alg":"none"}`) + "." + b64(`{"iss":"ebb","exp":99999999999}`) + "."}, 403},
	} {
		var header []string
		for _, s := range tt.sigs {
			header = append(header, "Grip-Sig", s)
		}
		if a := w.ask("GET", "/api/sse-setup?u="+url.QueryEscape(u), "", header...); a.Code != tt.want {
			t.Errorf("%s: got %d, want %d", name, a.Code, tt.want)
		}
	}
}

func TestSessionEndsWithTokenOrSooner(t *testing.T) {
	for _, tt := range []struct {
		most time.Duration
		want string
	}{{0, "3600"}, {12 * time.Hour, "3600"}, {time.Minute, "60"}, {1500 * time.Millisecond, "2"}} {
		w := newWorld(t, func(c *gateway.Config) { c.MaxSession = tt.most })
		if got := instruct(t, w.setUp(w.ticket("ann").Get("u"))).Hold.Meta["ebb-ttl"]; got != tt.want {
			t.Errorf("MaxSession %v: got %s s, want %s", tt.most, got, tt.want)
		}
	}
}

func TestTicketsAreNeverTheSame(t *testing.T) {
	w := newWorld(t)
	a, b := w.ticket("ann").Get("u"), w.ticket("ann").Get("u")
	x, y := instruct(t, w.setUp(a)).Hold.Meta, instruct(t, w.setUp(b)).Hold.Meta
	if a == b || x["ebb-session"] == y["ebb-session"] || x["ebb-proof"] == y["ebb-proof"] {
		t.Errorf("got %s and %s, %v and %v", a, b, x, y)
	}
	if strings.Trim(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		t.Errorf("%q is not safe in a URL", a)
	}
}
