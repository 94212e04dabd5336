package edge_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/sse"
)

// told is something in the channel log, and what a browser hears of it.
type told struct {
	record channel.Record
	heard  []string // "name data", if anything
}

// story is about 4 KiB on a stream: events of differing size, of more than one
// line, with a name, published as a block, and what cannot have an id itself.
func story(offset int64) []told {
	named := func(name, data string) told {
		offset++
		r := event("ann", offset, data)
		r.Name = name
		return told{r, []string{strings.Trim(name+" "+data, " ")}}
	}
	raw := func(block string, heard ...string) told {
		return told{channel.Record{Channel: "ann", Kind: channel.Raw, Data: []byte(block)}, heard}
	}
	return []told{
		named("", "1"),
		named("put", `{"n":2}`),
		named("", "two\nlines and \u00e9\u2028\u2603"),
		raw("event: block\r\ndata: of a publisher\r\n\r\n", "block of a publisher"),
		named("", strings.Repeat("x", 700)),
		raw(": a comment, so a mark carries the id\n\n"),
		named("", ""),
		raw("data\ndata: below an empty line\n\n", "\nbelow an empty line"),
		named("", strings.Repeat("y", 2500)),
	}
}

// reader reads ann's stream as an EventSource does, and comes back with the id
// of the last whole event when its stream is cut.
type reader struct {
	w      *world
	path   string
	stream *client
	lastID string
	heard  []string
	bytes  int
	quit   bool
	away   func() // called between a cut and coming back
}

// follow reads, and takes the connection away behind that many bytes, once.
func (r *reader) follow(limit int) {
	for {
		r.stream = r.w.connect(r.path, r.lastID)
		in := &io.LimitedReader{R: r.stream.out, N: int64(limit)}
		events := sse.NewReader(in)
		for {
			e, err := events.Next()
			if err != nil {
				break
			}
			r.hear(e)
		}
		if id := events.LastID(); id != "" && id != r.lastID {
			r.w.t.Errorf("id %q moved without an event, which Firefox does not do", id)
		}
		r.bytes += limit - int(in.N)
		r.stream.cut()
		if r.quit {
			return
		}
		r.away()
		limit = 1 << 30
	}
}

func (r *reader) hear(e sse.Event) {
	r.lastID = e.ID
	if e.Name != "ebb.hello" && e.Name != "ebb.mark" {
		r.heard = append(r.heard, strings.Trim(e.Name+" "+string(e.Data), " "))
	}
}

// stop ends following.
func (r *reader) stop() {
	synctest.Wait()
	r.quit = true
	r.stream.cut()
	synctest.Wait()
}

// TestCutAtEveryByte: a stream that is cut behind its n-th byte, whichever n is,
// goes on at the next event, also if more happens meanwhile.
func TestCutAtEveryByte(t *testing.T) {
	in(t, nil, func(w *world) {
		offset := int64(0)
		// tell returns what was heard, what was told, and after how many bytes.
		tell := func(cut int) (heard, want []string, bytes int) {
			say := func(what told) {
				want = append(want, what.heard...)
				w.log.Append(t.Context(), []channel.Record{what.record})
			}
			r := &reader{w: w, path: "/?u=ann"}
			r.away = func() {
				if r.lastID == "" {
					return // who has heard nothing yet has no place to go on from
				}
				say(told{channel.Record{Channel: "ann", Kind: channel.Event, Data: []byte("missed")}, []string{"missed"}})
			}
			go r.follow(cut)
			synctest.Wait()
			for i, what := range story(offset) {
				say(what)
				synctest.Wait()
				if i%4 == 3 {
					time.Sleep(20 * time.Second) // for a heartbeat
					synctest.Wait()
				}
			}
			offset += 100
			r.stop()
			w.log.change(func() { // what was told need not be gone through again
				p := &w.log.parts[annIn]
				p.entries, p.start = nil, p.next
			})
			return r.heard, want, r.bytes
		}
		_, _, length := tell(1 << 30)
		if length < 4000 {
			t.Fatalf("the story has %d bytes, want about 4 KiB", length)
		}
		for n := range length {
			if heard, want, _ := tell(n); !slices.Equal(heard, want) {
				t.Fatalf("cut behind byte %d: heard %.60q, want %.60q", n, heard, want)
			}
		}
	})
}

