package edge_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
)

func TestEventsComeWithCursorsAndResume(t *testing.T) {
	in(t, nil, func(w *world) {
		w.append(event("ann", 0, `"before"`))
		c := w.open("/api/sse-setup?u=ann", "")
		c.want("ebb.hello")
		w.append(event("ann", 1, `"one"`), event("bob", 2, `"not for ann"`), event("ann", 3, `"two"`))
		c.want(`"one"`)
		at := c.lastID
		c.want(`"two"`)
		c.silent()
		c.cut()
		w.append(event("ann", 4, `"three"`))
		cursor, err := channel.ParseCursor(at)
		if err != nil || cursor.Proof != proof || cursor.Src != (channel.Src{TopicID: topic, Offset: 1}).Short() {
			t.Errorf("id is %q: %+v, %v", at, cursor, err)
		}

		for _, back := range []*client{
			w.open("/api/sse-setup?u=ann", at),
			w.open("/api/sse-setup?u=ann&cursor="+at, ""),
			w.open("/api/sse-setup?u=ann&cursor="+c.lastID, at), // the header wins
		} {
			back.want("ebb.hello", `"two"`, `"three"`)
			back.silent()
			back.cut()
		}
	})
}

func TestHelloIsThePositionFromWhichTheStreamGoesOn(t *testing.T) {
	in(t, nil, func(w *world) {
		w.append(event("ann", 0, "0"), event("ann", 1, "1"))
		c := w.open("/?u=ann", "")
		hello, err := channel.ParseCursor(c.next().ID)
		if err != nil || hello.Offset != 1 {
			t.Errorf("hello at %+v, %v", hello, err)
		}
		c.cut()
		w.append(event("ann", 2, "2"))
		back := w.open("/?u=ann", hello.String())
		if again := back.next(); again.ID != hello.String() {
			t.Errorf("hello at %s, want %s", again.ID, hello)
		}
		back.want("2")
		back.cut()
	})
}

func TestBeyondTheWindowTheLogIsRead(t *testing.T) {
	in(t, func(c *edge.Config) { c.Window = 2000 }, func(w *world) {
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		c.cut()
		for i := range int64(5000) {
			w.log.Append(t.Context(), []channel.Record{event("ann", i, fmt.Sprintf("%0200d", i))})
		}
		synctest.Wait()
		back := w.open("/?u=ann", c.lastID)
		back.want("ebb.hello")
		for i := range 5000 {
			back.want(fmt.Sprintf("%0200d", i))
		}
		back.silent()
		w.append(event("ann", 5000, "live"))
		back.want("live")
		back.cut()
		if w.log.reads < 3 {
			t.Errorf("the log was read %d times, want chunks", w.log.reads)
		}
	})
}

func TestCopiesInTheLogAreRemoved(t *testing.T) {
	for _, window := range []int64{1 << 20, 1} { // live, and out of the log
		t.Run(fmt.Sprint(window), func(t *testing.T) {
			in(t, func(c *edge.Config) { c.Window = window }, func(w *world) {
				c := w.open("/?u=ann", "")
				c.want("ebb.hello")
				w.append(event("ann", 1, "1"), event("ann", 2, "2"))
				c.want("1", "2")
				at := c.lastID
				w.append( // a zombie connector beside the new one
					event("ann", 1, "1"), event("ann", 3, "3"), event("ann", 2, "2"), event("ann", 3, "3"), event("ann", 4, "4"),
					channel.Record{Channel: "ann", Kind: channel.Event, Data: []byte("i"), Src: channel.Src{Publisher: "k", Item: "7"}},
					channel.Record{Channel: "ann", Kind: channel.Event, Data: []byte("i"), Src: channel.Src{Publisher: "k", Item: "7"}},
					channel.Record{Channel: "ann", Kind: channel.Event, Data: []byte("other key"), Src: channel.Src{Publisher: "l", Item: "7"}},
				)
				c.want("3", "4", "i", "other key")
				c.silent()
				c.cut()
				back := w.open("/?u=ann", at)
				back.want("ebb.hello", "3", "4", "i", "other key")
				back.silent()
				back.cut()
			})
		})
	}
}

func TestRecipientsOfOneRecordAreNoCopies(t *testing.T) {
	in(t, nil, func(w *world) {
		users := []string{"a", "b", "c", "d", "e", "f", "g"}
		for _, u := range users {
			w.append(event(u, 5, u))
		}
		for _, u := range users {
			c := w.open("/?u="+u+"&cursor="+channel.Cursor{Generation: channel.Generation{1}, Partition: channel.Partition(u, partitions), Offset: -1}.String(), "")
			c.want("ebb.hello", u)
			c.silent()
			c.cut()
		}
	})
}

