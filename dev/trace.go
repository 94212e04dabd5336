package dev

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ebb-events/ebb/internal/tracing"
)

// mostSpans is how many of the last spans are kept: some thousand commands.
const mostSpans = 20_000

// Spans are the last spans of all boxes, so that the page can show the way of
// a command. The zero value has none.
type Spans struct {
	mu   sync.Mutex
	ring []tracing.Kept
	next int // place of the next one, which is the oldest's once there are as many as may be
}

// Add adds a span that has ended.
func (s *Spans) Add(k tracing.Kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ring) < mostSpans {
		s.ring = append(s.ring, k)
		return
	}
	s.ring[s.next] = k
	s.next = (s.next + 1) % mostSpans
}

// Command returns the steps of the last command with that _corr, in order, as
// far as they have ended; none if there is no such command.
func (s *Spans) Command(corr string) []tracing.Kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.last(func(k *tracing.Kept) bool { return k.Corr == corr })
	if of == nil {
		return nil
	}
	return s.steps(tracing.Command, tracing.Deliver, of.Trace)
}

// Opening returns the steps in which the user's last stream was opened.
func (s *Spans) Opening(user string) []tracing.Kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.last(func(k *tracing.Kept) bool { return k.Step == tracing.Open && k.User == user })
	if of == nil {
		return nil
	}
	return s.steps(tracing.Ask, tracing.Hold, append(of.Links, of.Trace)...)
}

// last returns the newest span that is meant.
func (s *Spans) last(meant func(*tracing.Kept) bool) *tracing.Kept {
	for i := range s.ring {
		k := &s.ring[(s.next+len(s.ring)-1-i)%len(s.ring)]
		if meant(k) {
			return k
		}
	}
	return nil
}

// steps returns one span for each step of some traces: of several attempts the
// last, and of several streams that an event goes to the first that had it.
func (s *Spans) steps(from, to tracing.Step, traces ...string) (steps []tracing.Kept) {
	var best [tracing.Deliver + 1]*tracing.Kept
	for i := range s.ring {
		k := &s.ring[(s.next+i)%len(s.ring)]
		if k.Step < from || k.Step > to || !slices.Contains(traces, k.Trace) {
			continue
		}
		if first := best[k.Step]; first != nil && k.Step == tracing.Deliver && !first.Fail && !ended(k).Before(ended(first)) {
			continue
		}
		best[k.Step] = k
	}
	for _, k := range best {
		if k != nil {
			steps = append(steps, *k)
		}
	}
	return steps
}

func ended(k *tracing.Kept) time.Time { return k.Start.Add(k.Took) }

// shownSpan is a span as GET /dev/trace has it.
type shownSpan struct {
	Step  tracing.Step `json:"step"`
	Name  string       `json:"name"`
	Start float64      `json:"start"` // milliseconds since 1970
	MS    float64      `json:"ms"`
}

// trace answers GET ?corr=<_corr> or ?user=<name>.
func (s *Spans) trace(w http.ResponseWriter, r *http.Request) {
	corr, user := r.URL.Query().Get("corr"), r.URL.Query().Get("user")
	found := struct {
		Corr  string      `json:"corr,omitempty"`
		User  string      `json:"user,omitempty"`
		Spans []shownSpan `json:"spans"`
	}{Corr: corr, User: user}
	var spans []tracing.Kept
	switch {
	case (corr == "") == (user == ""):
		problem(w, http.StatusBadRequest, "Say which: ?corr=, the _corr of a command, or ?user=, who has opened a stream.")
		return
	case corr != "":
		spans = s.Command(corr)
	default:
		spans = s.Opening(user)
	}
	if len(spans) == 0 {
		problem(w, http.StatusNotFound, "There is no such trace, not yet or not any more.")
		return
	}
	for _, k := range spans {
		found.Spans = append(found.Spans, shownSpan{k.Step, k.Name, millis(time.Duration(k.Start.UnixNano())), millis(k.Took)})
	}
	answer(w, http.StatusOK, found)
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
