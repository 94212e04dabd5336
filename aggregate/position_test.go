package aggregate

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ebb-events/ebb"
)

func TestPositionOnTheWire(t *testing.T) {
	id := [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0xfe, 0xff}
	for _, tt := range []struct {
		text string
		want position
	}{
		{"AAECAwQFBgcICQoLDA3-_w.3.0.0", position{id, 3, 0, 0}},
		{"AAECAwQFBgcICQoLDA3-_w.3.7.1234", position{id, 3, 7, 1234}},
		{"AAECAwQFBgcICQoLDA3-_w.3.2147483647.9223372036854775807", position{id, 3, 1<<31 - 1, 1<<63 - 1}},
	} {
		if got := string(tt.want.text()); got != tt.text {
			t.Errorf("got %s, want %s", got, tt.text)
		}
		if got, ok := parsePosition([]byte(tt.text)); !ok || got != tt.want {
			t.Errorf("%s: got %v, %t", tt.text, got, ok)
		}
	}
}

func FuzzDamagedPosition(f *testing.F) {
	for _, s := range []string{
		"", ".", "..", "AAECAwQFBgcICQoLDA3-_w", "AAECAwQFBgcICQoLDA3-_w.3.7", "AAECAwQFBgcICQoLDA3-_w.3.7.", "AAECAwQFBgcICQoLDA3-_w.3.-1.2", "AAECAwQFBgcICQoLDA3-_w.3.7.-2",
		"AAECAwQFBgcICQoLDA3-_w.3.7.2.3", "AAECAwQFBgcICQoLDA3-_w.3.2147483648.1", "AAECAwQFBgcICQoLDA3-_.3.7.2", "AAECAwQFBgcICQoLDA3-_w==.3.7.2", "AAECAwQFBgcICQoLDA3-\n\n.3.7.2",
	} {
		f.Add([]byte(s))
		if p, ok := parsePosition([]byte(s)); ok {
			f.Errorf("%q is %v", s, p)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parsePosition(b)
		if !ok {
			return
		}
		if again, ok := parsePosition(p.text()); !ok || again != p {
			t.Errorf("%q is %v, and written again %v", b, p, again)
		}
	})
}

func TestBeyond(t *testing.T) {
	a, b := [16]byte{1}, [16]byte{2}
	done := position{a, 3, 5, 100}
	for _, tt := range []struct {
		at   position
		want bool
	}{
		{position{a, 3, 5, 0}, false},
		{position{a, 3, 5, 100}, false},
		{position{a, 3, 5, 101}, true},
		{position{a, 3, 4, 99}, false},
		{position{a, 3, 6, 90}, true}, // the log lost its end, and grew again
		{position{a, 3, 4, 101}, true},
		{position{b, 3, 5, 0}, true}, // the topic was made anew
		{position{b, 3, 0, 100}, true},
	} {
		if got := tt.at.beyond(done); got != tt.want {
			t.Errorf("%v: got %t", tt.at, got)
		}
	}
	for _, r := range []ebb.Record{{TopicID: a, LeaderEpoch: -1}, {LeaderEpoch: 5}} {
		if p, ok := positionOf(r); ok {
			t.Errorf("%v is a position", p)
		}
	}
}

// answers are the outcomes of all replies, in order.
func answers(b *broker) (all []string) {
	for _, r := range b.topic(ebb.Replies) {
		all = append(all, r.String(ebb.FieldCorr)+" "+r.String(ebb.FieldOutcome))
	}
	return all
}

