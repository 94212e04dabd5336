package aggregate

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb"
)

func TestAbortedBatchIsExecutedAgainAsIfItHadNotBeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker()
		b.send(`{"_id":"i","_corr":"0","_command":"plus","_jwt":{"sub":"ann"}}`)
		b.send(`{"_id":"j","_corr":"0","_command":"minus","_jwt":{"sub":"ann"}}`)
		b.send(`{"_id":"i","_corr":"1","_command":"plus","_jwt":{"sub":"ann"}}`)
		b.send(`no command`)
		commits := 0
		b.fail = func() error {
			if commits++; commits == 4 {
				return nil
			}
			return errBroker
		}
		var log bytes.Buffer
		retried, executed := 0, 0
		b.work(t, Config{
			Logger:  slog.New(slog.NewTextHandler(&log, nil)),
			Metrics: Metrics{Retried: func() { retried++ }, Executed: func(ebb.Outcome) { executed++ }},
		})
		for i, want := range []string{"applied", "unknown", "applied"} {
			if got := b.topic(ebb.Replies)[i].String(ebb.FieldOutcome); got != want {
				t.Errorf("got outcome %s, want %s", got, want)
			}
		}
		if got, want := len(b.topic(ebb.Aggregates)), 2; got != want {
			t.Errorf("got %d state records, want %d: one for each instance of the batch", got, want)
		}
		if len(b.dead) != 1 || retried != 3 || executed != 3 {
			t.Errorf("got %d dead, %d retries, %d executed, want 1, 3, 3", len(b.dead), retried, executed)
		}
		for _, line := range []string{"tries again", "goes on"} {
			if n := strings.Count(log.String(), line); n != 1 {
				t.Errorf("logged %q %d times, want once", line, n)
			}
		}
	})
}

func TestEveryOutageIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker()
		b.batch = 1
		for range 2 {
			b.send(`{"_id":"i","_corr":"0","_command":"plus","_jwt":{"sub":"ann"}}`)
		}
		commits := 0
		b.fail = func() error {
			if commits++; commits%3 == 0 {
				return nil
			}
			return errBroker
		}
		var log bytes.Buffer
		b.work(t, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for _, line := range []string{"tries again", "goes on"} {
			if n := strings.Count(log.String(), line); n != 2 {
				t.Errorf("logged %q %d times in 2 outages", line, n)
			}
		}
	})
}

