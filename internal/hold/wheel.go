package hold

import (
	"iter"
	"time"
)

const (
	tick  = 100 * time.Millisecond
	slots = 1024 // what is later than that many ticks is looked at in between
)

// wheel is the one timer of very many sockets: a list of them for each tick.
type wheel struct {
	slots [slots]*Conn
	at    int32 // the last tick that has passed
	count int
}

// set has c come out of advance at due or a tick later. One that is in an
// earlier list stays there, and is found again then: deliveries put off
// heartbeats all the time.
func (h *wheel) set(c *Conn, due time.Duration) {
	c.due = due
	t := min(max(int32((due+tick-1)/tick), h.at+1), h.at+slots-1)
	if c.tick != 0 {
		if c.tick <= t {
			return
		}
		h.unset(c)
	}
	c.tick = t
	list := &h.slots[t%slots]
	if c.next = *list; c.next != nil {
		c.next.prev = c
	}
	*list = c
	h.count++
}

// unset takes c out.
func (h *wheel) unset(c *Conn) {
	if c.tick == 0 {
		return
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		h.slots[c.tick%slots] = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.prev, c.next, c.tick = nil, nil, 0
	h.count--
}

// advance gives out those of the ticks that have passed. They are in no list
// then, and may not be due yet.
func (h *wheel) advance(now time.Duration) iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		for end := int32(now / tick); h.at < end; {
			h.at++
			list := &h.slots[h.at%slots]
			for c := *list; c != nil; c = *list {
				h.unset(c)
				if !yield(c) {
					return
				}
			}
		}
	}
}