// TestNothingIsDoneTwiceWhenOffsetsGoBack has more commands than an instance
// remembers.
func TestNothingIsDoneTwiceWhenOffsetsGoBack(t *testing.T) {
	b := newBroker()
	const n = 3 * maxOutcomes
	for i := range n {
		if i == n/2 {
			b.send("no command")
		}
		b.send(`{"_id":"i","_corr":"%d","_command":"plus","_jwt":{"sub":"ann"}}`, i)
	}
	b.put(1, "j", []byte(`{"_id":"j","_corr":"j","_command":"minus","_jwt":{"sub":"ann"}}`)) // which only leaves its outcome
	b.batch = 10
	b.work(t, Config{})
	b.send(`{"_id":"i","_corr":"%d","_command":"plus","_jwt":{"sub":"ann"}}`, n-1) // a batch of repeats, but for a dead letter
	b.send("no command")
	b.work(t, Config{})
	before, dead := len(b.out), len(b.dead)

	var log bytes.Buffer
	cfg := Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	clear(b.committed)
	b.work(t, cfg)
	if len(b.out) != before || len(b.dead) != dead {
		t.Errorf("%d records and %d dead more", len(b.out)-before, len(b.dead)-dead)
	}
	clear(b.committed)
	b.send(`{"_id":"i","_corr":"new","_command":"plus","_jwt":{"sub":"ann"}}`)
	b.put(1, "j", []byte(`{"_id":"j","_corr":"new j","_command":"plus","_jwt":{"sub":"ann"}}`))
	b.work(t, cfg)
	got := answers(b)
	slices.Sort(got[n+2:])
	if got := got[n+2:]; !slices.Equal(got, []string{"new applied", "new j applied"}) {
		t.Errorf("got %q", got)
	}
	if got := fmt.Sprint(b.committed); got != fmt.Sprint(map[int32]int{0: n + 4, 1: 2}) {
		t.Errorf("the group is at %s", got)
	}
	for _, line := range []string{
		"topic=test-counter-command partition=0 from=0 to=" + fmt.Sprint(n+3),
		"topic=test-counter-command partition=1 from=0 to=1",
	} {
		if n := strings.Count(log.String(), line+"\n"); n != 2 {
			t.Errorf("%q was logged %d times, want once for each process:\n%s", line, n, &log)
		}
	}
}

// TestConfirmingWhatIsDoneIsTriedAgain has a broker that is away meanwhile.
func TestConfirmingWhatIsDoneIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker()
		b.send(`{"_id":"i","_corr":"0","_command":"plus","_jwt":{"sub":"ann"}}`)
		b.work(t, Config{})
		clear(b.committed)
		var log bytes.Buffer
		commits := 0
		b.fail = func() error {
			if commits++; commits < 3 {
				return errBroker
			}
			return nil
		}
		b.work(t, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if b.committed[0] != 1 || commits != 3 || strings.Count(log.String(), "are left out") != 1 {
			t.Errorf("the group is at %d after %d commits:\n%s", b.committed[0], commits, &log)
		}
		if got := answers(b); len(got) != 1 {
			t.Errorf("got %q", got)
		}
	})
}

// TestCommandsInThePlaceOfOthersAreExecuted is about offsets that are used
// again.
func TestCommandsInThePlaceOfOthersAreExecuted(t *testing.T) {
	for name, change := range map[string]func(*broker){
		"topic made anew":     func(b *broker) { b.id[0]++; clear(b.commands) },
		"log lost its end":    func(b *broker) { b.epoch++; b.commands[0] = b.commands[0][:2] },
		"epochs are unknown":  func(b *broker) { b.epoch = -1; clear(b.commands) },
		"states tell nothing": func(b *broker) { forgetPositions(b); clear(b.commands) },
	} {
		b := newBroker()
		for i := range 5 {
			b.send(`{"_id":"i","_corr":"%d","_command":"plus","_jwt":{"sub":"ann"}}`, i)
		}
		b.work(t, Config{})
		change(b)
		for i := range 3 {
			b.send(`{"_id":"i","_corr":"new %d","_command":"plus","_jwt":{"sub":"ann"}}`, i)
		}
		for range 2 { // and then they are done too, if that can be told
			clear(b.committed)
			b.work(t, Config{})
			want := []string{"0 applied", "1 applied", "2 applied", "3 applied", "4 applied", "new 0 applied", "new 1 applied", "new 2 applied"}
			if got := answers(b); !slices.Equal(got, want) {
				t.Errorf("%s: got %q", name, got)
			}
			if b.epoch < 0 {
				break
			}
		}
	}
}

// forgetPositions leaves states as they were before they had any.
func forgetPositions(b *broker) {
	for i, r := range b.out {
		b.out[i].Headers = slices.DeleteFunc(slices.Clone(r.Headers), func(h ebb.Header) bool { return h.Key == ebb.HeaderAt })
	}
}

