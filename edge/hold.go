package edge

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/hold"
)

// hold turns a response into a stream and blocks until it ends.
func (e *Edge) hold(w http.ResponseWriter, r *http.Request, h *held) {
	h.opening.holds()
	if r.Method == http.MethodHead || !hasBody(h.status) { // there is nothing to hold
		h.opening.fails("nothing to hold")
		h.writeHeader(w)
		return
	}
	if !e.awaitReady(w, r, h) || !e.awaitSession(w, r, h) {
		h.opening.fails("not ready")
		return
	}
	socket, taken := e.socket(r)
	s := e.newStream(r, h, taken)
	// From here on every event counts, before the first byte is sent.
	if reason := e.add(s); reason != "" {
		s.detach()
		if taken {
			socket.Close()
		}
		h.opening.fails(reason)
		e.refuse(w, r, h, reason)
		return
	}
	s.judgeSession(h.began())
	h.opening.held(s)
	if taken {
		e.takeOver(w, r, h, s, socket)
		return
	}
	h.writeHeader(w)
	h.body = nil // the stream writes it and lets it go
	s.more.portable.Hold(r.Context(), w, s)
}

// awaitReady waits until the log was read. If that takes too long it answers,
// and returns false.
func (e *Edge) awaitReady(w http.ResponseWriter, r *http.Request, h *held) bool {
	select {
	case <-e.ready:
		return true
	case <-r.Context().Done():
	case <-time.After(e.cfg.Wait):
		e.refuse(w, r, h, "starting")
	}
	return false
}

// isStream tells whether Ebb's own events may be sent.
func (h *held) isStream() bool { return isStream(h.header.Get("Content-Type")) }

// refuse answers when there are no streams to be had for now.
func (e *Edge) refuse(w http.ResponseWriter, r *http.Request, h *held, reason string) {
	if h.isStream() || wantsStream(r) {
		e.sendAway(w, reason)
		return
	}
	w.Header().Set("Retry-After", "2")
	http.Error(w, "nothing can be held here for now ("+reason+")", http.StatusServiceUnavailable)
}

func (h *held) writeHeader(w http.ResponseWriter) {
	maps.Copy(w.Header(), h.answer())
	w.WriteHeader(h.status)
}

// answer is what the client gets of the header.
func (h *held) answer() http.Header {
	out := http.Header{}
	for name, values := range h.header {
		if !ofMessage[name] && name != "Content-Encoding" {
			out[name] = values
		}
	}
	if h.isStream() {
		out.Set("X-Accel-Buffering", "no")
		if out.Get("Cache-Control") == "" {
			out.Set("Cache-Control", "no-store")
		}
	}
	return out
}

// ofMessage are headers that concern one connection, or a body's length that no
// longer holds.
var ofMessage = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Transfer-Encoding": true, "Content-Length": true, "Trailer": true, "Upgrade": true,
}

// hasBody tells whether responses with that status have one.
func hasBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// begins returns what a stream begins with: the origin's words, and when to
// come back unless they say so.
func (h *held) begins() []byte {
	if !h.isStream() {
		return h.body
	}
	b := endBlock(h.body, h.body)
	if bytes.Contains(b, []byte("retry:")) {
		return b
	}
	return appendRetry(b, "")
}

// newStream subscribes to all channels of a hold.
func (e *Edge) newStream(r *http.Request, h *held, taken bool) *stream {
	meta := h.instruct.Hold.Meta
	t := e.tail.Load()
	s := &stream{sub: sub{tail: t}, sse: h.isStream(), taken: taken, peer: e.gate.addresses.Of(r.RemoteAddr)}
	if !taken {
		s.rare().portable = hold.NewPortable()
	}
	if first := h.begins(); len(first) > 0 {
		s.rare().first = first
	}
	if k := h.instruct.Hold.KeepAlive; k != nil {
		s.rare().keepAlive = k
	}
	hasSession := meta[grip.MetaSession] != ""
	if s.ofUser = hasSession; hasSession {
		if channel.ValidProof(meta[grip.MetaProof]) {
			copy(s.proof[:], meta[grip.MetaProof])
		}
		if ttl, err := strconv.Atoi(meta[grip.MetaTTL]); err == nil {
			s.expires.Store(int64(e.clock(time.Now()) + time.Duration(ttl)*time.Second))
		}
	}
	if filters := newFilters(h.instruct.Hold, h.prefix); filters != nil {
		s.rare().filters = filters
	}
	channels := h.channels()
	if s.cursors = s.sse && len(channels) == 1 && !ownIDs(h.instruct.Hold); s.cursors {
		s.begin(t, channels[0].Name, r, hasSession)
		return s
	}
	for i, ch := range channels {
		to := &s.sub
		if i > 0 {
			to = new(sub)
			s.rare().subs = append(s.more.subs, to)
		}
		to.at = s.attach(to, t, ch.Name)
		if at, ok := behindItem(&to.reader, ch.PrevID); ok {
			to.at = at
		}
	}
	return s
}

// channels are those of a hold, each once, by their names in the log.
func (h *held) channels() (list []grip.Channel) {
	for _, ch := range h.instruct.Hold.Channels {
		ch.Name = channel.Foreign(h.prefix, ch.Name)
		if !slices.ContainsFunc(list, func(c grip.Channel) bool { return c.Name == ch.Name }) {
			list = append(list, ch)
		}
	}
	return list
}

// begin puts a stream where its browser left it, or else at the end of the log.
func (s *stream) begin(t *tail, name string, r *http.Request, hasSession bool) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("cursor")
	}
	sub := &s.sub
	at := s.attach(sub, t, name)
	c, err := channel.ParseCursor(text)
	switch {
	case err == nil:
		s.goOn(sub, c, at)
	case text != "" && hasSession:
		sub.lose(resetUnreadable, -1, at)
	default: // a new stream, or an id that means something to the origin alone
		sub.at = at
	}
}
