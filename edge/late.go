package edge

import (
	"sync/atomic"

	"github.com/ebb-events/ebb/internal/window"
)

// late is what a channel of a stream has while the window cannot serve it.
type late struct {
	lost    *gone     // a reset that is due
	asked   *question // what was asked of the log itself
	repeats repeats   // of the channel's records up to its position
	warm    bool      // repeats know what is needed of the past
	scanned int64     // bytes of the log that were read for it
}

// States of a question.
const (
	isAsked = iota
	isAnswered
	isDropped // nobody waits for the answer any more
)

// question is asked of the log itself. What follows state is the answer.
type question struct {
	edge    *Edge
	stream  *stream
	channel string
	late    *late
	from    window.Position // where the stream is

	begun int64 // bytes that were read before its part came

	state   atomic.Int32    // asked, answered or dropped
	reset   string          // there is no going on from there
	entries []window.Entry  // what comes next
	size    int64           // of their frames
	at      window.Position // up to which they go
}

// judge asks the leader whether the channel can go on where it is.
func (s *stream) judge(sub *sub) { s.ask(sub, s.edge().asks) }

// catchUp reads what lies between the channel's position and the window.
func (s *stream) catchUp(sub *sub) { s.ask(sub, s.edge().reads) }

func (s *stream) ask(sub *sub, way *lanes) {
	if sub.late == nil {
		sub.late = new(late)
	}
	q := &question{edge: s.edge(), stream: s, channel: sub.reader.Channel(), late: sub.late, from: sub.at, at: sub.at}
	sub.late.asked = q
	way.add(sub.tail, sub.reader.Partition(), q)
}

// takeLate appends what the log has answered; wait is true while there is more
// to come before what the window has.
func (s *stream) takeLate(b []byte, begun int, sub *sub) (out []byte, wait bool) {
	l := sub.late
	q := l.asked
	switch {
	case l.lost != nil:
		b = s.reset(b, *l.lost)
		sub.late = nil
		return b, false
	case q == nil:
		return b, false
	case q.state.Load() != isAnswered:
		return b, true
	case q.reset != "":
		to := sub.tail.window.At(sub.reader.Partition())
		sub.lose(q.reset, sub.at.Offset, to)
		return s.takeLate(b, begun, sub)
	}
	n, room := 0, most-(len(b)-begun)
	for n < len(q.entries) && room > 0 {
		room -= len(q.entries[n].Frame)
		n++
	}
	b, closed := s.appendEntries(b, sub, q.entries[:n])
	call1(s.edge().cfg.Metrics.Replayed, n)
	if q.entries = q.entries[n:]; closed || len(q.entries) > 0 {
		return b, true
	}
	sub.at = q.at
	l.asked = nil
	q.drop()
	return b, false
}

// ready tells whether an answer is there that was not all taken.
func (l *late) ready() bool { return l.asked != nil && l.asked.state.Load() == isAnswered }

// lose makes a reset due, after which the channel goes on at to.
func (s *sub) lose(why string, from int64, to window.Position) {
	s.release()
	s.at, s.live = to, to.Offset
	s.late = &late{lost: &gone{why, from, to.Offset}}
}

// release drops what was asked.
func (s *sub) release() {
	if s.late != nil && s.late.asked != nil {
		s.late.asked.drop()
	}
	s.late = nil
}

// answer hands the answer to the stream, which may be gone.
func (q *question) answer() {
	q.edge.unsent.Add(q.size)
	if q.state.CompareAndSwap(isAsked, isAnswered) {
		q.stream.Wake()
	} else {
		q.edge.unsent.Add(-q.size)
	}
}

// drop says that the answer was taken, or is not wanted any more.
func (q *question) drop() {
	if q.state.Swap(isDropped) == isAnswered {
		q.edge.unsent.Add(-q.size)
	}
}
