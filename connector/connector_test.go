package connector

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/channel"
)

const annsReply = `{"_id":"1","_jwt":{"sub":"ann"}}`

func TestConfigIsCheckedAtTheDoor(t *testing.T) {
	f := &fake{}
	for name, cfg := range map[string]Config{
		"nothing":        {},
		"no sink":        {Source: f},
		"tiny MaxEvent":  {Source: f, Sink: f, MaxEvent: 10},
		"line in a name": {Source: f, Sink: f, EventName: "a\nb"},
		"our own name":   {Source: f, Sink: f, EventName: "ebb.reset"},
	} {
		if _, err := New(cfg); err == nil || !strings.HasPrefix(err.Error(), "connector: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestRecordSaysWhereItCameFrom(t *testing.T) {
	f := carried(t, Config{}, `[]`, annsReply)
	want := channel.Record{
		Channel: "ann", Kind: channel.Event, Data: []byte(`{"_id":"1"}`),
		Src: channel.Src{TopicID: [16]byte{9}, Partition: 3, Offset: 101},
	}
	if len(f.log) != 1 || fmt.Sprint(f.log[0]) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", f.log, want)
	}
}

func TestOrderIsSourceThenBytesOfTheName(t *testing.T) {
	f := carried(t, Config{},
		`{"_jwt":{"sub":"zoe"},"_subscriptions":["é","Zoe","zoe","ann","é",{"sub":"bob","time":1}]}`,
		`{"_jwt":{"sub":"ann"}}`,
		`{"_jwt":{"sub":"bob"},"_subscriptions":["ann"]}`)
	equal(t, "channels", f.channels(), []string{"Zoe", "ann", "bob", "zoe", "é", "ann", "ann", "bob"})
	equal(t, "calls", f.calls, []string{"poll", "append", "commit"})
}

func TestWhatIsNotAppliedIsHeardByTheSenderAlone(t *testing.T) {
	const to = `{"_jwt":{"sub":"ann"},"_subscriptions":["bob"]%s}`
	for fields, all := range map[string]bool{
		``:                                             true,
		`,"_outcome":"applied"`:                        true,
		`,"_outcome":"appl\u0069ed"`:                   true,
		`,"_error":false`:                              true,
		`,"_outcome":"unchanged"`:                      false,
		`,"_outcome":"duplicate"`:                      false,
		`,"_outcome":"rejected","_error":true`:         false,
		`,"_outcome":"applied","_error":true`:          false,
		`,"_outcome":"applied","_outcome":"duplicate"`: false,
		`,"_outcome":null`:                             false,
		`,"_outcome":7`:                                false,
		`,"_error":true`:                               false,
		`, "_error" : true `:                           false,
	} {
		want := []string{"ann"}
		if all {
			want = append(want, "bob")
		}
		equal(t, fields, carried(t, Config{}, fmt.Sprintf(to, fields)).channels(), want)
	}
}

func TestExcludedUsersHearNothing(t *testing.T) {
	f := carried(t, Config{Exclude: []ebb.Username{"system"}},
		`{"_jwt":{"sub":"system"}}`, `{"_jwt":{"sub":"system"},"_subscriptions":["ann","system"]}`)
	equal(t, "channels", f.channels(), []string{"ann"})
	if len(f.dead) != 0 {
		t.Errorf("put aside: %v", f.dead)
	}
}

func TestSSEName(t *testing.T) {
	for value, want := range map[string]string{
		`{"_jwt":{"sub":"a"}}`:                   "reply",
		`{"_jwt":{"sub":"a"},"kind":"moved"}`:    "moved",
		`{"_jwt":{"sub":"a"},"kind":"a\nid: 1"}`: "reply",
		`{"_jwt":{"sub":"a"},"kind":"ebb.bye"}`:  "reply",
		`{"_jwt":{"sub":"a"},"kind":["x"]}`:      "reply",
	} {
		f := carried(t, Config{EventName: "reply", NameField: "kind"}, value)
		if len(f.log) != 1 || f.log[0].Name != want {
			t.Errorf("%s: got %+v, want %q", value, f.log, want)
		}
	}
	if f := carried(t, Config{}, annsReply); f.log[0].Name != "" {
		t.Errorf("got %q, want a plain message", f.log[0].Name)
	}
}

func TestGapComesBeforeTheRecordsAndForEverybody(t *testing.T) {
	b := replies(annsReply)
	b.Gaps = []ebb.Gap{{Topic: "board-task-reply", Partition: 3, From: 7, To: 100}, {Topic: "board-task-reply", Partition: 4, From: 0, To: 9}}
	f := &fake{batches: []ebb.Batch{b, {Gaps: b.Gaps[:1]}}}
	gone := int64(0)
	run(t, f, Config{Metrics: Metrics{Gap: func(n int64) { gone += n }}})
	equal(t, "channels", f.channels(), []string{"", "ann", ""})
	if g := f.log[0]; g.Kind != channel.Gap || len(g.Data) == 0 || g.Src != (channel.Src{}) {
		t.Errorf("got %+v, want a gap", g)
	}
	if gone != 93+9+93 {
		t.Errorf("%d replies are gone, want 195", gone)
	}
}

// A batch is confirmed only when all of it is where it belongs; until then the
// same comes again, whatever broke.
func TestNothingIsCommittedBeforeItIsAppended(t *testing.T) {
	for _, what := range []string{"poll", "append", "dead", "commit"} {
		t.Run(what, func(t *testing.T) {
			left := 5
			f := &fake{batches: []ebb.Batch{replies(annsReply, "garbage"), replies(annsReply)}}
			f.fail = func(call string) error {
				if call == what && left > 0 {
					left--
					return errAway
				}
				return nil
			}
			var failed, replies, events, dead int
			var out bytes.Buffer
			run(t, f, Config{Log: slog.New(slog.NewTextHandler(&out, nil)), Metrics: Metrics{
				Failed:  func() { failed++ },
				Carried: func(r, e int) { replies += r; events += e },
				Dead:    func(string) { dead++ },
			}})

			steps := []string{"poll", "append", "dead", "commit"}
			var want []string
			for range 5 {
				want = append(append(want, steps[:slices.Index(steps, what)]...), what+"!")
			}
			want = append(append(want, steps...), "poll", "append", "commit")
			equal(t, "calls", f.calls, want)
			if failed != 5 || replies != 3 || events != 2 || dead != 1 {
				t.Errorf("%d failed, %d replies, %d events, %d dead; want 5, 3, 2, 1", failed, replies, events, dead)
			}
			if n := strings.Count(out.String(), "cannot carry"); n != 1 {
				t.Errorf("complained %d times, want once:\n%s", n, &out)
			}
			if n := strings.Count(out.String(), "carrying replies again"); n != 1 {
				t.Errorf("recovered %d times, want once:\n%s", n, &out)
			}
		})
	}
}

func TestPausesGrowToFiveSeconds(t *testing.T) {
	f := &fake{batches: []ebb.Batch{replies(annsReply)}, fail: func(string) error { return errAway }}
	run(t, f, Config{})
	if len(f.log)+f.committed != 0 {
		t.Errorf("appended %v, committed %d", f.log, f.committed)
	}
	want := minPause
	for i := range f.polls[1:] {
		if pause := f.polls[i+1].Sub(f.polls[i]); pause < want/2 || pause > want {
			t.Errorf("pause %d is %v, want %v to %v", i, pause, want/2, want)
		}
		want = min(2*want, maxPause)
	}
	if n := len(f.polls); n < 720 || n > 1500 {
		t.Errorf("%d attempts in an hour", n)
	}
}

func TestPausesStartAnewAfterSuccess(t *testing.T) {
	f := &fake{}
	for range 20 {
		f.batches = append(f.batches, replies(annsReply))
	}
	odd := false
	f.fail = func(what string) error {
		if what == "append" {
			if odd = !odd; odd {
				return errAway
			}
		}
		return nil
	}
	run(t, f, Config{})
	if d := f.polls[len(f.polls)-1].Sub(f.polls[0]); d > 20*minPause {
		t.Errorf("20 failures took %v, want at most %v", d, 20*minPause)
	}
}

// A member whose partitions are another's by now fails to commit, and what it
// appended is there twice, from the same source: an edge can tell.
func TestZombieAppendsCopiesAndCommitsNothing(t *testing.T) {
	shared := &fake{batches: []ebb.Batch{replies(annsReply)}}
	zombie := &fake{batches: shared.batches, fail: func(what string) error {
		if what == "commit" {
			return errAway
		}
		return nil
	}}
	run(t, shared, Config{})
	run(t, zombie, Config{})
	if zombie.committed != 0 {
		t.Error("the zombie committed")
	}
	for _, r := range append(shared.log, zombie.log...) {
		if r.Src != shared.log[0].Src || r.Channel != "ann" {
			t.Errorf("got %+v, want a copy of %+v", r, shared.log[0])
		}
	}
}

func TestPartitionsComeAndGo(t *testing.T) {
	at := []ebb.Position{{Topic: "board-task-reply", Partition: 3, Offset: 100}}
	b := replies(annsReply)
	b.Revoked, b.Assigned = at, at
	f := &fake{batches: []ebb.Batch{{Assigned: at}, b, {Revoked: at}}}
	run(t, f, Config{})
	equal(t, "calls", f.calls, []string{"poll", "commit", "poll", "append", "commit", "poll", "commit"})
}

// What the log refuses as too large becomes a placeholder: no reply can stall
// those behind it.
func TestLogThatTakesLessThanConfigured(t *testing.T) {
	long := fmt.Sprintf(`{"_id":"1","text":%q,"_jwt":{"sub":"ann"}}`, strings.Repeat("x", 100_000))
	f := &fake{batches: []ebb.Batch{replies(long)}}
	tries := 0
	f.fail = func(what string) error {
		if what == "append" {
			if tries++; tries <= 4 { // 900,000 / 2^4 is less than it has
				return fmt.Errorf("kafka: %w", ebb.ErrTooLarge)
			}
		}
		return nil
	}
	run(t, f, Config{})
	if len(f.log) != 1 || !strings.Contains(string(f.log[0].Data), `"_truncated":true`) {
		t.Errorf("got %+.200v", f.log)
	}
}
