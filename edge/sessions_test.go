package edge_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/session"
	"github.com/ebb-events/ebb/session/sessiontest"
	"github.com/ebb-events/ebb/sse"
)

// sessions is the topic of what becomes of sessions, for a test that waits until
// all have heard.
type sessions struct{ *sessiontest.Topic }

func (s sessions) tell(r session.Record) (behind session.Place) {
	defer synctest.Wait()
	return must(s.Append(context.Background(), r))
}

func (s sessions) hide(yes bool) {
	s.Hide(yes)
	synctest.Wait()
}

// setUpSession answers as a gateway with sessions does: ?p= is a letter of the
// proof, ?began= where the session did.
func setUpSession(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	meta := map[string]string{grip.MetaSession: "s", grip.MetaProof: strings.Repeat(q.Get("p"), 22), grip.MetaTTL: "3600", grip.MetaBegan: q.Get("began")}
	if q.Has("ttl") {
		meta[grip.MetaTTL] = q.Get("ttl")
	}
	w.Header().Set("Content-Type", grip.InstructType)
	_ = json.NewEncoder(w).Encode(grip.Instruct{
		Hold:     &grip.Hold{Mode: grip.ModeStream, Channels: []grip.Channel{{Name: q.Get("u")}}, Meta: meta},
		Response: grip.Response{Header: http.Header{"Content-Type": {sse.ContentType}}},
	})
}

// inSessions runs a test in a bubble with two edges that have read their log and
// the sessions.
func inSessions(t *testing.T, test func(topic sessions, a, b *world)) {
	synctest.Test(t, func(t *testing.T) {
		topic, log := sessions{sessiontest.NewTopic()}, newLog()
		a := &world{t: t, log: log, origin: setUpSession}
		b := &world{t: t, log: log, origin: setUpSession}
		for _, w := range []*world{a, b} {
			defer w.start(func(c *edge.Config) { c.Sessions = topic })()
		}
		test(topic, a, b)
	})
}

// start0 is where sessions of an empty topic begin.
var start0 = session.Place{Life: session.Life{1}}.String()

const byeRevoked = `ebb.bye {"reason":"revoked"}`

// TestRevokeEndsStreams: on all edges at once, of the session or the user alone,
// and nothing more is heard on them (S16, F55).
func TestRevokeEndsStreams(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rec   session.Record
		other bool // the user's other session ends, too
	}{
		{"a session", session.Record{Kind: session.Revoke, User: "ann", Session: session.NameOf(strings.Repeat("p", 22))}, false},
		{"a user", session.Record{Kind: session.Revoke, User: "ann"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inSessions(t, func(topic sessions, a, b *world) {
				one, same := a.open("/?u=ann&p=p&began="+start0, ""), b.open("/?u=ann&p=p&began="+start0, "")
				other, bob := b.open("/?u=ann&p=q&began="+start0, ""), a.open("/?u=bob&p=p&began="+start0, "")
				for _, c := range []*client{one, same, other, bob} {
					c.want("ebb.hello")
				}
				begun := time.Now()
				behind := topic.tell(tt.rec)
				a.append(event("ann", 0, "0"), event("bob", 1, "1"))
				for _, c := range []*client{one, same} {
					c.want(byeRevoked)
					c.silent()
					<-c.ended
				}
				if took := time.Since(begun); took > 2*time.Second {
					t.Errorf("ended after %v", took)
				}
				bob.want("1")
				if tt.other {
					other.want(byeRevoked)
					<-other.ended
				} else {
					other.want("0")
					other.cut()
				}
				// A gateway that has not heard of it lets the ticket pass, the edge does not.
				back := b.open("/?u=ann&p=p&began="+start0, same.lastID)
				back.want(byeRevoked)
				back.silent()
				again := a.open("/?u=ann&p=r&began="+behind.String(), "")
				again.want("ebb.hello")
				a.append(event("ann", 2, "2"))
				again.want("2")
				again.cut()
				bob.cut()
			})
		})
	}
}

func TestEdgeThatStartsLaterKnowsWhatWasRevoked(t *testing.T) {
	inSessions(t, func(topic sessions, a, _ *world) {
		topic.tell(session.Record{Kind: session.Revoke, User: "ann"})
		topic.hide(true)
		late := &world{t: a.t, log: a.log, origin: setUpSession}
		defer late.start(func(c *edge.Config) { c.Sessions = topic })()
		if late.edge.Ready() == nil {
			t.Error("ready before it has read")
		}
		c := late.connect("/?u=ann&p=p&began="+start0, "")
		go c.read(1000)
		time.Sleep(5 * time.Second)
		c.want(`ebb.bye {"reason":"starting"}`)
		topic.hide(false)
		if err := late.edge.Ready(); err != nil {
			t.Error(err)
		}
		c = late.open("/?u=ann&p=p&began="+start0, "")
		c.want(byeRevoked)
	})
}

// TestSessionThatBeganSinceIsWaitedFor: an edge that lags behind the gateway
// judges nothing before it knows as much, and ends no stream by mistake.
func TestSessionThatBeganSinceIsWaitedFor(t *testing.T) {
	inSessions(t, func(topic sessions, a, _ *world) {
		topic.hide(true)
		behind := topic.tell(session.Record{Kind: session.Revoke, User: "ann"})
		c := a.connect("/?u=ann&p=p&began="+behind.String(), "")
		go c.read(1000)
		time.Sleep(time.Second)
		if a.edge.Streams() != 0 {
			t.Error("held before its session could be judged")
		}
		topic.hide(false)
		c.want("ebb.hello")
		a.append(event("ann", 0, "0"))
		c.want("0")
		a.log.change(func() { a.log.cut++ })
		time.Sleep(2 * time.Second) // it moves to another reading of the log
		a.append(event("ann", 1, "1"))
		c.want("1")
		c.cut()
	})
}

