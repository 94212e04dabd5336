package edge

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/hold"
	"github.com/ebb-events/ebb/internal/limit"
	"github.com/ebb-events/ebb/internal/window"
	"github.com/ebb-events/ebb/sse"
)

// Why a stream ends, where we choose: the reason in ebb.bye and in metrics.
const (
	reasonExpired  = "expired"
	reasonDraining = "draining"
	reasonClosed   = "closed" // by a publisher
	reasonStopped  = "stopped"
)

// most is about how many bytes a stream is asked for at a time.
const most = 16 << 10

// stream is one browser's. There are very many of them, so what few have is in
// more. All but ending belongs to Fill.
type stream struct {
	conn hold.Conn // its place in the edge's loop, if that has taken it over
	sub  sub
	more *more // nil if it has nothing of that

	expires atomic.Int64  // a [time.Duration] by the edge's clock; 0 is never
	beat    time.Duration // when a heartbeat is due
	ending  atomic.Pointer[string]

	peer    limit.Peer             // where its browser is
	born    uint64                 // its number among all streams so far; 0 until it is held
	place   int32                  // among the edge's streams
	taken   bool                   // the loop holds it
	sse     bool                   // it is an event stream: Ebb's own events may be sent
	cursors bool                   // it hears one channel, so its events have cursors
	warned  bool                   // ebb.expiring was sent
	greeted bool                   // ebb.hello was sent
	ofUser  bool                   // it is of a user's session
	proof   [channel.ProofLen]byte // of its session; zeros if it has none
}

// more is what few streams have.
type more struct {
	portable  *hold.Portable     // what holds it, if the loop does not
	first     []byte             // what it begins with, until it was sent
	keepAlive *grip.KeepAlive    // what the origin wants to be sent on a silent stream
	subs      []*sub             // channels beside the first
	filters   map[string]*filter // by channel
	spans     []trace.Span       // that end when what was appended is written
}

// edge is whose stream it is.
func (s *stream) edge() *Edge { return s.sub.tail.edge }

// appendProof adds the end of a cursor.
func (s *stream) appendProof(b []byte) []byte {
	if s.proof[0] == 0 {
		return b
	}
	return append(b, s.proof[:]...)
}

// rare returns what few streams have, to be changed.
func (s *stream) rare() *more {
	if s.more == nil {
		s.more = new(more)
	}
	return s.more
}

// sub is a channel that a stream hears, and how far.
type sub struct {
	reader window.Reader
	tail   *tail           // the reading of the log that reader is of, and at a position in
	at     window.Position // up to which all was sent
	live   int64           // the newest offset when the stream came: what was closed up to there is closed for others
	late   *late           // nil while the window has all that is to be sent
}

// cursor is the position, without the session's proof.
func (s *sub) cursor() channel.Cursor {
	return channel.Cursor{Generation: s.tail.log.Generation, Partition: s.reader.Partition(), Offset: s.at.Offset, Epoch: s.at.Epoch}
}

// Wake has the stream asked soon.
func (s *stream) Wake() {
	if s.taken {
		s.conn.Wake()
	} else {
		s.more.portable.Wake()
	}
}

// end asks the stream to end with that reason. The first reason stays.
func (s *stream) end(reason string) {
	s.ending.CompareAndSwap(nil, &reason)
	s.Wake()
}

// Fill appends what the stream shall get now.
func (s *stream) Fill(b []byte, wall time.Time) ([]byte, hold.Next) {
	now := s.edge().clock(wall)
	if s.beat == 0 {
		s.beat = s.nextBeat(now)
	}
	begun := len(b)
	if s.more != nil {
		b = append(b, s.more.first...)
		s.more.first = nil
	}
	more := false
	if s.sub.reader.Attached() { // or else it hears no channel
		b, more = s.fill(b, begun, &s.sub)
	}
	if s.more != nil {
		for _, sub := range s.more.subs {
			var again bool
			b, again = s.fill(b, begun, sub)
			more = more || again
		}
		if s.taken && s.more.keepAlive == nil && s.more.subs == nil && s.more.filters == nil && s.more.spans == nil {
			s.more = nil
		}
	}
	if s.expired(now) {
		s.ending.CompareAndSwap(nil, new(reasonExpired))
	}
	if reason := s.ending.Load(); reason != nil {
		return s.bye(b, *reason), hold.Next{Done: true, Tell: s.traced()}
	}
	if s.warns(now) {
		b = s.appendOwn(b, eventExpiring, s.expiry(now))
	}
	due := now >= s.beat
	k := s.keepAlive()
	steady := k != nil && k.Interval
	if due && (steady || len(b) == begun) {
		b = s.heartbeat(b)
	}
	if due || len(b) > begun && !steady {
		s.beat = s.nextBeat(now)
	}
	return b, hold.Next{At: wall.Add(s.wants() - now), More: more, Tell: s.traced()}
}

func (s *stream) expired(now time.Duration) bool {
	ends := time.Duration(s.expires.Load())
	return ends != 0 && now >= ends
}

// warns tells, once, that the session ends within a minute, and once more if
// that was put off.
func (s *stream) warns(now time.Duration) bool {
	ends := time.Duration(s.expires.Load())
	if ends == 0 || !s.greeted {
		return false
	}
	before := s.warned
	s.warned = now >= ends-time.Minute
	return s.warned && !before
}

