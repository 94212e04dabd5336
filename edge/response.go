package edge

import (
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/window"
)

// Outcomes of a request that waited for a response to be published.
const (
	pollAnswered = "answered"
	pollTimeout  = "timeout"
	pollHint     = "hint" // the origin was asked again
	pollGone     = "gone"
	pollDraining = "draining"
)

// wait holds a request until a response is published on one of its channels, or
// its time is up and it gets the one that the origin has given. again tells that
// the origin is to be asked once more.
func (e *Edge) wait(w http.ResponseWriter, r *http.Request, h *held, body *keptBody) (again bool) {
	h.opening.fails("no stream")
	if r.Method == http.MethodHead || !hasBody(h.status) { // there is nothing to wait for
		h.send(w, r)
		return false
	}
	if !e.awaitReady(w, r, h) {
		return false
	}
	peer := e.gate.addresses.Of(r.RemoteAddr)
	if reason := e.enter(peer); reason != "" {
		e.refuse(w, r, h, reason)
		return false
	}
	defer e.leave(peer)
	p := newPoll(e, h)
	if !e.polls.add(p) {
		e.refuse(w, r, h, reasonDraining)
		return false
	}
	defer e.polls.remove(p)
	defer p.detach()
	outcome := p.until(r, time.Duration(h.instruct.Hold.Timeout)*time.Second)
	call1(e.cfg.Metrics.Polled, outcome)
	switch outcome {
	case pollGone:
		return false
	case pollHint:
		if body.complete() && p.spread(r) {
			return true
		}
	case pollAnswered:
		h.override(p.response)
	}
	h.send(w, r)
	return false
}

// override puts what was published over the origin's response, whose headers
// stay where it has none of that name.
func (h *held) override(with grip.Response) {
	h.status = with.Code
	if h.status == 0 {
		h.status = http.StatusOK
	}
	h.header = maps.Clone(h.header)
	maps.Copy(h.header, with.Header)
	stripGrip(h.header)
	h.body = []byte(with.Body)
}

// send writes the whole response.
func (h *held) send(w http.ResponseWriter, r *http.Request) {
	out := w.Header()
	for name, values := range h.header {
		if !ofMessage[name] {
			out[name] = values
		}
	}
	if !hasBody(h.status) {
		w.WriteHeader(h.status)
		return
	}
	out.Set("Content-Length", strconv.Itoa(len(h.body)))
	w.WriteHeader(h.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(h.body)
	}
}

// poll is a request that waits for a response. All but its channels of signals
// belongs to its goroutine.
type poll struct {
	edge     *Edge
	subs     []*pollSub
	tail     *tail
	entries  []window.Entry // scratch
	response grip.Response  // what was published

	woken chan struct{} // has one when there may be something
	ended chan struct{} // closed when it shall end
}

// pollSub is a channel that a poll hears, and how far.
type pollSub struct {
	channel string
	filter  *filter
	reader  window.Reader
	at      int64
}

// newPoll subscribes to all channels of a hold.
func newPoll(e *Edge, h *held) *poll {
	p := &poll{edge: e, tail: e.tail.Load(), woken: make(chan struct{}, 1), ended: make(chan struct{})}
	filters := newFilters(h.instruct.Hold, h.prefix)
	for _, ch := range h.channels() {
		s := &pollSub{channel: ch.Name, filter: filters[ch.Name]}
		s.at = p.attach(s)
		if at, ok := behindItem(&s.reader, ch.PrevID); ok {
			s.at = at.Offset
		}
		p.subs = append(p.subs, s)
	}
	return p
}

// Wake has the poll look soon.
func (p *poll) Wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

func (p *poll) attach(s *pollSub) int64 {
	part := channel.Partition(s.channel, p.tail.log.Partitions)
	return p.tail.window.Attach(&s.reader, part, s.channel, p).Offset
}

func (p *poll) detach() {
	for _, s := range p.subs {
		s.reader.Close()
	}
}

// behindItem returns the position behind the item with that id, if the window
// has it: what was published between the origin's look at its state and the hold
// is not missed then.
func behindItem(r *window.Reader, id string) (at window.Position, ok bool) {
	if id == "" {
		return at, false
	}
	entries, _, _ := r.Read(nil, r.Start()-1, math.MaxInt)
	for _, e := range slices.Backward(entries) {
		if item, is := e.Extra.(*publishedItem); is && item.id == id {
			return window.Position{Offset: e.Offset, Epoch: e.Epoch}, true
		}
	}
	return at, false
}

// until blocks until the poll has an outcome.
func (p *poll) until(r *http.Request, timeout time.Duration) (outcome string) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		if outcome := p.look(); outcome != "" {
			return outcome
		}
		select {
		case <-p.woken:
		case <-timer.C:
			return pollTimeout
		case <-p.ended:
			return pollDraining
		case <-r.Context().Done():
			return pollGone
		}
	}
}

// look reads what is new on all channels.
func (p *poll) look() (outcome string) {
	if t := p.edge.tail.Load(); t != p.tail {
		// What was missed between two readings of the log nobody can tell.
		return pollHint
	}
	for _, s := range p.subs {
		for {
			entries, at, ok := s.reader.Read(p.entries[:0], s.at, most)
			if !ok {
				return pollHint // the window has passed it by
			}
			for i := range entries {
				if outcome := p.take(s, &entries[i]); outcome != "" {
					return outcome
				}
			}
			done := at.Offset <= s.at
			s.at = max(s.at, at.Offset)
			clear(entries)
			p.entries = entries[:0]
			if done {
				break
			}
		}
	}
	return ""
}

// take looks at one entry of a channel.
func (p *poll) take(s *pollSub, e *window.Entry) (outcome string) {
	switch e.Kind {
	case kindHint, kindGap:
		return pollHint
	case kindAnswer:
	default:
		return ""
	}
	if s.filter.judge(e.Extra.(*publishedItem)) != sent {
		return ""
	}
	var response grip.Response
	err := json.Unmarshal(e.Frame, &response)
	if err == nil && len(s.filter.contentFilters()) > 0 {
		var body []byte
		body, err = s.filter.change([]byte(response.Body))
		response.Body = string(body)
	}
	if err != nil {
		p.edge.cfg.Logger.Warn("a published response cannot be made for a client", "part", "edge", "channel", s.channel, "cause", err)
		return pollHint
	}
	p.response = response
	return pollAnswered
}

// spread waits a moment, longer where many wait for the same: the origin is not
// to be asked by all of them at once. It returns false if the client is gone.
func (p *poll) spread(r *http.Request) bool {
	select {
	case <-time.After(rand.N(time.Duration(1+p.edge.polls.count()) * time.Millisecond)):
		return true
	case <-r.Context().Done():
		return false
	}
}