// TestRenewalExtendsTheStreamsOfItsSession alone, and they are warned again.
func TestRenewalExtendsTheStreamsOfItsSession(t *testing.T) {
	inSessions(t, func(topic sessions, a, b *world) {
		begun := time.Now()
		mine, tab := a.open("/?u=ann&p=p&ttl=90&began="+start0, ""), b.open("/?u=ann&p=p&ttl=90&began="+start0, "")
		phone, bob := a.open("/?u=ann&p=q&ttl=90&began="+start0, ""), b.open("/?u=bob&p=p&ttl=90&began="+start0, "")
		time.Sleep(40 * time.Second)
		topic.tell(session.Record{Kind: session.Renew, User: "ann", Session: session.NameOf(strings.Repeat("p", 22)), Ends: begun.Add(5 * time.Minute).UnixMilli()})
		late := b.open("/?u=ann&p=p&ttl=50&began="+start0, "") // its gateway has not heard of it
		for _, tt := range []struct {
			c      *client
			warned []time.Duration
			ends   time.Duration
		}{
			{phone, []time.Duration{30}, 90}, {bob, []time.Duration{30}, 90},
			{mine, []time.Duration{30, 240}, 300}, {tab, []time.Duration{30, 240}, 300}, {late, []time.Duration{240}, 300},
		} {
			<-tt.c.ended
			if got := time.Since(begun); got != tt.ends*time.Second {
				t.Errorf("ended after %v, want %v s", got, tt.ends)
			}
			for _, at := range tt.warned {
				e := tt.c.next()
				for e.Name != "ebb.expiring" && e.Name != "" {
					e = tt.c.next()
				}
				ends := 90 * time.Second
				if at == 240 {
					ends = 5 * time.Minute
				}
				if want, got := begun.Add(ends).Unix(), e.Data; !strings.Contains(string(got), `"left":60}`) || json.Unmarshal(got, new(map[string]int64)) != nil || !strings.Contains(string(got), jsonInt(want)) {
					t.Errorf("got %s, want expires at %d", got, want)
				}
			}
			last := tt.c.next()
			for last.Name == "ebb.mark" {
				last = tt.c.next()
			}
			if string(last.Data) != `{"reason":"expired"}` {
				t.Errorf("got %s %s last", last.Name, last.Data)
			}
		}
	})
}

func jsonInt(n int64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// TestStreamsOfOthersAreNotRevoked: a back end that knows no sessions may call a
// channel as a user is called.
func TestStreamsOfOthersAreNotRevoked(t *testing.T) {
	inSessions(t, func(topic sessions, a, _ *world) {
		topic.hide(true) // and needs no sessions
		a.origin = holdFor("", "Content-Type", sse.ContentType, "Grip-Channel", "ann")
		c := a.open("/", "")
		c.want("ebb.hello")
		topic.hide(false)
		topic.tell(session.Record{Kind: session.Revoke, User: "ann"})
		a.append(event("ann", 0, "0"))
		c.want("0")
		c.cut()
	})
}

// TestRevokeFindsStreamsThatMove: while the log is read anew, a stream that
// nobody reads is neither here nor there.
func TestRevokeFindsStreamsThatMove(t *testing.T) {
	for _, when := range []string{"before", "after", "long after", "only renewed"} {
		t.Run(when, func(t *testing.T) {
			inSessions(t, func(topic sessions, a, _ *world) {
				begun := time.Now()
				c := a.connect("/?u=ann&p=p&ttl=90&began="+start0, "")
				synctest.Wait() // it is stuck at its first byte
				revoke := func() { topic.tell(session.Record{Kind: session.Revoke, User: "ann"}) }
				again := func() {
					a.log.change(func() { a.log.cut++ })
					time.Sleep(2 * time.Second)
				}
				if when == "before" {
					revoke()
				}
				again()
				switch when {
				case "after":
					revoke()
				case "long after":
					again()
					revoke()
					again()
				case "only renewed":
					topic.tell(session.Record{Kind: session.Renew, User: "ann", Session: session.NameOf(strings.Repeat("p", 22)), Ends: begun.Add(time.Hour).UnixMilli()})
				}
				a.append(event("ann", 0, "0"))
				go c.read(1000)
				synctest.Wait()
				c.want("ebb.hello") // was written before
				if when != "only renewed" {
					c.want(byeRevoked)
					<-c.ended
					return
				}
				var got string
				for e := c.next(); e.Name != "" || e.Data != nil; e = c.next() {
					got += string(e.Data) + " "
				}
				if !strings.Contains(got, "0 ") || strings.Contains(got, "bye") {
					t.Errorf("got %q", got)
				}
				time.Sleep(2 * time.Minute)
				if a.edge.Streams() != 1 {
					t.Error("ended at its first end")
				}
				c.cut()
			})
		})
	}
}

// TestRevokedByeHasNoID: its position may lie past what was not sent.
func TestRevokedByeHasNoID(t *testing.T) {
	inSessions(t, func(topic sessions, a, _ *world) {
		topic.tell(session.Record{Kind: session.Revoke, User: "ann"})
		c := a.open("/?u=ann&p=p&began="+start0, channel.Cursor{Generation: channel.Generation{7}}.String())
		if e := c.next(); e.Name != "ebb.bye" || e.ID != "" || e.Retry == 0 {
			t.Errorf("got %+v", e)
		}
	})
}