func TestBackOffGrowsTo3Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker()
		b.send(`{"_id":"i","_corr":"0","_command":"plus","_jwt":{"sub":"ann"}}`)
		var gaps []time.Duration
		last := time.Now()
		b.fail = func() error {
			gaps = append(gaps, time.Since(last))
			last = time.Now()
			if len(gaps) == 20 {
				return nil
			}
			return errBroker
		}
		b.work(t, Config{})
		for i, gap := range gaps[1:] {
			longest := 50 * time.Millisecond << min(i, 6)
			if gap < longest/2 || gap >= longest {
				t.Errorf("pause %d is %v, want %v to %v", i, gap, longest/2, longest)
			}
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	for _, command := range []string{"hang", "slow"} {
		synctest.Test(t, func(t *testing.T) {
			hanging = make(chan bool)
			b := newBroker()
			b.send(`{"_id":"i","_corr":"0","_command":%q,"_jwt":{"sub":"ann"}}`, command)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := b.run(ctx, Config{}); err != nil {
				t.Errorf("got %v, want nil", err)
			}
			if len(b.out) != 0 {
				t.Errorf("%s: got %s, want nothing", command, b.out[0].Value)
			}
			close(hanging)
		})
	}
	b := newBroker()
	b.send(`{"_id":"i","_corr":"0","_command":"plus","_jwt":{"sub":"ann"}}`)
	b.fail = func() error { return errBroker }
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.run(ctx, Config{}); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

func TestAnswersAreKnownAfterARestart(t *testing.T) {
	b := newBroker()
	commands := []string{
		`{"_id":"i","_corr":"0","_command":"plus","_jwt":{"sub":"ann"}}`,
		`{"_id":"i","_corr":"1","_command":"reject","_jwt":{"sub":"ann"}}`,
		`{"_id":"i","_corr":"2","_command":"delete","_jwt":{"sub":"ann"}}`,
		`{"_id":"j","_corr":"3","_command":"panic","_jwt":{"sub":"ann"}}`,
	}
	for _, c := range append(commands, commands...) {
		b.send("%s", c)
		b.work(t, Config{})
	}
	var got []string
	for _, r := range b.topic(ebb.Replies) {
		got = append(got, r.String(ebb.FieldOutcome)+" "+string(r[ebb.FieldStatusCode]))
	}
	want := []string{"applied ", "rejected 422", "applied ", "failed 500", "duplicate ", "duplicate 422", "duplicate ", "duplicate 500"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := b.topic(ebb.Aggregates); len(got) != 2*len(commands) {
		t.Errorf("got %d state records, want one for each batch", len(got))
	}
}

func TestAnotherNumberOfPartitionsRefusesTheStart(t *testing.T) {
	b := newBroker()
	b.send(`{"_id":"i","_corr":"0","_command":"plus","_jwt":{"sub":"ann"}}`)
	b.work(t, Config{})
	b.partitions = 3
	b.send(`{"_id":"i","_corr":"1","_command":"plus","_jwt":{"sub":"ann"}}`)
	err := b.run(t.Context(), Config{})
	if want := "aggregate: test-counter has 3 partitions but its state was written for 2: instances would no longer be found"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got := len(b.topic(ebb.Replies)); got != 1 {
		t.Errorf("got %d replies, want 1", got)
	}
}

// script is a log that gives batches in turn.
type script struct {
	polls    []func() (ebb.Batch, error)
	states   map[int32][]ebb.Record
	of       map[int32]int32
	restored []int32
	refuse   int // restores that fail
	out      []ebb.Record
}

func (s *script) Poll(ctx context.Context) (ebb.Batch, error) {
	if len(s.polls) == 0 {
		return ebb.Batch{}, errors.New("over")
	}
	next := s.polls[0]
	s.polls = s.polls[1:]
	return next()
}

func (s *script) Restore(_ context.Context, partition int32, apply func(ebb.Record)) (int32, error) {
	if s.refuse--; s.refuse >= 0 {
		return 0, errBroker
	}
	s.restored = append(s.restored, partition)
	for _, r := range s.states[partition] {
		apply(r)
	}
	return s.of[partition], nil
}

func (s *script) Commit(_ context.Context, out []ebb.Record) error {
	s.out = append(s.out, out...)
	return nil
}

func (s *script) Dead(ebb.Record, string) {}

func TestPartitionsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := []ebb.Position{{Partition: 7}}
		command := func(corr string) []ebb.Record {
			return []ebb.Record{{Partition: 7, Key: []byte("i"), Value: []byte(`{"_id":"i","_corr":"` + corr + `","_command":"plus","_jwt":{"sub":"ann"}}`)}}
		}
		state := func(value string) []ebb.Record {
			return []ebb.Record{{
				Key: []byte("i"), Value: []byte(`{"_id":"i","_seq":4,"value":` + value + `}`),
				Headers: []ebb.Header{{Key: headerPartitions, Value: []byte("12")}},
			}}
		}
		s := &script{of: map[int32]int32{7: 12}, refuse: 2, states: map[int32][]ebb.Record{7: state("10")}}
		ctx, cancel := context.WithCancel(t.Context())
		lost := int64(0)
		s.polls = []func() (ebb.Batch, error){
			func() (ebb.Batch, error) { return ebb.Batch{}, errBroker },
			func() (ebb.Batch, error) { return ebb.Batch{Assigned: at}, nil },          // restoring fails
			func() (ebb.Batch, error) { return ebb.Batch{Records: command("0")}, nil }, // fails again
			func() (ebb.Batch, error) { return ebb.Batch{Records: command("0")}, nil },
			func() (ebb.Batch, error) {
				s.states[7] = append(state("20"), ebb.Record{Key: []byte("gone"), Value: []byte("{}")}, ebb.Record{Key: []byte("gone")})
				return ebb.Batch{Revoked: at, Assigned: at, Gaps: []ebb.Gap{{From: 3, To: 5}}}, nil
			},
			func() (ebb.Batch, error) { return ebb.Batch{Records: command("1")}, nil },
			func() (ebb.Batch, error) { return ebb.Batch{Revoked: at}, nil },
			func() (ebb.Batch, error) {
				s.states[7] = state("30")
				return ebb.Batch{Records: command("2")}, nil // nobody said that it was assigned
			},
			func() (ebb.Batch, error) { cancel(); return ebb.Batch{}, ctx.Err() },
		}
		restored := 0
		err := counters.Run(ctx, s, Config{Environment: "prod", Metrics: Metrics{
			Lost:     func(n int64) { lost += n },
			Restored: func(n int, _ time.Duration) { restored += n },
		}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range s.out {
			if m, _ := ebb.ParseMessage(r.Value); r.Topic == "test-counter-reply-prod" && r.Partition == 7 {
				got = append(got, string(m["value"]))
			}
		}
		if want := []string{"11", "21", "31"}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if want := []int32{7, 7, 7}; !reflect.DeepEqual(s.restored, want) || restored != 5 || lost != 2 {
			t.Errorf("restored %v with %d records, lost %d", s.restored, restored, lost)
		}
	})
}

func TestPartitionsAddedMeanwhileEndTheService(t *testing.T) {
	s := &script{of: map[int32]int32{0: 6, 9: 12}}
	s.polls = []func() (ebb.Batch, error){
		func() (ebb.Batch, error) { return ebb.Batch{Assigned: []ebb.Position{{Partition: 0}}}, nil },
		func() (ebb.Batch, error) { return ebb.Batch{Assigned: []ebb.Position{{Partition: 9}}}, nil },
	}
	if err := counters.Run(t.Context(), s, Config{}); err == nil || !strings.Contains(err.Error(), "has 12 partitions") {
		t.Errorf("got %v", err)
	}
}

// TestAddedPartitionIsNoticedByWhoHasNothingElse is about a process that gets
// only partitions without a state.
func TestAddedPartitionIsNoticedByWhoHasNothingElse(t *testing.T) {
	foreign := make([]ebb.Record, 2000) // of a program that writes no headers
	for i := range foreign {
		foreign[i] = ebb.Record{Key: []byte("i"), Value: []byte("{}")}
	}
	ours := []ebb.Record{{Key: []byte("i"), Value: []byte("{}"), Headers: []ebb.Header{{Key: headerPartitions, Value: []byte("6")}}}}
	tests := []struct {
		name    string
		states  map[int32][]ebb.Record
		refused bool
	}{
		{"of 6", map[int32][]ebb.Record{4: ours}, true},
		{"of 6, behind some of another program", map[int32][]ebb.Record{2: foreign, 4: ours}, true},
		{"new", nil, false},
		{"of another program", map[int32][]ebb.Record{2: foreign}, false},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			s := &script{of: map[int32]int32{}, states: tt.states}
			for p := range int32(12) {
				s.of[p] = 12
			}
			s.polls = []func() (ebb.Batch, error){
				func() (ebb.Batch, error) { return ebb.Batch{Assigned: []ebb.Position{{Partition: 9}}}, nil },
				func() (ebb.Batch, error) { cancel(); return ebb.Batch{}, ctx.Err() },
			}
			err := counters.Run(ctx, s, Config{})
			if refused := err != nil && strings.Contains(err.Error(), "has 12 partitions but its state was written for 6"); refused != tt.refused || !refused && err != nil {
				t.Errorf("%s: got %v", tt.name, err)
			}
			cancel()
		})
	}
}

