package edge

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/hold"
	"github.com/ebb-events/ebb/internal/window"
	"github.com/ebb-events/ebb/sse"
)

// Why a stream ends, where we choose: the reason in ebb.bye and in metrics.
const (
	reasonExpired  = "expired"
	reasonDraining = "draining"
	reasonClosed   = "closed" // by a publisher
)

// most is about how many bytes a stream is asked for at a time.
const most = 64 << 10

// stream is one browser's. All but ending and results belongs to Fill.
type stream struct {
	edge   *Edge
	holder *hold.Portable
	subs   []*sub

	sse     bool   // it is an event stream: Ebb's own events may be sent
	cursors bool   // it hears one channel, so its events have cursors
	session bool   // the origin has given it a session
	proof   string // of its session
	expires time.Time
	warned  bool // ebb.expiring was sent
	greeted bool // ebb.hello was sent

	first     []byte          // what it begins with, until it was sent
	keepAlive *grip.KeepAlive // what the origin wants to be sent on a silent stream
	beat      time.Time       // when a heartbeat is due
	entries   []window.Entry  // scratch

	ctx    context.Context // ends with the stream: what reads ahead for it must stop
	ending atomic.Pointer[string]
}

// sub is a channel that a stream hears, and how far.
type sub struct {
	channel string
	tail    *tail // the reading of the log that reader is of
	reader  *window.Reader
	log     channel.Log // what at is a position in
	part    int32
	at      window.Position
	live    int64   // the newest offset when the stream came: what was closed up to there is closed for others
	behind  *behind // non-nil while the log itself is asked
	replay  *replay // what is kept between reads from beyond the window
	filter  *filter // nil for most
	why     string  // a reset that is due, and from which offset
	from    int64
}

func (s *sub) cursor(proof string) channel.Cursor {
	return channel.Cursor{Generation: s.log.Generation, Partition: s.part, Offset: s.at.Offset, Epoch: s.at.Epoch, Proof: proof}
}

// end asks the stream to end with that reason. The first reason stays.
func (s *stream) end(reason string) {
	s.ending.CompareAndSwap(nil, &reason)
	s.holder.Wake()
}

// Fill appends what the stream shall get now.
func (s *stream) Fill(b []byte, now time.Time) ([]byte, hold.Next) {
	if s.beat.IsZero() {
		s.beat = s.nextBeat(now)
	}
	begun := len(b)
	more := false
	b = append(b, s.first...)
	s.first = nil
	for _, sub := range s.subs {
		var again bool
		b, again = s.fill(b, sub)
		more = more || again
	}
	if reason := s.ending.Load(); reason != nil {
		return s.bye(b, *reason), hold.Next{Done: true}
	}
	if s.expired(now) {
		s.end(reasonExpired)
		return s.bye(b, *s.ending.Load()), hold.Next{Done: true}
	}
	if s.warns(now) {
		b = s.appendOwn(b, eventExpiring, nil)
	}
	due := !now.Before(s.beat)
	steady := s.keepAlive != nil && s.keepAlive.Interval
	if due && (steady || len(b) == begun) {
		b = s.heartbeat(b)
	}
	if due || len(b) > begun && !steady {
		s.beat = s.nextBeat(now)
	}
	return b, hold.Next{At: s.wants(), More: more}
}

func (s *stream) expired(now time.Time) bool { return !s.expires.IsZero() && !now.Before(s.expires) }

// warns tells, once, that the session ends within a minute.
func (s *stream) warns(now time.Time) bool {
	if s.expires.IsZero() || s.warned || !s.greeted || now.Before(s.expires.Add(-time.Minute)) {
		return false
	}
	s.warned = true
	return true
}

// wants returns when there is something to do at the latest.
func (s *stream) wants() time.Time {
	at := s.beat
	if s.expires.IsZero() {
		return at
	}
	if warn := s.expires.Add(-time.Minute); !s.warned && s.greeted && warn.Before(at) {
		at = warn
	}
	if s.expires.Before(at) {
		at = s.expires
	}
	return at
}

