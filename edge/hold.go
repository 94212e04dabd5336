package edge

import (
	"bytes"
	"context"
	"errors"
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
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()

	if r.Method == http.MethodHead || !hasBody(h.status) { // there is nothing to hold
		h.writeHeader(w)
		return
	}
	select {
	case <-e.ready:
	case <-ctx.Done():
		return
	case <-time.After(e.cfg.Wait):
		h.refuse(w, r, "starting")
		return
	}

	s := e.newStream(ctx, r, h)
	defer s.detach()
	// From here on every event counts, before the first byte is sent.
	if !e.add(s) {
		h.refuse(w, r, reasonDraining)
		return
	}
	h.writeHeader(w)
	h.body = nil // the stream writes it and lets it go
	err := s.holder.Hold(ctx, w, s)
	e.remove(s, s.closedBy(err))
}

// isStream tells whether Ebb's own events may be sent.
func (h *held) isStream() bool { return isStream(h.header.Get("Content-Type")) }

// refuse answers when there are no streams to be had for now.
func (h *held) refuse(w http.ResponseWriter, r *http.Request, reason string) {
	if h.isStream() || wantsStream(r) {
		sendBack(w, reason)
		return
	}
	w.Header().Set("Retry-After", "2")
	http.Error(w, "the edge is "+reason, http.StatusServiceUnavailable)
}

func (h *held) writeHeader(w http.ResponseWriter) {
	out := w.Header()
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
	w.WriteHeader(h.status)
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
	return appendRetry(b)
}

// newStream subscribes to all channels of a hold.
func (e *Edge) newStream(ctx context.Context, r *http.Request, h *held) *stream {
	meta := h.instruct.Hold.Meta
	s := &stream{
		edge:      e,
		ctx:       ctx,
		holder:    hold.NewPortable(),
		sse:       h.isStream(),
		first:     h.begins(),
		session:   meta[grip.MetaSession] != "",
		keepAlive: h.instruct.Hold.KeepAlive,
	}
	if s.session {
		if channel.ValidProof(meta[grip.MetaProof]) {
			s.proof = meta[grip.MetaProof]
		}
		if ttl, err := strconv.Atoi(meta[grip.MetaTTL]); err == nil {
			s.expires = time.Now().Add(time.Duration(ttl) * time.Second)
		}
	}
	filters, prevIDs := newFilters(h.instruct.Hold), map[string]string{}
	for _, ch := range h.instruct.Hold.Channels {
		if !slices.ContainsFunc(s.subs, func(other *sub) bool { return other.channel == ch.Name }) {
			s.subs = append(s.subs, &sub{channel: ch.Name, filter: filters[ch.Name]})
			prevIDs[ch.Name] = ch.PrevID
		}
	}
	s.cursors = s.sse && len(s.subs) == 1 && !ownIDs(h.instruct.Hold)
	t := e.tail.Load()
	for _, sub := range s.subs {
		if s.cursors {
			s.begin(sub, t, r)
		} else {
			sub.at = s.attach(sub, t)
			if at, ok := behindItem(sub.reader, prevIDs[sub.channel]); ok {
				sub.at = at
			}
		}
	}
	return s
}

// detach lets go of what the stream has in the window.
func (s *stream) detach() {
	for _, sub := range s.subs {
		sub.reader.Close()
	}
}

// begin puts a stream where its browser left it, or else at the end of the log.
func (s *stream) begin(sub *sub, t *tail, r *http.Request) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("cursor")
	}
	c, err := channel.ParseCursor(text)
	switch {
	case err == nil:
		s.move(sub, t, c)
	case text != "" && s.session:
		sub.lose(resetUnreadable, -1, s.attach(sub, t))
	default: // a new stream, or an id that means something to the origin alone
		sub.at = s.attach(sub, t)
	}
}

// closedBy names the end of a stream for the metric.
func (s *stream) closedBy(err error) string {
	switch {
	case errors.Is(err, hold.ErrStalled):
		return "stalled"
	case err != nil:
		return "gone"
	}
	return *s.ending.Load()
}
