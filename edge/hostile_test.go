package edge_test

import (
	"math"
	"strings"
	"testing"

	"github.com/ebb-events/ebb/channel"
)

// neighbour is another user, with whom ann shares a partition.
var neighbour = func() string {
	for name := "a"; ; name += "a" {
		if channel.Partition(name, partitions) == annIn {
			return name
		}
	}
}()

// TestHostileID: whatever a client says where it was, it is answered on the
// stream, with its own events alone, and goes on from there.
func TestHostileID(t *testing.T) {
	own := channel.Cursor{Generation: channel.Generation{1}, Partition: annIn, Offset: 2, Proof: proof}
	with := func(change func(*channel.Cursor)) string {
		c := own
		change(&c)
		return c.String()
	}
	reset := func(reason, from string) []string {
		return []string{`ebb.reset {"reason":"` + reason + `","from":` + from + `,"to":3}`, "ebb.hello"}
	}
	goesOn := []string{"ebb.hello", "ann 2"}
	const far = "9223372036854775807"
	tests := []struct {
		name, id string
		want     []string
	}{
		{"her own", own.String(), goesOn},
		{"of another session", with(func(c *channel.Cursor) { c.Proof = strings.Repeat("q", 22) }), goesOn},
		{"without a proof", with(func(c *channel.Cursor) { c.Proof = "" }), goesOn},
		{"with another's event in it", with(func(c *channel.Cursor) { c.Src = strings.Repeat("z", 12) }), goesOn},
		{"before all events", with(func(c *channel.Cursor) { c.Offset = -1 }), []string{"ebb.hello", "ann 1", "ann 2"}},
		{"the last offset there can be", with(func(c *channel.Cursor) { c.Offset = math.MaxInt64 }), reset("truncated", far)},
		{"an epoch to come", with(func(c *channel.Cursor) { c.Epoch = math.MaxInt32 }), reset("truncated", "2")},
		{"the last partition there can be", with(func(c *channel.Cursor) { c.Partition = math.MaxInt32 }), reset("foreign", "2")},
		{"a number with a sign", strings.Replace(own.String(), ".2.0.", ".+2.0.", 1), reset("unreadable", "-1")},
		{"a number that is too large", strings.Replace(own.String(), ".2.0.", "."+far+"0.0.", 1), reset("unreadable", "-1")},
		{"below -1", strings.Replace(own.String(), ".2.0.", ".-2.0.", 1), reset("unreadable", "-1")},
		{"of a version to come", "2" + own.String()[1:], reset("unreadable", "-1")},
		{"dots", "......", reset("unreadable", "-1")},
		{"a space", " ", reset("unreadable", "-1")},
		{"two ids", own.String() + ", " + own.String(), reset("unreadable", "-1")},
		{"NUL", own.String() + "\x00", reset("unreadable", "-1")},
		{"line ends", own.String() + "\r\nevent: x\r\ndata: y\r\n\r\n", reset("unreadable", "-1")},
		{"no UTF-8", "\xff\xfe\xed\xa0\x80", reset("unreadable", "-1")},
		{"a megabyte", strings.Repeat("1.", 1<<19), reset("unreadable", "-1")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in(t, nil, func(w *world) {
				w.append(event(neighbour, 0, "of a neighbour"), event("ann", 1, "ann 1"), event(neighbour, 2, "of a neighbour"), event("ann", 3, "ann 2"))
				c := w.open("/?u=ann", tt.id)
				if c.status != 200 {
					t.Errorf("status %d, which ends an EventSource for good", c.status)
				}
				c.want(tt.want...)
				w.append(event(neighbour, 4, "of a neighbour"), event("ann", 5, "new"))
				c.want("new")
				c.silent()
				c.cut()
				if at, err := channel.ParseCursor(c.lastID); err != nil || at.Proof != proof || at.Offset != 5 {
					t.Errorf("the new event has the id %q, want one of this session", c.lastID)
				}
				back := w.open("/?u=ann", c.lastID)
				back.want("ebb.hello")
				back.silent()
				back.cut()
			})
		})
	}
}

// TestCursorForeignUser: it is a position, in one's own channel, and opens
// nothing of another's (S36).
func TestCursorForeignUser(t *testing.T) {
	in(t, nil, func(w *world) {
		anns := w.open("/?u=ann", "")
		anns.want("ebb.hello")
		w.append(event("ann", 0, "0"), event(neighbour, 1, "1"), event("ann", 2, "2"))
		anns.want("0")
		stolen := anns.lastID
		for _, c := range []*client{w.open("/?u="+neighbour, stolen), w.open("/?u="+neighbour+"&cursor="+stolen, "")} {
			c.want("ebb.hello", "1")
			c.silent()
			c.cut()
		}
		anns.want("2")
		anns.cut()

		elsewhere := "b"
		for channel.Partition(elsewhere, partitions) == annIn {
			elsewhere += "b"
		}
		c := w.open("/?u="+elsewhere, stolen)
		c.want(`ebb.reset {"reason":"foreign","from":0,"to":-1}`, "ebb.hello")
		c.silent()
		c.cut()
	})
}

// TestSecondIDCountsForNothing: it is the first header that counts, and the
// header that wins over the query.
func TestSecondIDCountsForNothing(t *testing.T) {
	at := func(offset int64) string {
		return channel.Cursor{Generation: channel.Generation{1}, Partition: annIn, Offset: offset, Proof: proof}.String()
	}
	serving(t, setUp, nil, func(s *site) {
		s.append(event("ann", 0, "0"), event("ann", 1, "1"))
		p := s.stream("/?u=ann&cursor="+at(-1), "Last-Event-ID", at(0), "Last-Event-ID", at(-1))
		p.want("ebb.hello", "1")
		p.close()
	})
}
