package window

import (
	"iter"
	"sort"
)

// Reader is who reads a channel. It has no position of its own: the caller
// keeps that and may be anywhere. The zero value reads nothing; it must not be
// copied.
type Reader struct {
	line       *line
	prev, next *Reader
	owner      Waker
}

// Waker is told that there is something to read. Wake must not block, nor use
// the window.
type Waker interface{ Wake() }

// Attach registers r as a reader of a channel and returns how far its partition
// has been seen at that moment: what comes later wakes owner.
func (w *Window) Attach(r *Reader, partition int32, channel string, owner Waker) Position {
	p := &w.parts[partition]
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.line(channel)
	*r = Reader{line: l, next: l.readers, owner: owner}
	if r.next != nil {
		r.next.prev = r
	}
	l.readers = r
	return p.at
}

// Each calls do with the owner of every reader of a channel. do must not block,
// nor use the window.
func (w *Window) Each(partition int32, channel string, do func(owner Waker)) {
	p := &w.parts[partition]
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.index[channel]
	if l == nil {
		return
	}
	for r := l.readers; r != nil; r = r.next {
		do(r.owner)
	}
}

// Close removes the reader. It is not woken any more once Close has returned.
func (r *Reader) Close() {
	p := r.line.part
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		r.line.readers = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
	r.line.drop()
}

// Others are the owners of all other readers of r's channel.
func (r *Reader) Others() iter.Seq[Waker] {
	return func(yield func(Waker) bool) {
		p := r.line.part
		p.mu.Lock()
		defer p.mu.Unlock()
		for other := r.line.readers; other != nil; other = other.next {
			if other != r && !yield(other.owner) {
				return
			}
		}
	}
}

// Attached tells whether it was attached. It still is after Close.
func (r *Reader) Attached() bool { return r.line != nil }

// Channel returns what it reads.
func (r *Reader) Channel() string { return r.line.channel }

// Partition returns where that is.
func (r *Reader) Partition() int32 { return r.line.part.number }

// Start returns the offset from which on the window has everything.
func (r *Reader) Start() int64 { return r.line.part.from() }

// Read appends to into what lies after an offset, about most bytes of frames,
// and returns the position that is then accounted for. ok is false if the
// window has passed the offset by.
func (r *Reader) Read(into []Entry, after int64, most int) (entries []Entry, at Position, ok bool) {
	p := r.line.part
	p.mu.Lock()
	defer p.mu.Unlock()
	if after+1 < p.start {
		return into, Position{}, false
	}
	own, all := p.after(r.line, after), p.after(p.index[""], after)
	for len(own) > 0 || len(all) > 0 {
		next := &own
		if len(own) == 0 || len(all) > 0 && all[0] < own[0] {
			next = &all
		}
		e := p.entries[(*next)[0]-p.first]
		*next = (*next)[1:]
		into = append(into, e)
		if most -= len(e.Frame); most <= 0 && len(own)+len(all) > 0 {
			return into, Position{e.Offset, e.Epoch}, true
		}
	}
	if after > p.at.Offset { // ahead of what was seen here
		return into, Position{after, -1}, true
	}
	return into, p.at, true
}

// after returns the numbers of a line's entries after an offset.
func (p *part) after(l *line, offset int64) []uint64 {
	if l == nil {
		return nil
	}
	i := len(l.numbers)
	for ; i > 0 && p.offset(l.numbers[i-1]) > offset; i-- { // most have little before them
		if len(l.numbers)-i == few {
			i = sort.Search(i, func(i int) bool { return p.offset(l.numbers[i]) > offset })
			break
		}
	}
	return l.numbers[i:]
}

const few = 8

func (p *part) offset(number uint64) int64 { return p.entries[number-p.first].Offset }
