package main

import (
	"context"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestRevokeCommand ends a user's streams, and nobody else's.
func TestRevokeCommand(t *testing.T) {
	p, err := startDev(t.TempDir(), clean())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	streams := map[string]*stream{}
	for _, user := range []string{"ann", "bob"} {
		token, err := p.login(ctx, user)
		if err != nil {
			t.Fatal(err)
		}
		s, err := p.stream(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		defer s.body.Close()
		streams[user] = s
	}
	revoke := func(args ...string) (out string, err error) {
		cmd := exec.CommandContext(ctx, "ebb", append([]string{"revoke"}, args...)...)
		cmd.Env = clean()
		b, err := cmd.CombinedOutput()
		return string(b), err
	}
	begun := time.Now()
	if out, err := revoke("--user", "ann", "--admin-addr", p.addr["admin"]); err != nil || out != "revoked\n" {
		t.Fatalf("got %q, %v", out, err)
	}
	for {
		e, err := streams["ann"].Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Name == "ebb.bye" {
			if string(e.Data) != `{"reason":"revoked"}` || time.Since(begun) > 2*time.Second {
				t.Errorf("got %s after %v", e.Data, time.Since(begun))
			}
			break
		}
	}
	if out, err := revoke("--user", "bob", "--session", "x", "--admin-addr", p.addr["admin"]); err == nil || !strings.Contains(out, "The session is not a name.") {
		t.Errorf("got %q, %v", out, err)
	}
	for _, addr := range []string{p.addr["gateway"], "127.0.0.1:1"} {
		if out, err := revoke("--user", "bob", "--admin-addr", addr); err == nil || !strings.HasPrefix(out, "ebb revoke: nothing was revoked for sure: ") || strings.Count(out, "\n") != 1 {
			t.Errorf("at %s: got %q, %v", addr, out, err)
		}
	}
	resp, err := http.Get("http://" + p.addr["admin"] + "/revoke")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("got %s for a GET", resp.Status)
	}
	answer, err := http.Get("http://" + p.addr["admin"] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if text := string(b); err != nil || !strings.Contains(text, `ebb_gateway_sessions_total{what="revoke"} 1`) || !strings.Contains(text, `ebb_edge_streams_closed_total{reason="revoked"} 1`) || !strings.Contains(text, "ebb_edge_streams 1\n") {
		t.Errorf("bob's stream ended, or it was not counted: %s", text)
	}
}
