package edge

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/internal/hold"
	"github.com/ebb-events/ebb/sse"
)

// hold turns a response into a stream and blocks until it ends.
func (e *Edge) hold(w http.ResponseWriter, r *http.Request, h *held) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	select {
	case <-e.ready:
	case <-ctx.Done():
		return
	case <-time.After(e.cfg.Wait):
		sendBack(w, "starting")
		return
	}
	s := e.newStream(ctx, r, h)
	// From here on every event counts, before the first byte is sent.
	if !e.add(s) {
		sendBack(w, reasonDraining)
		return
	}
	for _, sub := range s.subs {
		defer func() { sub.reader.Close() }() // the one it has then
	}

	for name, values := range h.header {
		if !hopByHop[name] {
			w.Header()[name] = values
		}
	}
	if s.sse {
		w.Header().Set("X-Accel-Buffering", "no")
		if w.Header().Get("Cache-Control") == "" {
			w.Header().Set("Cache-Control", "no-store")
		}
	}
	w.WriteHeader(h.status)
	first := h.body
	if s.sse && !endsOpen(first) {
		first = appendRetry(first)
	}
	_, err := w.Write(first)
	if err == nil {
		err = s.holder.Hold(ctx, w, s)
	}
	e.remove(s, s.closedBy(err))
}

// hopByHop headers concern one connection, or a body's length that no longer
// holds.
var hopByHop = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Transfer-Encoding": true, "Content-Length": true, "Content-Encoding": true,
}

// endsOpen tells whether a body ends within a block, which is not ours to add to.
func endsOpen(body []byte) bool { return len(body) > 0 && !strings.HasSuffix(string(body), "\n") }

// newStream subscribes to all channels of a hold.
func (e *Edge) newStream(ctx context.Context, r *http.Request, h *held) *stream {
	meta := h.instruct.Hold.Meta
	s := &stream{
		edge:      e,
		ctx:       ctx,
		holder:    hold.NewPortable(),
		sse:       strings.HasPrefix(h.header.Get("Content-Type"), sse.ContentType),
		session:   meta["session"] != "",
		keepAlive: h.instruct.Hold.KeepAlive,
	}
	if s.session {
		s.proof = meta["proof"]
		if ttl, err := strconv.Atoi(meta["ttl"]); err == nil {
			s.expires = time.Now().Add(time.Duration(ttl) * time.Second)
		}
	}
	s.cursors = s.sse && len(h.instruct.Hold.Channels) == 1
	t := e.tail.Load()
	for _, ch := range h.instruct.Hold.Channels {
		sub := &sub{channel: ch.Name}
		s.subs = append(s.subs, sub)
		if s.cursors {
			s.begin(sub, t, r)
		} else {
			sub.at = s.attach(sub, t)
		}
	}
	return s
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