func TestUnreadableStateFailsItsCommandsOnly(t *testing.T) {
	for _, state := range []string{"\x00", `{"_seq":3,"value":"text"}`} {
		b := newBroker()
		b.out = []ebb.Record{{Topic: "test-counter-aggregate", Key: []byte("i"), Value: []byte(state)}}
		b.send(`{"_id":"i","_corr":"0","_command":"plus","_jwt":{"sub":"ann"}}`)
		b.send(`{"_id":"j","_corr":"0","_command":"plus","_jwt":{"sub":"ann"}}`)
		b.work(t, Config{})
		var got []string
		for _, r := range b.out {
			if m, err := ebb.ParseMessage(r.Value); err == nil && r.Topic == "test-counter-reply" {
				got = append(got, m.String(ebb.FieldOutcome))
			}
		}
		if want := []string{"failed", "applied"}; !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, want %v", state, got, want)
		}
	}
}

func TestWhatCannotRun(t *testing.T) {
	reduce := counters.On["plus"]
	tests := []struct {
		name string
		typ  Type[counter]
		log  Log
		cfg  Config
	}{
		{"type without app", Type[counter]{Name: "counter", On: counters.On}, &script{}, Config{}},
		{"no reducers", Type[counter]{Name: "test-counter"}, &script{}, Config{}},
		{"nil reducer", Type[counter]{Name: "test-counter", On: map[string]Reducer[counter]{"plus": nil}}, &script{}, Config{}},
		{"command called get", Type[counter]{Name: "test-counter", On: map[string]Reducer[counter]{"get": reduce}}, &script{}, Config{}},
		{"no log", counters, nil, Config{}},
		{"deadline", counters, &script{}, Config{Deadline: -1}},
		{"parallel", counters, &script{}, Config{Parallel: -1}},
		{"bytes", counters, &script{}, Config{MaxBytes: 1000}},
	}
	for _, tt := range tests {
		if err := tt.typ.Run(t.Context(), tt.log, tt.cfg); err == nil {
			t.Errorf("%s: got no error", tt.name)
		}
	}
}
