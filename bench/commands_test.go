//go:build linux

package bench

import (
	"strings"
	"testing"
	"time"
)

// TestEveryCommandHasOneReplyAndOneEvent is ebb bench commands, in short. It
// counts, and never looks at how fast.
func TestEveryCommandHasOneReplyAndOneEvent(t *testing.T) {
	steps := map[string]bool{}
	s, err := Commands{
		Program: build(t), Load: 3000, Instances: 200, Warmup: 100 * time.Millisecond, Time: time.Second,
		States: 2000, Settle: time.Millisecond,
		Progress: func(step string, _, _ int) { steps[step] = true },
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Wrong(); err != nil {
		t.Error(err)
	}
	for what, e := range map[string]*Executed{"waiting": s.Waiting, "arriving": s.Arriving} {
		if e.Commands != 3000 || e.Took <= 0 || e.Service <= 0 || e.Broker <= 0 {
			t.Errorf("%s: got %+v, want 3000 commands and the time of each process", what, e)
		}
	}
	if got := len(s.Replies.Event); got != 100 {
		t.Errorf("got the times of %d replies, want 100", got)
	}
	if r := s.Restored; len(r) != 1 || r[0].Instances != 2000 || r[0].Resident < 1<<20 || r[0].Peak < r[0].Resident {
		t.Errorf("got %+v, want 2000 instances and a process's memory", r)
	}
	page := CommandsPage([]*Serving{s}, "- Made by: us\n")
	for _, part := range []string{"| command to reply at 100/s: p50, ms | 2 |", "2,000 instances of 300 bytes restored, store memory", "- Made by: us"} {
		if !strings.Contains(page, part) {
			t.Errorf("%q is missing in\n%s", part, page)
		}
	}
}

func TestCommandsRefusesWhatItCannotMeasure(t *testing.T) {
	for want, c := range map[string]Commands{
		"Program":                 {},
		"negative":                {Program: "ebb", Load: -1},
		"at least 260":            {Program: "ebb", StateSize: 100},
		"of the parts":            {Program: "ebb", Only: []string{"all"}},
		"is none of memory, disk": {Program: build(t), Load: 1, Only: []string{"restore"}, Stores: []string{"tape"}, States: 1},
	} {
		if _, err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want something about %q", err, want)
		}
	}
}

func TestCommandsSayWhatWentWrong(t *testing.T) {
	good := func() *Serving {
		return &Serving{Commands: Commands{Name: "K"}, Waiting: &Executed{Commands: 2}, Arriving: &Executed{}, Replies: &Taken{}, Restored: []Restored{{}}}
	}
	if err := good().Wrong(); err != nil {
		t.Errorf("got %v, though all is well", err)
	}
	for want, spoil := range map[string]func(*Serving){
		"waiting: 1 without one reply":              func(s *Serving) { s.Waiting.Wrong.Replies = 1 },
		"arriving: 0 without one reply, 2 without":  func(s *Serving) { s.Arriving.Wrong.Events = 2 },
		"3 events out of order, states off by -1":   func(s *Serving) { s.Waiting.Wrong = Tally{Order: 3, Sum: -1} },
		"1 not applied":                             func(s *Serving) { s.Waiting.Wrong.Refused = 1 },
		"K: replies lost: 1":                        func(s *Serving) { s.Replies.Lost = 1 },
		"replies that came twice: 4":                func(s *Serving) { s.Replies.Duplicates = 4 },
		"not executed on what was restored, store ": func(s *Serving) { s.Restored[0].Unknown = 1 },
	} {
		s := good()
		spoil(s)
		if err := s.Wrong(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestTableOfBrokers(t *testing.T) {
	c := Commands{Name: "embedded", Load: 1000, Instances: 10, Rate: 100, States: 5, StateSize: 300, Stores: []string{"memory", "disk"}}
	other := c
	other.Name = "Apache Kafka"
	got := CommandsTable([]*Serving{
		{Commands: c, Waiting: &Executed{Commands: 1000, Took: 50 * time.Millisecond, Service: 20 * time.Millisecond, Broker: time.Millisecond},
			Restored: []Restored{{Store: "memory", Took: time.Second, Resident: 5 << 20, Peak: 6 << 20}, {Store: "disk", Took: 2 * time.Second}}},
		{Commands: other, Waiting: &Executed{Commands: 1000, Took: 100 * time.Millisecond}},
	})
	for _, want := range []string{
		"|  | target | embedded | Apache Kafka |\n|---|---:|---:|---:|\n",
		"| 1,000 commands on the topic, to 10 instances: executed, /s | 20,000 | 20,000 | 10,000 |\n",
		"| - CPU of the service for each, us |  | 20.0 | 0.0 |\n| - CPU of the broker for each, us |  | 1.0 |  |\n",
		"| 5 instances of 300 bytes restored, store memory, s | 20 | 1.0 |  |\n| - memory resident afterwards, MiB |  | 5 |  |\n| - at most, MiB |  | 6 |  |\n",
		"| 5 instances of 300 bytes restored, store disk, s | 20 | 2.0 |  |\n| - memory resident afterwards, MiB | 300 | 0 |  |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "to reply") || strings.Contains(got, "same time") {
		t.Errorf("there is a row of what was not measured:\n%s", got)
	}
}
