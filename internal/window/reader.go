package window

import "sort"

// Reader is who reads a channel. It has no position of its own: the caller
// keeps that and may be anywhere.
type Reader struct {
	part    *part
	channel string
	wake    func()
}

// Attach registers a reader of a channel and returns how far its partition has
// been seen at that moment: what comes later wakes it. wake must not block.
func (w *Window) Attach(partition int32, channel string, wake func()) (*Reader, Position) {
	p := &w.parts[partition]
	r := &Reader{part: p, channel: channel, wake: wake}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.line(channel)
	if l.readers == nil {
		l.readers = map[*Reader]struct{}{}
	}
	l.readers[r] = struct{}{}
	return r, p.at
}

// Close removes the reader. It is not woken any more once Close has returned,
// but for a call that has begun.
func (r *Reader) Close() {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	l := r.part.index[r.channel]
	if l == nil {
		return
	}
	delete(l.readers, r)
	r.part.drop(r.channel, l)
}

// Start returns the offset from which on the window has everything.
func (r *Reader) Start() int64 {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	return r.part.start
}

// Read appends to into what lies after an offset, about most bytes of frames,
// and returns the position that is then accounted for. ok is false if the
// window has passed the offset by.
func (r *Reader) Read(into []Entry, after int64, most int) (entries []Entry, at Position, ok bool) {
	p := r.part
	p.mu.Lock()
	defer p.mu.Unlock()
	if after+1 < p.start {
		return into, Position{}, false
	}
	own, all := p.after(r.channel, after), p.after("", after)
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

// after returns the numbers of a channel's entries after an offset.
func (p *part) after(channel string, offset int64) []uint64 {
	l := p.index[channel]
	if l == nil {
		return nil
	}
	i := sort.Search(len(l.numbers), func(i int) bool {
		return p.entries[l.numbers[i]-p.first].Offset > offset
	})
	return l.numbers[i:]
}
