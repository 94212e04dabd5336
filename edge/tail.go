package edge

import (
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/internal/window"
	"github.com/ebb-events/ebb/session"
)

// tail is one reading of the channel log from ten minutes ago on: the window,
// and what is needed to fill it without repeats.
type tail struct {
	edge   *Edge
	log    channel.Log
	window *window.Window
	parts  []*tailPart
	behind int // partitions that have not been read up to where they ended

	told session.Place // up to where its streams were told of their sessions; set when another takes its place
}

type tailPart struct {
	target  int64 // where the partition ended when we began
	caught  bool
	repeats repeats
}

func newTail(e *Edge) *tail { return &tail{edge: e} }

// apply takes the next part of a partition.
func (t *tail) apply(b channel.Batch) {
	if t.window == nil {
		t.log = b.Log
		t.window = window.New(b.Partitions, t.edge.cfg.Window)
		t.parts = make([]*tailPart, b.Partitions)
		t.behind = int(b.Partitions)
	}
	p := t.parts[b.Partition]
	if p == nil {
		p = &tailPart{target: b.High}
		t.parts[b.Partition] = p
		begin := b.Next
		if len(b.Entries) > 0 {
			begin = b.Entries[0].Offset
		}
		t.window.Begin(b.Partition, begin, b.Epoch)
	}
	metrics := &t.edge.cfg.Metrics
	for i := range b.Entries {
		entry := &b.Entries[i]
		if p.repeats.copy(entry) {
			call(metrics.Copies)
			continue
		}
		t.window.Append(b.Partition, t.frame(entry))
	}
	t.window.Advance(b.Partition, window.Position{Offset: b.Next - 1, Epoch: b.Epoch})
	if metrics.Lag != nil {
		metrics.Lag(b.Partition, b.High-b.Next)
	}
	call1(metrics.Window, t.window.Bytes())
	if !p.caught && b.Next >= p.target {
		p.caught = true
		if t.behind--; t.behind == 0 {
			t.edge.swap(t)
		}
	}
}

// keep is how long copies are told from originals, by the log's own time.
const keep = 10 * time.Minute

// repeats tells the copies in one partition of the log. The zero value has
// seen nothing.
type repeats struct {
	marks map[origin]mark
	items map[item]time.Time
	order []item // items, oldest first
}

// origin is a partition that records were made from.
type origin struct {
	topicID   [16]byte
	partition int32
}

// mark is the highest first occurrence of an origin. The recipients of one
// source record are appended in byte order.
type mark struct {
	offset  int64
	channel string
}

// item is one format of a published item: those for streams and for responses
// are records of their own.
type item struct {
	publisher, channel, id string
	block                  int
	stream                 bool
}

// copy tells whether e is a copy of what was seen before, and notes e if not.
func (r *repeats) copy(e *channel.Entry) bool {
	if e.Kind == channel.Gap && e.Channel == "" {
		r.marks = nil // a source may have lost its end, and use offsets again
	}
	if e.Src.IsRecord() {
		return r.copyOfRecord(e)
	}
	if e.Src.Item == "" {
		return false
	}
	for len(r.order) > 0 && e.Time.Sub(r.items[r.order[0]]) > keep {
		delete(r.items, r.order[0])
		r.order = r.order[1:]
	}
	it := item{e.Src.Publisher, e.Channel, e.Src.Item, e.Src.Block, e.Kind != channel.Answer && e.Kind != channel.Hint}
	if _, ok := r.items[it]; ok {
		return true
	}
	if r.items == nil {
		r.items = map[item]time.Time{}
	}
	r.items[it] = e.Time
	r.order = append(r.order, it)
	return false
}

func (r *repeats) copyOfRecord(e *channel.Entry) bool {
	from := origin{e.Src.TopicID, e.Src.Partition}
	m, ok := r.marks[from]
	if ok && (e.Src.Offset < m.offset || e.Src.Offset == m.offset && e.Channel <= m.channel) {
		return true
	}
	if r.marks == nil {
		r.marks = map[origin]mark{}
	}
	r.marks[from] = mark{e.Src.Offset, e.Channel}
	return false
}
