package edge

import (
	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/internal/window"
)

// Why a stream cannot go on behind its cursor: the reason in ebb.reset.
const (
	resetUnreadable = "unreadable" // it is no cursor
	resetForeign    = "foreign"    // it is of another channel
	resetGeneration = "generation" // of another life of the channel log
	resetTruncated  = "truncated"  // the log lost what it had acknowledged
	resetRetention  = "retention"  // the log has forgotten what comes next
	resetDistance   = "distance"   // too much of the log would have to be read
)

// move puts a channel onto a reading of the log, to go on behind c. It goes on
// there at once where the window can tell that c is good; else the leader is
// asked, and a cursor that cannot be followed makes a reset due.
func (s *stream) move(sub *sub, t *tail, c channel.Cursor) {
	at := s.attach(sub, t)
	switch {
	case c.Generation != t.log.Generation:
		sub.lose(resetGeneration, c.Offset, at)
	case c.Partition != sub.part:
		sub.lose(resetForeign, c.Offset, at)
	case sub.reader.Start() <= c.Offset+1 && c.Offset <= at.Offset && (c.Epoch == at.Epoch || c.Epoch < 0):
		sub.at = window.Position{Offset: c.Offset, Epoch: c.Epoch}
	default:
		sub.at = window.Position{Offset: c.Offset, Epoch: c.Epoch}
		s.judge(sub)
	}
}

// attach registers a channel with a reading of the log and returns how far
// that has come.
func (s *stream) attach(sub *sub, t *tail) window.Position {
	first := sub.reader == nil
	if !first {
		sub.reader.Close()
	}
	sub.tail, sub.log, sub.part = t, t.log, channel.Partition(sub.channel, t.log.Partitions)
	sub.behind, sub.replay = nil, new(replay)
	var at window.Position
	sub.reader, at = t.window.Attach(sub.part, sub.channel, s.holder.Wake)
	if first {
		sub.live = at.Offset
	}
	return at
}

// lose makes a reset due, after which the channel goes on at to.
func (s *sub) lose(why string, from int64, to window.Position) {
	s.why, s.from, s.at, s.live = why, from, to, to.Offset
	s.behind, s.replay = nil, new(replay)
}

// verdict says what the leader's bounds mean for a position: empty if the
// stream can go on there, also where this edge has not yet come that far.
func verdict(at window.Position, b channel.Bounds) (reset string) {
	switch {
	case at.Offset >= b.High:
		return resetTruncated
	case at.Epoch >= 0 && at.Offset >= b.EpochEnd: // unknown to the leader is -1
		return resetTruncated
	case at.Offset+1 < b.Start:
		return resetRetention
	}
	return ""
}
