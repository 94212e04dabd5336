package edge

import (
	"math"
	"slices"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/internal/window"
)

// replay is one reading of a part of the log, for all who wait for it.
type replay struct {
	edge  *Edge
	at    place
	chunk int64 // bytes of frames for each

	ahead   []*question            // whose position has not been passed, the nearest first
	hearing map[string][]*question // by channel, all that are not answered
	open    int                    // how many these are

	pos   window.Position // how far the log was read
	bytes int64           // of the log that were read
	limit int64           // of bytes, at which somebody has had too much
}

// overhead is about what a record of the log costs beside its value, in bytes.
const overhead = 100

func newReplay(e *Edge, at place, asked []*question) *replay {
	r := &replay{edge: e, at: at, hearing: map[string][]*question{}, open: len(asked), pos: window.Position{Offset: -1, Epoch: -1}, limit: math.MaxInt64}
	r.chunk = min(max((unsent-e.unsent.Load())/int64(len(asked)), little), chunk)
	for _, q := range asked {
		r.hearing[q.channel] = append(r.hearing[q.channel], q)
	}
	r.ahead = slices.SortedFunc(slices.Values(asked), func(a, b *question) int {
		return int(min(max(a.from.Offset-b.from.Offset, -1), 1))
	})
	return r
}

// take gives an entry to whom it concerns. It returns false when all have had
// enough.
func (r *replay) take(e channel.Entry) bool {
	for len(r.ahead) > 0 && r.ahead[0].from.Offset < e.Offset {
		q := r.ahead[0]
		r.ahead = r.ahead[1:]
		q.begun = r.bytes
		r.limit = min(r.limit, r.limitOf(q))
	}
	r.pos = window.Position{Offset: e.Offset, Epoch: e.Epoch}
	if e.Channel == "" {
		for name := range r.hearing {
			r.give(name, &e)
		}
	} else {
		r.give(e.Channel, &e)
	}
	r.bytes += int64(len(e.Data)) + overhead
	if r.bytes >= r.limit {
		r.giveUp()
	}
	return r.open > 0
}

// limitOf is at how many bytes of this reading a question's stream is too far
// behind.
func (r *replay) limitOf(q *question) int64 { return q.begun + r.edge.cfg.Scan - q.late.scanned }

// give gives an entry to those who hear a channel. What one of them gets must
// not be a copy of what it had before.
func (r *replay) give(name string, e *channel.Entry) {
	var framed *window.Entry
	full := false
	for _, q := range r.hearing[name] {
		copied := q.late.repeats.copy(e)
		if copied || e.Offset <= q.from.Offset {
			continue
		}
		if framed == nil {
			f := r.at.tail.frame(e)
			framed = &f
		}
		q.entries = append(q.entries, *framed)
		q.size += int64(len(framed.Frame))
		full = full || q.size >= r.chunk
	}
	if full {
		r.answer(func(q *question) bool { return q.size >= r.chunk }, name)
	}
}

// giveUp answers those for whom too much was read. What was found may not be
// sent: a gap would follow it.
func (r *replay) giveUp() {
	r.limit = math.MaxInt64
	for name, asked := range r.hearing {
		for _, q := range asked {
			switch {
			case q.from.Offset >= r.pos.Offset: // not begun
			case r.bytes >= r.limitOf(q):
				q.reset, q.entries, q.size = resetDistance, nil, 0
			default:
				r.limit = min(r.limit, r.limitOf(q))
			}
		}
		r.answer(func(q *question) bool { return q.reset != "" }, name)
	}
}

// answer answers those who hear a channel and for whom it is time.
func (r *replay) answer(who func(*question) bool, name string) {
	r.hearing[name] = slices.DeleteFunc(r.hearing[name], func(q *question) bool {
		if !who(q) {
			return false
		}
		r.open--
		r.finish(q)
		return true
	})
	if len(r.hearing[name]) == 0 {
		delete(r.hearing, name)
	}
}

func (r *replay) finish(q *question) {
	q.late.warm = true
	if r.pos.Offset > q.from.Offset {
		q.at = r.pos
		q.late.scanned += r.bytes - q.begun
	}
	q.answer()
}

// end answers all who are left, and returns those for whom nothing could be
// read. until is where the window begins, which a reading without an error
// reached.
func (r *replay) end(err error, until int64) (left []*question, _ error) {
	for _, asked := range r.hearing {
		for _, q := range asked {
			if err != nil && r.pos.Offset <= q.from.Offset {
				left = append(left, q)
				continue
			}
			if err == nil {
				r.pos.Offset = max(r.pos.Offset, until-1)
			}
			r.finish(q)
		}
	}
	return left, err
}
