package aggregate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb"
	"pgregory.net/rapid"
)

// orders lead to parcels: whenever one grows, two parcels of the same name do.
var parcels = Reactor{
	Name: "packing",
	On: map[string]Reaction{
		"plus": func(_ context.Context, e Event) ([]Send, error) {
			return []Send{
				{Type: "test-counter", ID: "P-" + e.ID, Command: "plus"},
				{Type: "test-counter", ID: "P-" + e.ID, Command: "plus", Fields: map[string]any{"note": e.Seq}},
			}, nil
		},
	},
}

var orders = Type[counter]{Name: "test-order", On: counters.On}

// runChain runs services of orders and parcels, and a reactor between them,
// until they have nothing left to do.
func runChain(t *testing.T, b *bus, r Reactor, cfg Config) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 3)
	go func() { done <- orders.Run(ctx, b.member("test-order-command", "test-order-aggregate"), Config{}) }()
	go func() { done <- r.Run(ctx, b.member("test-order-event", ""), cfg) }()
	go func() {
		done <- counters.Run(ctx, b.member("test-counter-command", "test-counter-aggregate"), Config{})
	}()
	time.Sleep(time.Minute) // of the bubble: pauses after failures, too
	synctest.Wait()
	cancel()
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestSenderHearsTheTypeFurtherDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where it is the year 2000
		b := newBus()
		b.send("test-order", `{"_id":"o","_corr":"c","_command":"plus","_jwt":{"sub":"ann","roles":["clerk"]}}`)
		runChain(t, b, parcels, Config{})
		var got []string
		for _, r := range b.records("test-counter-command") {
			got = append(got, fmt.Sprintf("%s %s %s", r.Key, r.Header(headerCause), r.Value))
		}
		const rest = `"_command":"plus","_corr":"c","_id":"p-o","_jwt":{"sub":"ann","roles":["clerk"]},"_timestamp":946684800000,"_type":"test-counter"`
		want := []string{
			`p-o test-order/o/0/packing/0 {` + rest + `}`,
			`p-o test-order/o/0/packing/1 {` + rest + `,"note":0}`,
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
		replies := b.messages("test-counter-reply")
		for i, m := range replies {
			if m.User().Name != "ann" || m.String(ebb.FieldCorr) != "c" || m.String(ebb.FieldOutcome) != "applied" || string(m["value"]) != fmt.Sprint(i+1) {
				t.Errorf("got %s", m.JSON())
			}
		}
		if len(replies) != 2 {
			t.Errorf("got %d replies, want 2: causes tell commands apart", len(replies))
		}
	})
}

// TestChainHistory has transactions of all three parts fail, and processes end:
// each order leads to exactly two steps of its parcel.
func TestChainHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		fails := rapid.SliceOfN(rapid.Bool(), 0, 20).Draw(rt, "fails")
		ids := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 12).Draw(rt, "ids")
		synctest.Test(t, func(t *testing.T) {
			b := newBus()
			commits := 0
			b.fail = func() error {
				if commits++; commits <= len(fails) && fails[commits-1] {
					return errBroker
				}
				return nil
			}
			want := map[string]int{}
			for i, id := range ids {
				b.send("test-order", fmt.Sprintf(`{"_id":%q,"_corr":"%d","_command":"plus","_jwt":{"sub":"ann"}}`, id, i))
				if i == len(ids)/2 {
					runChain(t, b, parcels, Config{})
				}
				want["p-"+id] += 2
			}
			runChain(t, b, parcels, Config{})
			got := map[string]int{}
			for _, m := range b.messages("test-counter-event") {
				got[m.String(ebb.FieldID)]++
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	})
}

