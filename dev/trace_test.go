package dev_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
)

// trace is what GET /dev/trace answers.
type trace struct {
	Corr, User string
	Spans      []struct {
		Step  int
		Name  string
		Start float64
		MS    float64
	}
}

// trace waits until all steps of a trace are there.
func (s *system) trace(query string, steps int) (got trace) {
	s.t.Helper()
	for begun := time.Now(); len(got.Spans) < steps; pause(s.t.Context(), 10*time.Millisecond) {
		if time.Since(begun) > soon {
			s.t.Fatalf("%s has only %+v", query, got)
		}
		resp := s.do("GET", s.api("/dev/trace?"+query), nil, nil)
		if resp.StatusCode == http.StatusNotFound {
			continue // not yet
		}
		got = trace{}
		if err := json.Unmarshal(resp.body, &got); err != nil || resp.StatusCode != http.StatusOK {
			s.t.Fatalf("%s: %s %s", query, resp.Status, resp.body)
		}
	}
	return got
}

// check holds steps against the time in which they must have been.
func (got trace) check(t *testing.T, first int, names []string, begun, over time.Time) {
	t.Helper()
	if len(got.Spans) != len(names) {
		t.Fatalf("got %+v, want the steps %v", got, names)
	}
	last := millis(begun)
	for i, span := range got.Spans {
		if span.Step != first+i || span.Name != names[i] {
			t.Errorf("step %d is %d, %s, want %s", first+i, span.Step, span.Name, names[i])
		}
		if span.Start < last {
			t.Errorf("step %d begins %.3f ms before the one before", span.Step, last-span.Start)
		}
		if end := span.Start + span.MS; span.MS <= 0 || end > millis(over) {
			t.Errorf("step %d takes %.3f ms and ends %.3f ms after all was seen to be over", span.Step, span.MS, end-millis(over))
		}
		last = span.Start
	}
}

func millis(t time.Time) float64 { return float64(t.UnixNano()) / 1e6 }

var (
	opening = []string{"ask", "redirect", "accept", "set up", "open", "hold"}
	way     = []string{"command", "send", "execute", "commit", "carry", "deliver"}
)

// TestTraceOfACommand: the steps of a command, and of the stream that hears of
// it, are there with the times that they took.
func TestTraceOfACommand(t *testing.T) {
	s := start(t, t.TempDir())
	ann := s.login("ann")
	begun := time.Now()
	stream := ann.open("")
	stream.own("ebb.hello")
	s.trace("user=ann", len(opening)).check(t, 1, opening, begun, time.Now())

	for range 3 {
		corr := uuid.NewString()
		resp := s.do("GET", s.api("/dev/trace?corr="+corr), nil, nil)
		if resp.StatusCode != http.StatusNotFound || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("nothing is known: %s %s", resp.Status, resp.body)
		}
		begun = time.Now()
		ann.send(uuid.NewString(), map[string]any{"_command": "create", "title": "t", "_corr": corr})
		stream.reply(corr)
		got := s.trace("corr="+corr, len(way))
		got.check(t, 7, way, begun, time.Now())
		if got.Corr != corr {
			t.Errorf("it is of %q", got.Corr)
		}
	}

	// A stream that comes back has a trace of its own, and what it missed too.
	stream.cut()
	corr := "while away & cut"
	ann.send(uuid.NewString(), map[string]any{"_command": "create", "title": "t", "_corr": corr})
	begun = time.Now()
	back := ann.open(stream.lastID)
	back.own("ebb.hello")
	back.reply(corr)
	got := s.trace("corr="+url.QueryEscape(corr), len(way))
	if deliver := got.Spans[5]; deliver.Start < millis(begun) || deliver.Start+deliver.MS > millis(time.Now()) {
		t.Errorf("it was delivered at %.3f for %.3f ms, which is not when the stream was back", deliver.Start, deliver.MS)
	}
	again := s.trace("user=ann", len(opening))
	again.check(t, 1, opening, begun, time.Now())

	for _, query := range []string{"", "corr=x&user=ann", "user="} {
		if resp := s.do("GET", s.api("/dev/trace?"+query), nil, nil); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %s", query, resp.Status)
		}
	}
}
