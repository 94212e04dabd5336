package aggregate

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb"
)

func TestReducerIsLeftAloneAtItsDeadline(t *testing.T) {
	for _, name := range []string{"slow", "hang"} {
		synctest.Test(t, func(t *testing.T) {
			hanging = make(chan bool)
			b := newBroker()
			b.send(`{"_id":"i","_corr":"c","_command":%q,"_jwt":{"sub":"ann"}}`, name)
			b.send(`{"_id":"i","_corr":"d","_command":"plus","_jwt":{"sub":"ann"}}`)
			var abandoned atomic.Int64
			var log bytes.Buffer
			start := time.Now()
			b.work(t, Config{
				Metrics: Metrics{Abandoned: func(n int) { abandoned.Add(int64(n)) }},
				Logger:  slog.New(slog.NewTextHandler(&log, nil)),
			})
			if took := time.Since(start); took != 5*time.Second {
				t.Errorf("%s: took %v, want 5 s", name, took)
			}
			replies := b.topic(ebb.Replies)
			if got := replies[0]; got.String(ebb.FieldOutcome) != "failed" || !strings.Contains(string(got[ebb.FieldErrors]), "too long") {
				t.Errorf("%s: got %s", name, got.JSON())
			}
			if got := replies[1].String(ebb.FieldOutcome); got != "applied" {
				t.Errorf("%s: the next command is %s", name, got)
			}
			if !strings.Contains(log.String(), "corr=c") {
				t.Errorf("%s: got log %s, want the correlation id", name, &log)
			}
			synctest.Wait()
			if got := abandoned.Load(); (got == 1) != (name == "hang") {
				t.Errorf("%s: %d goroutines are abandoned", name, got)
			}
			close(hanging)
			synctest.Wait()
			if got := abandoned.Load(); got != 0 {
				t.Errorf("%s: %d goroutines are abandoned in the end", name, got)
			}
		})
	}
}

func TestHangingReducersDoNotHoldABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker()
		for i := range 100 {
			b.send(`{"_id":"i","_corr":"%d","_command":"slow","_jwt":{"sub":"ann"}}`, i)
		}
		b.send(`{"_id":"i","_corr":"c","_command":"plus","_jwt":{"sub":"ann"}}`)
		start := time.Now()
		b.work(t, Config{})
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("took %v, want less than 20 s", took)
		}
		if got := b.topic(ebb.Events); len(got) != 1 {
			t.Errorf("got %d events, want the one of plus", len(got))
		}
	})
}

func TestHangingReducerDelaysNoOtherInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker()
		for _, id := range []string{"a", "b", "c", "d"} {
			b.send(`{"_id":%q,"_corr":"c","_command":"slow","_jwt":{"sub":"ann"}}`, id)
		}
		start := time.Now()
		b.work(t, Config{})
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %v, want 5 s for all", took)
		}
	})
}

func TestMergeKeepsWhatTheTypeDoesNotKnow(t *testing.T) {
	tests := []struct{ name, whole, before, after, want string }{
		{"nothing changed", `{"a":1.0,"x":2}`, `{"a":1,"new":0}`, `{"a":1,"new":0}`, `{"a":1.0,"x":2}`},
		{"changed", `{"a":1,"x":12345678901234567890}`, `{"a":1}`, `{"a":2}`, `{"a":2,"x":12345678901234567890}`},
		{"added", `{"x":2}`, `{}`, `{"a":1}`, `{"a":1,"x":2}`},
		{"added over null", `{"a":null,"x":2}`, `{}`, `{"a":1}`, `{"a":1,"x":2}`},
		{"removed", `{"a":1,"x":2}`, `{"a":1}`, `{}`, `{"x":2}`},
		{"new field set", `{"x":2}`, `{"new":0}`, `{"new":1}`, `{"new":1,"x":2}`},
		{"new field as it was", `{"a":1}`, `{"a":1,"new":0}`, `{"a":2,"new":0}`, `{"a":2}`},
		{"nested", `{"o":{"a":1,"x":2}}`, `{"o":{"a":1}}`, `{"o":{"a":2}}`, `{"o":{"a":2,"x":2}}`},
		{"array", `{"o":[{"a":1,"x":2}]}`, `{"o":[{"a":1}]}`, `{"o":[{"a":2}]}`, `{"o":[{"a":2}]}`},
		{"object to null", `{"o":{"x":2}}`, `{"o":{}}`, `{"o":null}`, `{"o":null}`},
	}
	for _, tt := range tests {
		var whole, before, after tree
		for s, v := range map[string]*tree{tt.whole: &whole, tt.before: &before, tt.after: &after} {
			if err := decode([]byte(s), v); err != nil {
				t.Fatal(err)
			}
		}
		if tt.before == tt.after {
			after = before
		}
		got, _ := json.Marshal(merge(whole, before, after))
		if string(got) != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if got, _ := json.Marshal(whole); string(got) != tt.whole {
			t.Errorf("%s: the old state became %s", tt.name, got)
		}
	}
}

