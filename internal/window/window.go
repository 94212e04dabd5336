// Package window keeps the recent part of the channel log, encoded once, for
// all streams.
//
// A stream is a position in it, not a queue: one that cannot keep up stays
// where it is, costs nothing, and delays nobody.
package window

import (
	"sync"
	"sync/atomic"
	"time"
)

// Entry is one record of a partition, as streams get it.
type Entry struct {
	Offset  int64
	Epoch   int32
	Channel string // empty: every channel of the partition
	Kind    uint8  // its meaning is the caller's
	IDAt    int    // where in Frame the id begins; len(Frame) if it has none
	Frame   []byte // never changed after Append
	Time    time.Time
	Extra   any // the caller's
	Beside  int // bytes that Extra takes
}

// overhead is about what an entry costs beside its frame and channel, in bytes.
const overhead = 160

func (e *Entry) size() int64 { return int64(len(e.Frame) + len(e.Channel) + e.Beside + overhead) }

// Position is a place in a partition: everything up to Offset is accounted for.
type Position struct {
	Offset int64 // -1 before the first record
	Epoch  int32 // the leader's when Offset was written, -1 if unknown
}

// Window holds what partitions had lately, within one budget.
type Window struct {
	budget int64
	bytes  atomic.Int64
	parts  []part
}

// part is a partition. Entries are numbered in the order of their arrival, so
// that an index outlives the removal of older ones.
type part struct {
	number  int32
	mu      sync.Mutex
	start   int64    // the window has everything from this offset on
	at      Position // the last record that was seen, whatever its kind
	entries []Entry
	first   uint64 // number of entries[0]
	bytes   int64
	index   map[string]*line // by channel; "" is every channel
}

// line is what a channel has in the window, and who reads it.
type line struct {
	part    *part
	channel string
	numbers []uint64
	readers *Reader // the first one
}

func (l *line) wake() {
	for r := l.readers; r != nil; r = r.next {
		r.owner.Wake()
	}
}

// New returns a window of n partitions that keeps up to budget bytes.
func New(n int32, budget int64) *Window {
	w := &Window{budget: budget, parts: make([]part, n)}
	for i := range w.parts {
		w.parts[i] = part{number: int32(i), start: 0, at: Position{-1, -1}, index: map[string]*line{}}
	}
	return w
}

// Begin says where a partition's part of the window begins, and the leader's
// epoch. Call it before the partition's first Append.
func (w *Window) Begin(partition int32, start int64, epoch int32) {
	p := &w.parts[partition]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.start, p.at = start, Position{start - 1, epoch}
}

// Append adds a record, forgets the oldest ones over the budget, and wakes its
// channel's readers. Offsets must rise. It never waits for a reader.
func (w *Window) Append(partition int32, e Entry) {
	w.parts[partition].append(w, e)
	w.trim(partition)
}

func (p *part) append(w *Window, e Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	number := p.first + uint64(len(p.entries))
	p.entries = append(p.entries, e)
	l := p.line(e.Channel)
	l.numbers = append(l.numbers, number)
	p.bytes += e.size()
	w.bytes.Add(e.size())
	p.at = Position{e.Offset, max(p.at.Epoch, e.Epoch)}
	if e.Channel != "" {
		l.wake()
		return
	}
	for _, other := range p.index {
		other.wake()
	}
}

// Advance says that everything up to at has been appended or is of no concern,
// so that positions may pass it.
func (w *Window) Advance(partition int32, at Position) {
	p := &w.parts[partition]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at.Offset = max(p.at.Offset, at.Offset)
	p.at.Epoch = max(p.at.Epoch, at.Epoch)
}

// At returns how far a partition has been seen.
func (w *Window) At(partition int32) Position {
	p := &w.parts[partition]
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

// Start returns the offset from which on the window has all of a partition.
func (w *Window) Start(partition int32) int64 { return w.parts[partition].from() }

func (p *part) from() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.start
}

// Bytes returns about what the window takes.
func (w *Window) Bytes() int64 { return w.bytes.Load() }

// trim forgets oldest entries until the budget holds: of the partition that
// grew as long as it has its share, then of the largest.
func (w *Window) trim(partition int32) {
	for w.bytes.Load() > w.budget {
		victim := &w.parts[partition]
		if !w.forget(victim, w.budget/int64(len(w.parts))) && !w.forget(w.largest(), 0) {
			return
		}
	}
}

func (w *Window) largest() *part {
	var found *part
	most := int64(-1)
	for i := range w.parts {
		p := &w.parts[i]
		p.mu.Lock()
		if p.bytes > most {
			found, most = p, p.bytes
		}
		p.mu.Unlock()
	}
	return found
}

// forget drops a partition's oldest entry if it has more than share bytes.
func (w *Window) forget(p *part, share int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.entries) == 0 || p.bytes <= share {
		return false
	}
	e := p.entries[0]
	p.entries[0] = Entry{} // the array lives on
	p.entries = p.entries[1:]
	p.first++
	p.start = e.Offset + 1
	p.bytes -= e.size()
	w.bytes.Add(-e.size())
	l := p.index[e.Channel]
	l.numbers = l.numbers[1:]
	l.drop()
	return true
}

func (p *part) line(channel string) *line {
	l := p.index[channel]
	if l == nil {
		l = &line{part: p, channel: channel}
		p.index[channel] = l
	}
	return l
}

// drop forgets a line that nobody reads and that has nothing.
func (l *line) drop() {
	if len(l.numbers) > 0 {
		return
	}
	l.numbers = nil
	if l.readers == nil {
		delete(l.part.index, l.channel)
	}
}