// fill appends what one channel has.
func (s *stream) fill(b []byte, sub *sub) (out []byte, more bool) {
	e := s.edge
	if t := e.tail.Load(); sub.tail != t {
		s.move(sub, t, sub.cursor(""))
	}
	if sub.behind != nil {
		var wait bool
		if b, wait = s.takeBehind(b, sub); wait {
			return b, false
		}
	}
	if sub.why != "" {
		b = s.reset(b, sub)
	}
	if !s.greeted {
		s.greeted = true
		b = s.appendOwn(b, eventHello, nil)
	}
	room := most - len(b)
	entries, at, ok := sub.reader.Read(s.entries[:0], sub.at.Offset, room)
	if !ok {
		s.catchUp(sub)
		return b, false
	}
	if sub.replay.begun {
		sub.replay = new(replay) // the next one begins with other repeats behind it
	}
	for i := range entries {
		room -= len(entries[i].Frame) // as Read counts
	}
	b, closed := s.appendEntries(b, sub, entries)
	if !closed && at.Offset > sub.at.Offset {
		sub.at = at
	}
	clear(entries) // frames shall go when the window forgets them
	s.entries = entries[:0]
	return b, room <= 0
}

// appendEntries adds entries and moves the position past them. It stops behind
// one that closes the stream: what follows is for its successor.
func (s *stream) appendEntries(b []byte, sub *sub, entries []window.Entry) (out []byte, closed bool) {
	begun, events := len(b), 0
	for i := range entries {
		e := &entries[i]
		from := sub.at.Offset
		sub.at = window.Position{Offset: e.Offset, Epoch: e.Epoch}
		switch e.Kind {
		case kindClose:
			if e.Offset > sub.live { // replay skips it
				s.end(reasonClosed)
				closed = true
			}
		case kindGap:
			sub.why, sub.from = string(e.Frame), from
			b = s.reset(b, sub)
		case kindAnswer, kindHint: // for others
		default:
			e, fate := sub.filter.entry(e)
			if fate == faulty {
				b, closed = s.faulty(b, sub, from)
			}
			if fate != sent {
				break
			}
			b = s.appendEntry(b, e)
			events++
			if f := s.edge.cfg.Metrics.Age; f != nil {
				f(time.Since(e.Time))
			}
		}
		if closed {
			break
		}
	}
	if f := s.edge.cfg.Metrics.Delivered; f != nil && events > 0 {
		f(events, len(b)-begun)
	}
	return b, closed
}

// gone is what ebb.reset says.
type gone struct {
	Reason string `json:"reason"`
	From   int64  `json:"from"` // the last offset that the stream had
	To     int64  `json:"to"`   // the one from which it goes on
}

// reset tells that there is a gap, with an id that lies past it.
func (s *stream) reset(b []byte, sub *sub) []byte {
	b = s.appendOwn(b, eventReset, gone{sub.why, sub.from, sub.at.Offset})
	call1(s.edge.cfg.Metrics.Reset, sub.why)
	sub.why = ""
	return b
}

// bye says why the stream ends, and when to come back.
func (s *stream) bye(b []byte, reason string) []byte {
	if !s.sse {
		return b
	}
	return s.appendOwn(appendRetry(b), eventBye, struct {
		Reason string `json:"reason"`
	}{reason})
}

// appendRetry says when to come back, another time to each.
func appendRetry(b []byte) []byte {
	block := sse.Event{Retry: time.Second + rand.N(3*time.Second)}.Append(nil)
	line := block[:len(block)-len("data: \n\n")]
	return append(b, line...)
}

// heartbeat keeps the connection, and moves the browser's cursor.
func (s *stream) heartbeat(b []byte) []byte {
	if s.keepAlive != nil {
		b = append(b, s.keepAlive.Content...)
		if s.sse {
			b = endBlock(b, []byte(s.keepAlive.Content))
		}
	}
	if s.sse && !s.greeted {
		return append(b, ":\n\n"...) // its position is not known yet
	}
	return s.appendOwn(b, eventMark, nil)
}

// nextBeat is 15 to 20 s from now, or earlier if the origin wants so. On what
// is no event stream the origin alone has a say.
func (s *stream) nextBeat(now time.Time) time.Time {
	if !s.sse {
		if s.keepAlive != nil {
			return now.Add(s.keepAlive.Timeout)
		}
		return now.Add(24 * time.Hour)
	}
	beat := 15*time.Second + rand.N(5*time.Second)
	if s.keepAlive != nil && s.keepAlive.Timeout < beat {
		beat = s.keepAlive.Timeout
	}
	return now.Add(beat)
}