// wants returns when there is something to do at the latest.
func (s *stream) wants() time.Duration {
	at, ends := s.beat, time.Duration(s.expires.Load())
	if ends == 0 {
		return at
	}
	if !s.warned && s.greeted {
		at = min(at, ends-time.Minute)
	}
	return min(at, ends)
}

// fill appends what one channel has. b had begun bytes when the stream was asked.
func (s *stream) fill(b []byte, begun int, sub *sub) (out []byte, more bool) {
	if t := s.edge().tail.Load(); sub.tail != t {
		s.move(sub, t, sub.cursor())
	}
	if s.revoked() {
		return b, false
	}
	if sub.late != nil {
		var wait bool
		if b, wait = s.takeLate(b, begun, sub); wait {
			return b, sub.late.ready()
		}
	}
	s.greet(&b)
	scratch := scratches.Get().(*[]window.Entry)
	defer scratches.Put(scratch)
	room := most - (len(b) - begun)
	entries, at, ok := sub.reader.Read((*scratch)[:0], sub.at.Offset, room)
	if !ok {
		s.catchUp(sub)
		return b, false
	}
	sub.late = nil // another time it begins with other repeats behind it
	for i := range entries {
		room -= len(entries[i].Frame) // as Read counts
	}
	b, closed := s.appendEntries(b, sub, entries)
	if !closed && at.Offset > sub.at.Offset {
		sub.at = at
	}
	clear(entries) // frames shall go when the window forgets them
	*scratch = entries
	return b, room <= 0
}

// scratches are for the entries of one Fill.
var scratches = sync.Pool{New: func() any { return new([]window.Entry) }}

// greet says ebb.hello, once.
func (s *stream) greet(b *[]byte) {
	if !s.greeted {
		s.greeted = true
		*b = s.appendOwn(*b, eventHello, nil)
	}
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
			b = s.reset(b, gone{string(e.Frame), from, e.Offset})
		case kindAnswer, kindHint: // for others
		default:
			e, fate := s.filter(sub).entry(e)
			if fate == faulty {
				b, closed = s.faulty(b, sub, from)
			}
			if fate != sent {
				break
			}
			b = s.appendEntry(b, e)
			events++
			if e.Extra != nil {
				s.traceDelivery(e, e.Offset <= sub.live)
			}
			if f := s.edge().cfg.Metrics.Age; f != nil {
				f(time.Since(e.Time))
			}
		}
		if closed {
			break
		}
	}
	if f := s.edge().cfg.Metrics.Delivered; f != nil && events > 0 {
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
func (s *stream) reset(b []byte, g gone) []byte {
	call1(s.edge().cfg.Metrics.Reset, g.Reason)
	return s.appendOwn(b, eventReset, g)
}

// bye says why the stream ends, and when to come back.
func (s *stream) bye(b []byte, reason string) []byte {
	if !s.sse {
		return b
	}
	if b = appendRetry(b, reason); reason == reasonRevoked {
		// Without an id: what lies before the position may not have been sent.
		return append(sse.AppendFields(b, eventBye, []byte(`{"reason":"`+reason+`"}`)), '\n')
	}
	return s.appendOwn(b, eventBye, struct {
		Reason string `json:"reason"`
	}{reason})
}

// appendRetry says when to come back.
func appendRetry(b []byte, reason string) []byte {
	b = strconv.AppendInt(append(b, "retry: "...), wayBack(reason).Milliseconds(), 10)
	return append(b, '\n')
}

// heartbeat keeps the connection, and moves the browser's cursor.
func (s *stream) heartbeat(b []byte) []byte {
	if k := s.keepAlive(); k != nil {
		b = append(b, k.Content...)
		if s.sse {
			b = endBlock(b, []byte(k.Content))
		}
	}
	if s.sse && !s.greeted {
		return append(b, ":\n\n"...) // its position is not known yet
	}
	return s.appendOwn(b, eventMark, nil)
}

// filter returns what a channel's items go through, nil for most.
func (s *stream) filter(sub *sub) *filter {
	if s.more == nil {
		return nil
	}
	return s.more.filters[sub.reader.Channel()]
}

func (s *stream) keepAlive() *grip.KeepAlive {
	if s.more == nil {
		return nil
	}
	return s.more.keepAlive
}

// nextBeat is 15 to 20 s from now, or earlier if the origin wants so. On what
// is no event stream the origin alone has a say.
func (s *stream) nextBeat(now time.Duration) time.Duration {
	k := s.keepAlive()
	if !s.sse {
		if k != nil {
			return now + k.Timeout
		}
		return now + 24*time.Hour
	}
	beat := 15*time.Second + rand.N(5*time.Second)
	if k != nil {
		beat = min(beat, k.Timeout)
	}
	return now + beat
}

// End lets go of what the stream has.
func (s *stream) End(err error) {
	s.detach()
	s.endSpans("the stream has ended")
	s.edge().remove(s, s.closedBy(err))
}

func (s *stream) detach() {
	if s.sub.reader.Attached() {
		s.sub.detach()
	}
	if s.more != nil {
		for _, sub := range s.more.subs {
			sub.detach()
		}
	}
}

func (s *sub) detach() {
	s.reader.Close()
	s.release()
}

// closedBy names the end of a stream for the metric.
func (s *stream) closedBy(err error) string {
	switch {
	case err == nil:
		return *s.ending.Load()
	case errors.Is(err, hold.ErrStalled):
		return "stalled"
	case errors.Is(err, hold.ErrStopped):
		return reasonStopped
	}
	return "gone"
}
