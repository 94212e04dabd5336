package edge_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
	"pgregory.net/rapid"
)

var annIn = channel.Partition("ann", partitions)

// TestCursorUnfillable: each cursor that cannot be followed gets exactly one
// ebb.reset, before anything else, with an id that lies past the gap.
func TestCursorUnfillable(t *testing.T) {
	gen := channel.Generation{1}
	tests := []struct {
		name   string
		cursor string
		change func(l *memLog)
		reason string
	}{
		{"garbage", "17", nil, "unreadable"},
		{"hostile garbage", "1." + strings.Repeat("x", 4000), nil, "unreadable"},
		{"of another generation", channel.Cursor{Generation: channel.Generation{7}, Partition: annIn, Offset: 5}.String(), nil, "generation"},
		{"of a channel elsewhere", channel.Cursor{Generation: gen, Partition: (annIn + 1) % partitions, Offset: 5}.String(), nil, "foreign"},
		{"beyond the leader's end", channel.Cursor{Generation: gen, Partition: annIn, Offset: 99}.String(), nil, "truncated"},
		{"of an epoch that ended before it", channel.Cursor{Generation: gen, Partition: annIn, Offset: 5, Epoch: 0}.String(), func(l *memLog) {
			l.parts[annIn].epoch = 1
			l.parts[annIn].ends = map[int32]int64{0: 3}
		}, "truncated"},
		{"of an epoch that nobody knows", channel.Cursor{Generation: gen, Partition: annIn, Offset: 5, Epoch: 12}.String(), nil, "truncated"},
		{"older than the log", channel.Cursor{Generation: gen, Partition: annIn, Offset: 2}.String(), func(l *memLog) {
			l.parts[annIn].entries = l.parts[annIn].entries[5:]
			l.parts[annIn].start = 5
		}, "retention"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(c *edge.Config) { c.Window = 1 }, func(w *world) {
				for i := range int64(8) {
					w.append(event("ann", i, fmt.Sprint(i)))
				}
				if tt.change != nil {
					w.log.change(func() { tt.change(w.log) })
				}
				defer w.start(nil)() // an edge that finds the log so
				c := w.open("/?u=ann", tt.cursor)
				reset := c.next()
				if reset.Name != "ebb.reset" || !strings.Contains(string(reset.Data), `"reason":"`+tt.reason+`"`) || !strings.Contains(string(reset.Data), `"to":7`) {
					t.Errorf("got %q %s, want a reset for %s", reset.Name, reset.Data, tt.reason)
				}
				if at, err := channel.ParseCursor(reset.ID); err != nil || at.Offset != 7 || at.Partition != annIn || at.Proof != proof {
					t.Errorf("its id is %q", reset.ID)
				}
				c.want("ebb.hello")
				w.append(event("ann", 8, "8"))
				c.want("8")
				c.silent()
				c.cut()
				again := w.open("/?u=ann", reset.ID)
				again.want("ebb.hello", "8")
				again.silent()
				again.cut()
			})
		})
	}
}

func TestTooFarBehindIsReset(t *testing.T) {
	in(t, func(c *edge.Config) { c.Window, c.Scan = 1, 3000 }, func(w *world) {
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		c.cut()
		for i := range int64(50) {
			w.append(event("ann", i, fmt.Sprintf("%0200d", i)))
		}
		back := w.open("/?u=ann", c.lastID)
		back.want("ebb.hello", `ebb.reset {"reason":"distance","from":-1,"to":49}`)
		w.append(event("ann", 50, "live"))
		back.want("live")
		back.silent()
		back.cut()
	})
}

func TestCursorAheadOfLaggingEdge(t *testing.T) {
	in(t, nil, func(w *world) {
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		w.append(event("ann", 0, "0"), event("ann", 1, "1"))
		c.want("0", "1")
		c.cut()

		w.log.change(func() { w.log.lag = true })
		w.append(event("ann", 2, "2"))
		ahead := channel.Cursor{Generation: channel.Generation{1}, Partition: annIn, Offset: 2, Proof: proof}.String()
		back := w.open("/?u=ann", ahead)
		back.want("ebb.hello")
		back.silent()
		w.log.change(func() { w.log.lag = false })
		w.append(event("ann", 3, "3"))
		back.want("3")
		back.silent()
		back.cut()
	})
}

func TestGapInTheLogIsAnnouncedInItsPlace(t *testing.T) {
	for _, window := range []int64{1 << 20, 1} {
		in(t, func(c *edge.Config) { c.Window = window }, func(w *world) {
			c := w.open("/?u=ann", "")
			c.want("ebb.hello")
			at := c.lastID
			w.append(event("ann", 0, "0"), channel.Record{Kind: channel.Gap, Data: []byte("source retention")}, event("ann", 1, "1"))
			want := []string{"0", `ebb.reset {"reason":"source retention","from":0,"to":1}`, "1"}
			c.want(want...)
			c.silent()
			c.cut()
			back := w.open("/?u=ann", at)
			back.want(append([]string{"ebb.hello"}, want...)...)
			back.silent()
			back.cut()
		})
	}
}

func TestSourceThatLostItsEndMayUseOffsetsAgain(t *testing.T) {
	in(t, nil, func(w *world) {
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		w.append(event("ann", 7, "lost later"), channel.Record{Kind: channel.Gap, Data: []byte("source retention")}, event("ann", 7, "another"))
		c.want("lost later", `ebb.reset {"reason":"source retention","from":0,"to":1}`, "another")
		c.silent()
		c.cut()
	})
}

