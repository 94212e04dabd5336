package view_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/view"
)

const topic = "board-task-aggregate"

var (
	ann = ebb.User{Name: "ann"}
	bob = ebb.User{Name: "bob", Roles: []string{"clerk"}}
)

// source is aggregate topics of one partition.
type source struct {
	feed chan func(handle func([]ebb.Record, []ebb.Position)) error

	mu     sync.Mutex
	ends   map[string]int64 // by type
	broken error
	asked  int
}

func newSource() *source {
	return &source{
		feed: make(chan func(func([]ebb.Record, []ebb.Position)) error),
		ends: map[string]int64{"board-task": 0},
	}
}

func (s *source) Follow(ctx context.Context, handle func([]ebb.Record, []ebb.Position)) error {
	for {
		select {
		case do := <-s.feed:
			if err := do(handle); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *source) Ends(_ context.Context, typ string) ([]ebb.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.broken != nil {
		return nil, s.broken
	}
	end, ok := s.ends[typ]
	if !ok {
		return nil, ebb.ErrUnknownType
	}
	return []ebb.Position{{Topic: ebb.Topic(typ, ebb.Aggregates, ""), Offset: end}}, nil
}

func (s *source) end(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends["board-task"] = n
}

func (s *source) breakDown(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// hand makes Follow hand over records, read up to a position.
func (s *source) hand(upTo int64, records ...ebb.Record) {
	s.send(upTo, records...)
	synctest.Wait()
}

func (s *source) send(upTo int64, records ...ebb.Record) {
	s.feed <- func(handle func([]ebb.Record, []ebb.Position)) error {
		handle(records, []ebb.Position{{Topic: topic, Offset: upTo}})
		return nil
	}
}

// cut makes Follow end.
func (s *source) cut() {
	s.feed <- func(func([]ebb.Record, []ebb.Position)) error { return errors.New("log was cut") }
	synctest.Wait()
}

func record(id, value string) ebb.Record {
	r := ebb.Record{Topic: topic, Key: []byte(id)}
	if value != "" {
		r.Value = []byte(value)
	}
	return r
}

func state(id string, seq int, rest string) ebb.Record {
	return record(id, fmt.Sprintf(`{"_id":%q,"_type":"board-task","_seq":%d%s}`, id, seq, rest))
}

// run starts a view in the bubble.
func run(t *testing.T, s *source, cfg view.Config) *view.View {
	t.Helper()
	cfg.Source = s
	v, err := view.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- v.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("got %v, want a quiet end", err)
		}
	})
	return v
}

// listed returns what u sees, or the error.
func listed(v *view.View, u ebb.User, fresh bool) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	list, err := v.List(ctx, ebb.Query{Type: "board-task", User: u, Fresh: fresh}, ebb.Page{Limit: 1000})
	if err != nil {
		return err.Error()
	}
	return brief(list)
}

// brief is the id and _seq of each state, and where the next page begins.
func brief(list ebb.Listing) string {
	var ids []string
	for _, b := range list.Items {
		var s struct {
			ID  string `json:"_id"`
			Seq int    `json:"_seq"`
		}
		json.Unmarshal(b, &s)
		ids = append(ids, fmt.Sprint(s.ID, s.Seq))
	}
	if list.Next != "" {
		ids = append(ids, ">"+list.Next)
	}
	return strings.Join(ids, " ")
}

func TestLatestStateIsListed(t *testing.T) {
	tests := []struct {
		name    string
		records []ebb.Record
		want    string
	}{
		{"nothing", nil, ""},
		{"sorted by id", []ebb.Record{state("b", 0, ""), state("a", 0, "")}, "a0 b0"},
		{"the latest", []ebb.Record{state("a", 0, ""), state("a", 1, "")}, "a1"},
		{"a tombstone removes", []ebb.Record{state("a", 0, ""), record("a", "")}, ""},
		{"deleted is gone", []ebb.Record{state("a", 0, ""), state("a", 1, `,"_deleted":true`)}, ""},
		{"made again after deletion", []ebb.Record{state("a", 1, `,"_deleted":true`), state("a", 2, "")}, "a2"},
		{"outcomes alone are no instance", []ebb.Record{state("a", -1, "")}, ""},
		{"garbage changes nothing", []ebb.Record{state("a", 0, ""), record("a", "x"), record("a", `{"_seq":"1"}`), record("", "[]")}, "a0"},
		{"keys are lower-cased", []ebb.Record{state("A", 0, ""), state("a", 1, "")}, "a1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSource()
				v := run(t, s, view.Config{})
				s.hand(1, tt.records...)
				if got := listed(v, ann, false); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

func TestACLDecidesWhoReads(t *testing.T) {
	tests := []struct {
		acl      string
		ann, bob bool
	}{
		{``, true, true},
		{`,"_acl":null`, true, true},
		{`,"_acl":{"write":["ann"]}`, true, true},
		{`,"_acl":{"get":["ann"]}`, true, false},
		{`,"_acl":{"get":["clerk"]}`, false, true},
		{`,"_acl":{"get":[]}`, false, false},
		{`,"_acl":"broken"`, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.acl, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSource()
				v := run(t, s, view.Config{})
				s.hand(1, state("a", 0, tt.acl))
				for u, want := range map[string]bool{"ann": tt.ann, "bob": tt.bob} {
					user := map[string]ebb.User{"ann": ann, "bob": bob}[u]
					got, err := v.Get(t.Context(), ebb.Query{Type: "board-task", User: user}, "A", -1)
					if err != nil || (got != nil) != want {
						t.Errorf("%s got %s, %v, want it: %v", u, got, err, want)
					}
					if listed := listed(v, user, false); (listed != "") != want {
						t.Errorf("%s is listed %q, want it: %v", u, listed, want)
					}
				}
			})
		})
	}
}

func TestStateIsAsWrittenWithoutTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		v := run(t, s, view.Config{})
		s.hand(1, record("a", `{"n":1.10, "big":12345678901234567890,"html":"<b>","_seq":0,"_jwt":{"sub":"ann"}}`))
		got, err := v.Get(t.Context(), ebb.Query{Type: "board-task", User: ann}, "a", -1)
		if want := `{"_seq":0,"big":12345678901234567890,"html":"<b>","n":1.10}`; err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	})
}

func TestReadingWaitsUntilCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.end(2)
		v := run(t, s, view.Config{})
		if got := listed(v, ann, false); got != context.DeadlineExceeded.Error() {
			t.Errorf("got %q before anything was read", got)
		}
		got := make(chan string)
		go func() { got <- listed(v, ann, false) }()
		s.hand(1, state("a", 0, ""))
		select {
		case early := <-got:
			t.Errorf("got %q of half of the topic", early)
		default:
		}
		s.hand(2, state("b", 0, ""))
		if got := <-got; got != "a0 b0" {
			t.Errorf("got %q, want both", got)
		}
	})
}

func TestFreshWaitsForWhatIsThereNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		v := run(t, s, view.Config{})
		s.hand(1, state("a", 0, ""))
		if got := listed(v, ann, false); got != "a0" {
			t.Fatalf("got %q, want a0", got)
		}
		s.end(3) // the last is the marker of a transaction
		if got := listed(v, ann, false); got != "a0" {
			t.Errorf("got %q, want what was read, at once", got)
		}
		got := make(chan string)
		go func() { got <- listed(v, ann, true) }()
		s.hand(2, state("a", 1, ""))
		select {
		case early := <-got:
			t.Errorf("got %q before the position was reached", early)
		default:
		}
		s.hand(3)
		if got := <-got; got != "a1" {
			t.Errorf("got %q, want a1", got)
		}
		if got := listed(v, ann, true); got != "a1" {
			t.Errorf("got %q, want a1 without waiting", got)
		}
	})
}

func TestUnknownTypeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := run(t, newSource(), view.Config{})
		for _, fresh := range []bool{false, true} {
			if _, err := v.List(t.Context(), ebb.Query{Type: "no-such", User: ann, Fresh: fresh}, ebb.Page{Limit: 1}); !errors.Is(err, ebb.ErrUnknownType) {
				t.Errorf("list: got %v", err)
			}
			if _, err := v.Get(t.Context(), ebb.Query{Type: "no-such", User: ann, Fresh: fresh}, "a", 0); !errors.Is(err, ebb.ErrUnknownType) {
				t.Errorf("get: got %v", err)
			}
		}
	})
}

func TestBrokerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		v := run(t, s, view.Config{})
		s.hand(1, state("a", 0, ""))
		listed(v, ann, false)
		s.breakDown(errors.New("no broker"))
		if got := listed(v, ann, false); got != "a0" {
			t.Errorf("got %q, want what is in memory", got)
		}
		if got := listed(v, ann, true); got != "no broker" {
			t.Errorf("got %q, want the broker's error", got)
		}
	})
}

func TestCutLogIsForgottenAndReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.end(1)
		restarts := 0
		v := run(t, s, view.Config{Metrics: view.Metrics{Restarts: func() { restarts++ }}})
		s.hand(1, state("a", 0, ""))
		listed(v, ann, false)
		s.end(9)
		waiting := make(chan string)
		go func() { waiting <- listed(v, ann, true) }()
		synctest.Wait()

		s.end(1)
		s.cut()
		got := make(chan string)
		go func() { got <- listed(v, ann, false) }()
		synctest.Wait()
		select {
		case early := <-got:
			t.Errorf("got %q out of a log that is gone", early)
		default:
		}
		s.hand(1, state("b", 0, ""))
		for _, answer := range []string{<-got, <-waiting} {
			if answer != "b0" {
				t.Errorf("got %q, want b0 alone", answer)
			}
		}
		if restarts != 1 {
			t.Errorf("got %d restarts, want 1", restarts)
		}
	})
}

func TestRetriesBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		run(t, s, view.Config{})
		began := time.Now()
		for range 20 {
			s.cut()
		}
		if took := time.Since(began); took < time.Minute || took > 4*time.Minute {
			t.Errorf("20 retries took %v, want the wait to grow to 10 s", took)
		}
	})
}

func TestReadersNeverGoBack(t *testing.T) {
	const last = 500
	s := newSource()
	v := run(t, s, view.Config{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for seen := -1; seen < last; {
				b, err := v.Get(t.Context(), ebb.Query{Type: "board-task", User: ann, Fresh: seen%2 == 0}, "a", -1)
				if err != nil {
					t.Error(err)
					return
				}
				got := struct {
					Seq int `json:"_seq"`
				}{-1}
				if b != nil {
					json.Unmarshal(b, &got)
				}
				if got.Seq < seen {
					t.Errorf("went back from %d to %d", seen, got.Seq)
					return
				}
				seen = got.Seq
			}
		})
	}
	for i := range last + 1 {
		s.send(int64(i+1), state("a", i, ""))
	}
	readers.Wait()
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := view.New(view.Config{}); err == nil {
		t.Error("got a view of nothing")
	}
}