func TestItemIsNoCopyAfterTenMinutes(t *testing.T) {
	in(t, nil, func(w *world) {
		item := channel.Record{Channel: "ann", Kind: channel.Event, Data: []byte("i"), Src: channel.Src{Publisher: "k", Item: "7"}}
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		w.append(item)
		time.Sleep(11 * time.Minute)
		w.append(item)
		events := 0
		for e := c.next(); e.Data != nil; e = c.next() {
			if e.Name == "" {
				events++
			}
		}
		if events != 2 {
			t.Errorf("got %d, want both", events)
		}
		c.cut()
	})
}

func TestSlowReaderLosesNothingAndDelaysNobody(t *testing.T) {
	in(t, func(c *edge.Config) { c.Window = 100_000 }, func(w *world) {
		slow := w.connect("/?u=ann", "")
		fast := w.open("/?u=ann", "")
		fast.want("ebb.hello")
		const n = 3000
		for i := range int64(n) {
			w.append(event("ann", i, fmt.Sprintf("%01000d", i)))
			fast.want(fmt.Sprintf("%01000d", i))
		}
		go slow.read(16)
		slow.want("ebb.hello")
		for i := range n {
			slow.want(fmt.Sprintf("%01000d", i))
		}
		slow.silent()
		slow.cut()
		fast.cut()
	})
}

func TestIdleStreamIsMarkedEvery15To20Seconds(t *testing.T) {
	in(t, nil, func(w *world) {
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		w.append(event("bob", 1, "moves the log on"))
		last := time.Now()
		for range 5 {
			e := <-c.events
			if gap := time.Since(last); gap < 15*time.Second || gap > 20*time.Second || e.Name != "ebb.mark" || len(e.Data) > 0 {
				t.Errorf("%q %q after %v", e.Name, e.Data, gap)
			}
			cursor, err := channel.ParseCursor(e.ID)
			if want := w.log.parts[cursor.Partition].next - 1; err != nil || cursor.Offset != want {
				t.Errorf("mark at %d, %v, want %d", cursor.Offset, err, want)
			}
			last = time.Now()
		}
		c.cut()
	})
}

func TestStreamEndsAtExp(t *testing.T) {
	in(t, nil, func(w *world) {
		begun := time.Now()
		c := w.open("/?u=ann&ttl=90", "")
		var warned time.Duration
		for e := range c.events {
			switch e.Name {
			case "ebb.expiring":
				warned = time.Since(begun)
				if want := fmt.Sprintf(`{"expires":%d,"left":60}`, begun.Add(90*time.Second).Unix()); string(e.Data) != want {
					t.Errorf("got %s, want %s", e.Data, want)
				}
			case "ebb.bye":
				if string(e.Data) != `{"reason":"expired"}` || e.ID == "" || e.Retry == 0 {
					t.Errorf("bye is %+v", e)
				}
			}
		}
		if warned != 30*time.Second || time.Since(begun) != 90*time.Second {
			t.Errorf("warned after %v, ended after %v, want 30 s and 90 s", warned, time.Since(begun))
		}
	})
}

func TestDrainSpreadsTheEnds(t *testing.T) {
	in(t, nil, func(w *world) {
		const n = 50
		clients := make([]*client, n)
		for i := range clients {
			clients[i] = w.open("/?u=ann", "")
			clients[i].want("ebb.hello")
		}
		begun := time.Now()
		ends := make(chan time.Duration, n)
		for _, c := range clients {
			go func() {
				var last string
				for e := range c.events {
					last = e.Name + string(e.Data)
				}
				if last != `ebb.bye{"reason":"draining"}` {
					t.Errorf("last was %s", last)
				}
				ends <- time.Since(begun)
			}()
		}
		drained := make(chan error)
		go func() { drained <- w.edge.Drain(context.Background(), 8*time.Second) }()
		synctest.Wait()
		if w.edge.Ready() == nil {
			t.Error("still ready")
		}
		late := w.open("/?u=ann", "")
		late.want(`ebb.bye {"reason":"draining"}`)
		if late.status != http.StatusOK {
			t.Errorf("a late one got %d, which ends an EventSource for good", late.status)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
		first, last := time.Hour, time.Duration(0)
		for range n {
			d := <-ends
			first, last = min(first, d), max(last, d)
		}
		if last > 8*time.Second || last-first < 3*time.Second {
			t.Errorf("ends from %v to %v", first, last)
		}
		if w.edge.Streams() != 0 {
			t.Errorf("%d left", w.edge.Streams())
		}
	})
}

func TestNoUserHearsAnother(t *testing.T) {
	in(t, nil, func(w *world) {
		names := []string{"ann", "Ann", "ann ", "ann,bob", "ann;x=y", "ann\r\ndata: x", "\u00e9", "e\u0301"}
		var clients []*client
		for _, name := range names {
			clients = append(clients, w.open("/?u="+strings.NewReplacer("\r", "%0d", "\n", "%0a", " ", "%20", ";", "%3b").Replace(name), ""))
		}
		for i, name := range names {
			w.append(event(name, int64(i), fmt.Sprintf("%q", name)))
		}
		for i, c := range clients {
			c.want("ebb.hello", fmt.Sprintf("%q", names[i]))
			c.silent()
			c.cut()
		}
	})
}
