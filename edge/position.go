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
	former := sub.tail
	at := s.attach(sub, t, sub.reader.Channel())
	s.judgeSession(former.told)
	s.goOn(sub, c, at)
}

// goOn is move for a channel that has been attached, at at.
func (s *stream) goOn(sub *sub, c channel.Cursor, at window.Position) {
	switch {
	case c.Generation != sub.tail.log.Generation:
		sub.lose(resetGeneration, c.Offset, at)
	case c.Partition != sub.reader.Partition():
		sub.lose(resetForeign, c.Offset, at)
	default:
		sub.at = window.Position{Offset: c.Offset, Epoch: c.Epoch}
		if sub.reader.Start() > c.Offset+1 || c.Offset > at.Offset || c.Epoch != at.Epoch && c.Epoch >= 0 {
			s.judge(sub)
		}
	}
}

// attach registers a channel with a reading of the log and returns how far
// that has come.
func (s *stream) attach(sub *sub, t *tail, channelName string) window.Position {
	first := !sub.reader.Attached()
	if !first {
		sub.reader.Close()
		sub.release()
	}
	sub.tail = t
	at := t.window.Attach(&sub.reader, channel.Partition(channelName, t.log.Partitions), channelName, s)
	if first {
		sub.live = at.Offset
	}
	return at
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