// TestResumeAcrossEdges: each edge has read the log for itself, one of them
// keeps nothing in memory, and a browser that goes from one to the other at
// every cut does not notice.
func TestResumeAcrossEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, log: newLog(), origin: setUp}
		var edges []*edge.Edge
		for _, window := range []int64{1 << 20, 1} {
			defer w.start(func(c *edge.Config) { c.Window = window })()
			edges = append(edges, w.edge)
		}
		offset, lastID := int64(0), ""
		var missed []string
		say := func() string {
			offset++
			data := fmt.Sprint(offset)
			w.append(event("ann", offset, data), event("bob", offset, "not for ann"))
			return data
		}
		for i := range 40 {
			w.edge = edges[i%len(edges)]
			c := w.open("/?u=ann", lastID)
			c.want("ebb.hello")
			c.want(missed...)
			for range i % 3 {
				c.want(say())
			}
			c.silent()
			lastID = c.lastID
			c.cut()
			missed = nil
			for range (i / 2) % 3 {
				missed = append(missed, say())
			}
		}
	})
}

// TestResumeAcrossRestartBeforeAnyEvent: an edge that knows of nothing new
// knows where a browser was all the same, however old the last event is.
func TestResumeAcrossRestartBeforeAnyEvent(t *testing.T) {
	for _, window := range []int64{1 << 20, 1} {
		for _, age := range []time.Duration{0, time.Hour} {
			t.Run(fmt.Sprintf("window %d, last event %v old", window, age), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := &world{t: t, log: newLog(), origin: setUp}
					small := func(c *edge.Config) { c.Window = window }
					stop := w.start(small)
					c := w.open("/?u=ann", "")
					w.append(event("ann", 0, "0"))
					c.want("ebb.hello", "0")
					atZero := c.lastID
					w.append(event("ann", 1, "1"))
					c.want("1")
					c.cut()
					time.Sleep(age)
					stop()

					defer w.start(small)()
					same := w.open("/?u=ann", c.lastID)
					behind := w.open("/?u=ann", atZero)
					same.want("ebb.hello")
					behind.want("ebb.hello", "1")
					for _, c := range []*client{same, behind} {
						c.silent()
					}
					w.append(event("ann", 2, "2"))
					for _, c := range []*client{same, behind} {
						c.want("2")
						c.silent()
						c.cut()
					}
				})
			})
		}
	}
}

// TestEdgeThatLagsIsWaitedFor: a browser that comes from an edge that is ahead
// hears nothing twice, misses nothing, and is not reset.
func TestEdgeThatLagsIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, log: newLog(), origin: setUp}
		defer w.start(nil)()
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		w.append(event("ann", 0, "0"))
		c.want("0")
		w.log.change(func() { w.log.lag = true })
		for i := int64(1); i <= 3; i++ {
			w.append(event("ann", i, fmt.Sprint(i))) // in the log, and at no edge yet
		}
		c.silent()
		c.cut()
		entries := w.log.parts[annIn].entries
		at := func(e channel.Entry) string { // as an edge that is ahead has said
			return channel.Cursor{Generation: channel.Generation{1}, Partition: annIn, Offset: e.Offset, Epoch: e.Epoch, Src: e.Src.Short(), Proof: proof}.String()
		}
		// Each is ahead of this edge, by another distance.
		middle, end := w.open("/?u=ann", at(entries[2])), w.open("/?u=ann", at(entries[3]))
		for _, c := range []*client{middle, end} {
			c.want("ebb.hello")
			c.silent()
		}
		time.Sleep(20 * time.Second)
		for _, c := range []*client{middle, end} {
			before := c.lastID
			c.want("ebb.mark")
			if c.lastID != before {
				t.Errorf("the mark moved from %s to %s", before, c.lastID)
			}
		}
		w.log.change(func() { w.log.lag = false })
		w.append(event("ann", 4, "4"))
		middle.want("3", "4")
		end.want("4")
		for _, c := range []*client{middle, end} {
			c.silent()
			c.cut()
		}
	})
}