func TestLogMadeAnewResetsOpenStreams(t *testing.T) {
	in(t, nil, func(w *world) {
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		w.append(event("ann", 0, "0"))
		c.want("0")
		w.log.change(func() {
			w.log.life, w.log.cut = 2, 1
			w.log.parts = [partitions]memPart{}
		})
		time.Sleep(5 * time.Second)
		c.want(`ebb.reset {"reason":"generation","from":0,"to":-1}`)
		w.append(event("ann", 0, "new life"))
		c.want("new life")
		c.silent()
		c.cut()
	})
}

func TestTruncationResetsWhomItConcerns(t *testing.T) {
	in(t, nil, func(w *world) {
		early := w.open("/?u=ann", "")
		w.append(event("ann", 0, "0"))
		early.want("ebb.hello", "0")
		late := w.open("/?u=ann", "")
		late.want("ebb.hello")
		w.append(event("ann", 1, "1"))
		late.want("1")
		early.want("1")
		back0 := channel.Cursor{Generation: channel.Generation{1}, Partition: annIn, Offset: 0, Proof: proof}.String()
		w.log.change(func() { // offset 1 is lost and written again
			p := &w.log.parts[annIn]
			p.entries, p.next, p.epoch, p.ends = p.entries[:1], 1, 1, map[int32]int64{0: 1}
			w.log.cut++
		})
		w.append(event("ann", 2, "other"))
		time.Sleep(5 * time.Second)
		late.want(`ebb.reset {"reason":"truncated","from":1,"to":1}`)
		late.silent()
		late.cut()
		early.cut()
		unharmed := w.open("/?u=ann", back0)
		unharmed.want("ebb.hello", "other")
		unharmed.silent()
		unharmed.cut()
	})
}

func TestBrokerAwayAtAttachIsWaitedFor(t *testing.T) {
	in(t, func(c *edge.Config) { c.Window = 1 }, func(w *world) {
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		c.cut()
		w.append(event("ann", 0, "0"))
		w.log.change(func() { w.log.away = true })
		back := w.open("/?u=ann", c.lastID)
		time.Sleep(40 * time.Second)
		back.silent()
		w.log.change(func() { w.log.away = false })
		time.Sleep(6 * time.Second)
		back.want("ebb.hello", "0")
		back.cut()
	})
}

// step is one thing that happens to a log and its streams.
type step struct {
	what string
	user int
	bits uint64 // which records a connector repeats; whether a client reads before the cut
}

// TestPrefixOfTheLog: whatever is appended, repeated, cut and forgotten, what a
// client sees behind its cursor is its channel's log without gap or repeat.
func TestPrefixOfTheLog(t *testing.T) {
	kinds := []string{"append", "append", "append", "repeat", "read", "cut", "edge"}
	steps := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) step {
		return step{rapid.SampledFrom(kinds).Draw(r, "what"), rapid.IntRange(0, 2).Draw(r, "user"), rapid.Uint64().Draw(r, "bits")}
	}), 1, 40)
	rapid.Check(t, func(r *rapid.T) {
		window := rapid.SampledFrom([]int64{1, 600, 1 << 20}).Draw(r, "window")
		plan := steps.Draw(r, "steps")
		wrong := "" // rapid's own goroutine must say it
		synctest.Test(t, func(t *testing.T) { wrong = play(t, window, plan) })
		if wrong != "" {
			r.Fatal(wrong)
		}
	})
}

func play(t *testing.T, window int64, plan []step) (wrong string) {
	w := &world{t: t, log: newLog(), origin: setUp}
	small := func(c *edge.Config) { c.Window = window }
	stop := w.start(small)
	users := []string{"ann", "bob", "cid"}
	want, got, streams := [3]string{}, [3]string{}, [3]*client{}
	for u := range users {
		streams[u] = w.open("/?u="+users[u], "")
		streams[u].want("ebb.hello") // the promise begins with a cursor
	}
	read := func(u int) {
		for e := streams[u].next(); e.Data != nil || e.Name != ""; e = streams[u].next() {
			if e.Name == "ebb.reset" || e.Name == "" {
				got[u] += e.Name + string(e.Data) + " "
			}
		}
	}
	offset, committed := int64(0), int64(0)
	for _, step := range plan {
		u := step.user
		switch step.what {
		case "append":
			w.append(event(users[u], offset, fmt.Sprint(offset)))
			want[u] += fmt.Sprint(offset) + " "
			offset++
		case "repeat": // a connector goes back to what it committed
			var again []channel.Record
			for _, part := range w.log.parts {
				for i, e := range part.entries {
					if e.Src.Offset >= committed && step.bits>>(i%64)&1 == 1 {
						again = append(again, e.Record)
					}
				}
			}
			w.append(again...)
			committed = offset
		case "read":
			read(u)
		case "cut":
			if step.bits&1 == 1 {
				read(u)
			}
			streams[u].cut()
			streams[u] = w.open("/?u="+users[u], streams[u].lastID)
		case "edge":
			for u := range users {
				read(u)
				streams[u].cut()
			}
			stop()
			stop = w.start(small)
			for u := range users {
				streams[u] = w.open("/?u="+users[u], streams[u].lastID)
			}
		}
	}
	for u := range users {
		read(u)
		if got[u] != want[u] {
			wrong += fmt.Sprintf("%s got %s, want %s\n", users[u], got[u], want[u])
		}
		streams[u].cut()
	}
	stop()
	return wrong
}

func TestRunEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, log: newLog(), origin: setUp}
		stop := w.start(nil)
		c := w.open("/?u=ann", "")
		c.want("ebb.hello")
		stop()
		c.want(`ebb.bye {"reason":"stopped"}`)
		<-c.ended
	})
}