func TestFailingReactionIsPutAsideAndTheRestGoesOn(t *testing.T) {
	calls := atomic.Int64{}
	tests := []struct {
		name  string
		react Reaction
		calls int64
		err   string
	}{
		{"error", func(context.Context, Event) ([]Send, error) { return nil, errors.New("shop is closed") }, 3, "shop is closed"},
		{"panic", func(context.Context, Event) ([]Send, error) { panic("ouch") }, 3, "panic: ouch"},
		{"late", func(ctx context.Context, _ Event) ([]Send, error) { <-ctx.Done(); return nil, ctx.Err() }, 3, "deadline exceeded"},
		{"no type", sending(Send{ID: "i", Command: "plus"}), 1, "want a name"},
		{"no id", sending(Send{Type: "test-counter", Command: "plus"}), 1, "want a name"},
		{"no command", sending(Send{Type: "test-counter", ID: "i"}), 1, "want a name"},
		{"fields without JSON", sending(Send{"test-counter", "i", "plus", func() {}}), 1, "unsupported type"},
		{"fields of none", sending(Send{"test-counter", "i", "plus", 7}), 1, "no JSON object"},
		{"too large", sending(Send{"test-counter", "i", "plus", map[string]string{"x": strings.Repeat("x", 1_000_000)}}), 1, "too many"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			b := newBus()
			calls.Store(0)
			r := Reactor{Name: "r", On: map[string]Reaction{"plus": func(ctx context.Context, e Event) ([]Send, error) {
				if e.Corr == "good" {
					return []Send{{Type: "test-counter", ID: "i", Command: "plus"}}, nil
				}
				calls.Add(1)
				return tt.react(ctx, e)
			}}}
			for _, corr := range []string{"good", "bad", "good"} {
				b.send("test-order", fmt.Sprintf(`{"_id":"o","_corr":%q,"_command":"plus","_jwt":{"sub":"%d"}}`, corr, len(b.records("test-order-command"))))
			}
			var log bytes.Buffer
			var dead, sent []string
			runChain(t, b, r, Config{
				Logger:  slog.New(slog.NewTextHandler(&log, nil)),
				Metrics: Metrics{Dead: func(reason string) { dead = append(dead, reason) }, Sent: func(typ string) { sent = append(sent, typ) }},
			})
			if got := b.records("test-order-event-dead"); len(got) != 1 || string(got[0].Header("reason")) != "reaction failed" {
				t.Errorf("%s: got dead letters %v", tt.name, got)
			}
			if got := len(b.records("test-counter-command")); got != 2 {
				t.Errorf("%s: got %d commands, want 2", tt.name, got)
			}
			if !reflect.DeepEqual(dead, []string{"reaction failed"}) || !reflect.DeepEqual(sent, []string{"test-counter", "test-counter"}) {
				t.Errorf("%s: counted %v, %v", tt.name, dead, sent)
			}
			if strings.Count(log.String(), "event put aside") != 1 || !strings.Contains(log.String(), tt.err) {
				t.Errorf("%s: logged %s", tt.name, log.String())
			}
			if got := calls.Load(); got != tt.calls {
				t.Errorf("%s: called %d times, want %d", tt.name, got, tt.calls)
			}
		})
	}
}

func sending(s Send) Reaction {
	return func(context.Context, Event) ([]Send, error) { return []Send{s}, nil }
}

func TestWhatIsNoEventIsPutAside(t *testing.T) {
	tests := []struct{ value, reason string }{
		{``, "not a JSON object"},
		{`[]`, "not a JSON object"},
		{strings.Repeat(`{"a":`, 200) + `1` + strings.Repeat("}", 200), "nested too deeply"},
		{`{"_type":"a-b","_id":"i","_ops":[]}`, "no _seq"},
		{`{"_id":"i","_seq":0,"_ops":[]}`, "no _type"},
		{`{"_type":"a-b","_seq":0,"_ops":[]}`, "no _id"},
		{`{"_type":"a-b","_id":"i","_seq":0}`, "no _ops"},
		{`{"_type":"a-b","_id":"i","_seq":0,"_ops":[],"_command":"other"}`, ""}, // none of ours
		{`{"_type":"a-b","_id":"i","_seq":0,"_ops":[],"_command":"plus"}`, "reaction failed"},
		{`{"_type":"a-b","_id":"i","_seq":0,"_ops":[],"_command":"plus","_corr":"c"}`, "reaction failed"},
		{`{"_type":"a-b","_id":"i","_seq":0,"_ops":[],"_command":"plus","_corr":"c","_jwt":{"sub":"ann"}}`, ""},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			b := newBus()
			b.put(ebb.Record{Topic: "test-order-event", Value: []byte(tt.value)})
			runChain(t, b, parcels, Config{})
			got := ""
			for _, r := range b.records("test-order-event-dead") {
				got += string(r.Header("reason"))
			}
			if got != tt.reason {
				t.Errorf("%.60s: got %q, want %q", tt.value, got, tt.reason)
			}
		})
	}
}

func TestReactionsOfAnInstanceGoInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		var seqs []int64
		r := Reactor{Name: "r", On: map[string]Reaction{"plus": func(_ context.Context, e Event) ([]Send, error) {
			time.Sleep(time.Duration(10-e.Seq) * time.Millisecond)
			seqs = append(seqs, e.Seq)
			return nil, nil
		}}}
		var want []int64
		for i := range int64(5) {
			b.send("test-order", fmt.Sprintf(`{"_id":"o","_corr":"%d","_command":"plus","_jwt":{"sub":"ann"}}`, i))
			want = append(want, i)
		}
		runChain(t, b, r, Config{})
		if !reflect.DeepEqual(seqs, want) {
			t.Errorf("got %v, want %v", seqs, want)
		}
	})
}

func TestReactorWaitsForTheBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		b.send("test-order", `{"_id":"o","_corr":"c","_command":"plus","_jwt":{"sub":"ann"}}`)
		commits := 0
		b.fail = func() error {
			if commits++; commits > 1 && commits < 6 {
				return errBroker
			}
			return nil
		}
		var log bytes.Buffer
		runChain(t, b, parcels, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if got := len(b.records("test-counter-command")); got != 2 {
			t.Errorf("got %d commands, want 2", got)
		}
		if n := strings.Count(log.String(), "reactor waits and tries again"); n != 1 {
			t.Errorf("logged it %d times, want once", n)
		}
	})
}

func TestEventTellsWhatChanged(t *testing.T) {
	e, reason := parseEvent(ebb.Record{Value: []byte(`{"_type":"a-b","_id":"i","_seq":0,"_ops":[{"op":"replace","path":"/to/street","value":1},{"op":"remove","path":"/a~1b"}],
		"_before":{"to":{"street":0}},"_after":{"to":{"street":12345678901234567890}}}`)})
	if reason != "" {
		t.Fatal(reason)
	}
	for pointer, want := range map[string]bool{"/to/street": true, "/to": true, "": true, "/to/street/x": true, "/a~1b": true, "/t": false, "/to/str": false, "/to/city": false} {
		if got := e.Changed(pointer); got != want {
			t.Errorf("%q: got %v, want %v", pointer, got, want)
		}
	}
	var before, after map[string]map[string]any
	if err := errors.Join(e.Before(&before), e.After(&after)); err != nil || fmt.Sprint(before, after) != "map[to:map[street:0]] map[to:map[street:12345678901234567890]]" {
		t.Errorf("got %v, %v, %v", before, after, err)
	}
	if err := (Event{}).After(&after); err == nil || !strings.Contains(err.Error(), "event-full") {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoReactor(t *testing.T) {
	b := newBus()
	stage := b.member("test-order-event", "")
	tests := []struct {
		name  string
		r     Reactor
		stage Stage
		cfg   Config
	}{
		{"no name", Reactor{On: parcels.On}, stage, Config{}},
		{"slash", Reactor{Name: "a/b", On: parcels.On}, stage, Config{}},
		{"no reactions", Reactor{Name: "a"}, stage, Config{}},
		{"nil reaction", Reactor{Name: "a", On: map[string]Reaction{"plus": nil}}, stage, Config{}},
		{"no stage", parcels, nil, Config{}},
		{"deadline", parcels, stage, Config{Deadline: -1}},
		{"store", parcels, stage, Config{Store: newMemory()}},
	}
	for _, tt := range tests {
		if err := tt.r.Run(t.Context(), tt.stage, tt.cfg); err == nil {
			t.Errorf("%s: got no error", tt.name)
		}
	}
}

func TestACauseMakesAnotherCommand(t *testing.T) {
	cmd := Command{Name: "plus", Corr: "c0", User: ebb.User{Name: "ann"}}
	without := cmd.key()
	cmd.Cause = "a-b/i/0/r/0"
	if cmd.key() == without {
		t.Error("the cause does not count")
	}
}