// TestLogThatLosesItsEndMeanwhile has a Poll go back within an assignment, to
// before what was lost.
func TestLogThatLosesItsEndMeanwhile(t *testing.T) {
	b := newBroker()
	b.batch = 1
	for i := range 5 {
		b.send(`{"_id":"i","_corr":"%d","_command":"plus","_jwt":{"sub":"ann"}}`, i)
	}
	b.fail = func() error {
		if b.committed[0] == 4 && b.epoch == 0 { // the last one has been given, and is lost
			b.epoch++
			b.commands[0], b.committed[0] = b.commands[0][:3], 1
			for i := range 2 {
				b.send(`{"_id":"i","_corr":"new %d","_command":"plus","_jwt":{"sub":"ann"}}`, i)
			}
			return errBroker
		}
		return nil
	}
	b.work(t, Config{})
	want := []string{"0 applied", "1 applied", "2 applied", "3 applied", "new 0 applied", "new 1 applied"}
	if got := answers(b); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPositionGoesWithItsPartition has one that is assigned twice, the second
// time with states that tell nothing.
func TestPositionGoesWithItsPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := []ebb.Position{{Partition: 7}}
		commands := []ebb.Record{
			{TopicID: [16]byte{1}, LeaderEpoch: 3, Partition: 7, Offset: 4, Key: []byte("i"), Value: []byte(`{"_id":"i","_corr":"4","_command":"plus","_jwt":{"sub":"ann"}}`)},
			{TopicID: [16]byte{1}, LeaderEpoch: 3, Partition: 7, Offset: 5, Key: []byte("i"), Value: []byte(`{"_id":"i","_corr":"5","_command":"plus","_jwt":{"sub":"ann"}}`)},
		}
		state := func(position string) map[int32][]ebb.Record {
			return map[int32][]ebb.Record{7: {{
				Key: []byte("i"), Value: []byte(`{"_id":"i","_seq":4,"value":10}`), Headers: []ebb.Header{{Key: ebb.HeaderAt, Value: []byte(position)}},
			}}}
		}
		s := &script{of: map[int32]int32{7: 12}, states: state("AQAAAAAAAAAAAAAAAAAAAA.7.3.5")}
		ctx, cancel := context.WithCancel(t.Context())
		again := func() (ebb.Batch, error) { return ebb.Batch{Records: commands}, nil }
		s.polls = []func() (ebb.Batch, error){
			func() (ebb.Batch, error) { return ebb.Batch{Assigned: at}, nil }, again, again,
			func() (ebb.Batch, error) { return ebb.Batch{Revoked: at, Assigned: at}, nil }, again,
			func() (ebb.Batch, error) {
				s.states = state("damaged")
				return ebb.Batch{Revoked: at, Assigned: at}, nil
			}, again, again,
			func() (ebb.Batch, error) { cancel(); return ebb.Batch{}, ctx.Err() },
		}
		var log bytes.Buffer
		if err := counters.Run(ctx, s, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range s.out {
			if m, _ := ebb.ParseMessage(r.Value); r.Topic == "test-counter-reply" {
				got = append(got, string(m["value"]))
			}
		}
		if want := []string{"11", "12"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if n := strings.Count(log.String(), "are left out"); n != 3 {
			t.Errorf("told %d times, want once for each of 3 assignments:\n%s", n, &log)
		}
	})
}

// TestUniqueValuesAndOffsetsThatGoBack has batches that change no state.
func TestUniqueValuesAndOffsetsThatGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		b.of, b.most = 1, 1
		send(b, "c0", "i", "plus", `,"mail":"a@x"`)
		send(b, "c1", "i", "plus", `,"mail":"b@x"`) // refused, for i is a@x
		runAccounts(t, b, Config{})
		before := told(b, "test-account")
		clear(b.at["test-account-unique"])
		runAccounts(t, b, Config{})
		if got := told(b, "test-account"); !maps.Equal(got, before) || !strings.HasPrefix(got["c1"], "rejected") {
			t.Errorf("got %v, want %v", got, before)
		}
		states := b.records("test-account-aggregate")
		if n := len(states); n != 2 || string(states[1].Value) != string(states[0].Value) || string(states[1].Header(headerUnique)) != `"a@x"` {
			t.Errorf("got %d states, want that of i twice", n)
		}
		send(b, "c2", "j", "plus", `,"mail":"b@x"`)
		clear(b.at["test-account-unique"])
		runAccounts(t, b, Config{})
		if got := told(b, "test-account")["c2"]; got != "applied j 0" {
			t.Errorf("got %s", got)
		}
	})
}