func TestUnknownFieldsOfAStoredStateStay(t *testing.T) {
	b := newBroker()
	b.out = []ebb.Record{{Topic: "test-counter-aggregate", Key: []byte("i"),
		Value: []byte(`{"_id":"i","_type":"test-counter","_seq":41,"value":1,"theirs":9007199254740993,"more":{"n":9007199254740993}}`)}}
	b.send(`{"_id":"i","_corr":"c","_command":"plus","_jwt":{"sub":"ann"}}`)
	b.work(t, Config{})
	if got, want := string(b.topic(ebb.Events)[0][ebb.FieldOps]), `[{"op":"replace","path":"/value","value":2}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got := b.topic(ebb.Aggregates)[1]
	if string(got["theirs"]) != "9007199254740993" || string(got["more"]) != `{"n":9007199254740993}` || string(got["_seq"]) != "42" {
		t.Errorf("got %s", got.JSON())
	}
}

func TestStatesOfAnyGoType(t *testing.T) {
	const big = `{"_id":"i","_corr":"c","_command":"set","_jwt":{"sub":"ann"},"n":12345678901234567890,"_seq":-1}`
	set := func(_ context.Context, _ map[string]any, cmd Command) (m map[string]any, err error) {
		return m, cmd.Decode(&m)
	}
	run := func(b *broker, run func(context.Context, Log, Config) error) ebb.Message {
		ctx, end := context.WithCancel(t.Context())
		defer end()
		b.send("%s", big)
		if err := run(ctx, &member{broker: b, end: end}, Config{}); err != nil {
			t.Fatal(err)
		}
		replies := b.topic(ebb.Replies)
		return replies[len(replies)-1]
	}

	b := newBroker()
	run(b, Type[map[string]any]{Name: "test-counter", On: map[string]Reducer[map[string]any]{"set": set}}.Run)
	if got, want := string(b.topic(ebb.Events)[0][ebb.FieldOps]), `[{"op":"add","path":"/n","value":12345678901234567890}]`; got != want {
		t.Errorf("map: got %s, want %s", got, want)
	}
	got := run(newBroker(), Type[*counter]{Name: "test-counter", On: map[string]Reducer[*counter]{"set": same[*counter]}}.Run)
	if got.String(ebb.FieldOutcome) != "unchanged" {
		t.Errorf("nil pointer: got %s", got.JSON())
	}
	got = run(newBroker(), Type[[]int]{Name: "test-counter", On: map[string]Reducer[[]int]{
		"set": func(context.Context, []int, Command) ([]int, error) { return []int{1}, nil },
	}}.Run)
	if got.String(ebb.FieldOutcome) != "failed" {
		t.Errorf("array: got %s", got.JSON())
	}
}

func TestPanicIsLoggedWithItsStack(t *testing.T) {
	b := newBroker()
	b.send(`{"_id":"i","_corr":"c-7","_command":"panic","_jwt":{"sub":"ann"}}`)
	var log bytes.Buffer
	b.work(t, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, want := range []string{"panic: secret", "counter_test.go", "corr=c-7", "type=test-counter"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("got log %s, want %s in it", &log, want)
		}
	}
}

func BenchmarkCommands(b *testing.B) {
	br := newBroker()
	br.batch = 500
	for i := range b.N {
		br.send(`{"_id":"%d","_type":"test-counter","_corr":"%d","_command":"plus","_jwt":{"sub":"ann"},"note":"%0200d"}`, i%10_000, i, i)
	}
	b.ResetTimer()
	br.work(b, Config{})
}
