package audit

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"testing"
	"testing/synctest"
	"time"
)

// lines decodes what was logged.
func lines(t *testing.T, b *bytes.Buffer) (list []map[string]any) {
	t.Helper()
	for d := json.NewDecoder(b); d.More(); {
		var m map[string]any
		if err := d.Decode(&m); err != nil {
			t.Fatal(err)
		}
		delete(m, "time")
		list = append(list, m)
	}
	return list
}

func TestLine(t *testing.T) {
	var b bytes.Buffer
	l := New(slog.New(slog.NewJSONHandler(&b, nil)))
	l.Write(Event{Action: "stream", Outcome: Accepted, User: "ann", Session: "secret", From: "[::ffff:192.0.2.1]:7"})
	l.Write(Event{Action: "command", Outcome: Refused, Reason: "role", From: "pipe", Status: 403})
	want := []map[string]any{
		{"level": "INFO", "msg": "audit", "action": "stream", "outcome": "accepted", "user": "ann", "session": Hash("secret"), "address": "192.0.2.1"},
		{"level": "WARN", "msg": "audit", "action": "command", "outcome": "refused", "reason": "role", "status": 403.0},
	}
	got := lines(t, &b)
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if !maps.Equal(got[i], want[i]) {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
	}
	if h := Hash("secret"); len(h) != 12 || h == Hash("Secret") || Hash("") != "" {
		t.Errorf("hash %q", h)
	}
}

// TestFloodIsBounded: of a flood of refusals there is a bounded number of lines
// and one that says how many are missing; others are all there.
func TestFloodIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		l := New(slog.New(slog.NewJSONHandler(&b, nil)))
		for range 50_000 {
			l.Write(Event{Action: "stream", Outcome: Refused, Reason: "token"})
		}
		l.Write(Event{Action: "stream", Outcome: Accepted, User: "ann"})
		l.Write(Event{Action: "revoke", Outcome: Refused, Always: true})
		time.Sleep(1100 * time.Millisecond)
		l.Write(Event{Action: "stream", Outcome: Refused, Reason: "later"})
		written, left, others := 0, 0.0, 0
		for _, line := range lines(t, &b) {
			switch {
			case line["left_out"] != nil:
				left += line["left_out"].(float64)
			case line["reason"] == "token":
				written++
			default:
				others++
			}
		}
		if written != 1000 || written+int(left) != 50_000 {
			t.Errorf("%d written, %v left out, of 50,000", written, left)
		}
		if others != 3 {
			t.Errorf("%d other lines, want 3", others)
		}
	})
}
