package edge_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
)

// TestStreamsBehindShareOneReading: those of one partition that come back
// together are served by few readings of the log, wherever each of them is, and
// with copies in between.
func TestStreamsBehindShareOneReading(t *testing.T) {
	const users, missed = 40, 10
	in(t, func(c *edge.Config) { c.Window = 1 }, func(w *world) {
		var names []string
		for i := 0; len(names) < users; i++ {
			if name := fmt.Sprintf("user-%d", i); channel.Partition(name, partitions) == annIn {
				names = append(names, name)
			}
		}
		cursors := make([]string, users)
		offset := int64(0)
		for round := range missed {
			for i, name := range names {
				if i%missed == round { // each leaves at another place
					c := w.open("/?u="+name, "")
					c.want("ebb.hello")
					c.cut()
					cursors[i] = c.lastID
				}
				w.append(event(name, offset, fmt.Sprintf("%s %d", name, round)))
				w.append(event(name, offset, "a copy"))
				offset++
			}
		}
		before := w.log.reads
		w.log.change(func() { w.log.away = true }) // so that all are there before it is read
		var back []*client
		for i, name := range names {
			back = append(back, w.open("/?u="+name, cursors[i]))
		}
		w.log.change(func() { w.log.away, w.log.slow = false, time.Millisecond }) // the first to ask has it alone, and all others ask meanwhile
		time.Sleep(5 * time.Second)                                               // until the broker is asked again
		for i, c := range back {
			c.want("ebb.hello")
			for round := i % missed; round < missed; round++ {
				c.want(fmt.Sprintf("%s %d", names[i], round))
			}
			c.silent()
			c.cut()
		}
		if n := w.log.reads - before; n > 2 {
			t.Errorf("the log was read %d times for %d streams", n, users)
		}
	})
}

// TestMuchToReplayComesInOrder: what a reading gives at a time is bounded, and
// the rest follows.
func TestMuchToReplayComesInOrder(t *testing.T) {
	in(t, func(c *edge.Config) { c.Window = 1 }, func(w *world) {
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		c.cut()
		const n = 300
		for i := range int64(n) {
			w.append(event("ann", i, fmt.Sprintf("%d %05000d", i, i)))
		}
		back := w.open("/?u=ann", c.lastID)
		back.want("ebb.hello")
		for i := range int64(n) {
			back.want(fmt.Sprintf("%d %05000d", i, i))
		}
		w.append(event("ann", n, "live"))
		back.want("live")
		back.silent()
		back.cut()
	})
}
