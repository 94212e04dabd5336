package edge

import (
	"context"
	"net/http"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/window"
	"github.com/ebb-events/ebb/session"
)

const reasonRevoked = "revoked" // in ebb.bye: the user must log in again

// followSessions reads what becomes of sessions until ctx ends.
func (e *Edge) followSessions(ctx context.Context) {
	session.Follow(ctx, e.cfg.Sessions, e.applySessions, func(err error) {
		e.cfg.Logger.Warn("reading the sessions anew", "part", "edge", "cause", err)
	})
}

func (e *Edge) applySessions(b session.Batch) {
	e.telling.Lock()
	defer e.telling.Unlock()
	e.book.Apply(b, e.tell)
}

// tell tells the streams of a user what became of their sessions. It finds them
// by their channel; which session a stream is of, its proof says.
func (e *Edge) tell(r session.Record) {
	t := e.tail.Load()
	if t == nil {
		return
	}
	t.window.Each(channel.Partition(r.User, t.log.Partitions), r.User, func(owner window.Waker) {
		s, ok := owner.(*stream)
		if !ok || s.proof[0] == 0 || r.Session != "" && s.session() != r.Session {
			return
		}
		if r.Kind == session.Renew {
			s.extend(e.clock(time.UnixMilli(r.Ends)))
		} else {
			s.end(reasonRevoked)
		}
	})
}

// awaitSession waits until this edge knows of its session what the gateway knew
// that began it. If that takes too long it answers, and returns false.
func (e *Edge) awaitSession(w http.ResponseWriter, r *http.Request, h *held) bool {
	if e.book == nil || h.instruct.Hold.Meta[grip.MetaSession] == "" {
		return true
	}
	ctx, cancel := context.WithTimeout(r.Context(), e.cfg.Wait)
	defer cancel()
	if e.book.Wait(ctx, h.began()) == nil {
		return true
	}
	if r.Context().Err() == nil {
		e.refuse(w, r, h, "starting")
	}
	return false
}

// began is where a stream's session began.
func (h *held) began() session.Place {
	p, _ := session.ParsePlace(h.instruct.Hold.Meta[grip.MetaBegan]) // or before everything
	return p
}

// judgeSession does to a stream what became of its session since a place. What comes
// later finds the stream by itself, as it is attached.
func (s *stream) judgeSession(since session.Place) {
	book := s.edge().book
	if book == nil || s.proof[0] == 0 {
		return
	}
	user, name := s.sub.reader.Channel(), s.session()
	if book.Revoked(user, name, since) {
		s.ending.CompareAndSwap(nil, new(reasonRevoked))
	}
	if at, ok := book.Ends(user, name); ok {
		s.extend(s.edge().clock(at))
	}
}

// session is the name of the stream's.
func (s *stream) session() string { return session.NameOf(string(s.proof[:])) }

// revoked tells whether the stream ends because its session was revoked: it
// gets no events any more.
func (s *stream) revoked() bool {
	reason := s.ending.Load()
	return reason != nil && *reason == reasonRevoked
}

// extend has the session end later, if it ends. The stream finds out when it
// would have ended before.
func (s *stream) extend(at time.Duration) {
	for now := s.expires.Load(); now != 0 && now < int64(at); now = s.expires.Load() {
		if s.expires.CompareAndSwap(now, int64(at)) {
			return
		}
	}
}

// expiry is what ebb.expiring says.
type expiry struct {
	Expires int64 `json:"expires"` // in seconds since 1970
	Left    int64 `json:"left"`    // seconds
}

func (s *stream) expiry(now time.Duration) expiry {
	ends := time.Duration(s.expires.Load())
	left := max(0, ends-now)
	return expiry{s.edge().begun.Add(ends).Unix(), int64((left + time.Second - 1) / time.Second)}
}
