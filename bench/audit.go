package bench

import (
	"fmt"

	"github.com/ebb-events/ebb"
)

// audit counts what came of commands that each add one.
type audit struct {
	outputs []struct{ replies, events uint8 } // by command
	seqs    map[string]int                    // of the events that come next, by instance
	values  map[string]int                    // of the last states, by instance
	found   Tally
}

func newAudit(commands int) *audit {
	return &audit{
		outputs: make([]struct{ replies, events uint8 }, commands),
		seqs:    map[string]int{}, values: map[string]int{},
	}
}

func (a *audit) reply(m output) {
	if m.corr >= 0 && m.corr < len(a.outputs) {
		a.outputs[m.corr].replies++
	}
	if m.Outcome != string(ebb.Applied) {
		a.found.Refused++
	}
}

func (a *audit) event(m output) {
	if m.corr >= 0 && m.corr < len(a.outputs) {
		a.outputs[m.corr].events++
	}
	if m.Seq != a.seqs[m.ID] {
		a.found.Order++
	}
	a.seqs[m.ID] = m.Seq + 1
}

func (a *audit) state(m output) { a.values[m.ID] = m.Value }

// Tally is what is wrong with the outputs of commands.
type Tally struct {
	Replies, Events int // commands that do not have exactly one
	Refused         int // replies that are not applied
	Order           int // events that do not have the number after the one before
	Sum             int // that the states are off by
}

func (a *audit) tally() Tally {
	t := a.found
	t.Sum = len(a.outputs)
	for _, v := range a.values {
		t.Sum -= v
	}
	for _, o := range a.outputs {
		if o.replies != 1 {
			t.Replies++
		}
		if o.events != 1 {
			t.Events++
		}
	}
	return t
}

func (t Tally) String() string {
	if t == (Tally{}) {
		return "0"
	}
	return fmt.Sprintf("%d without one reply, %d without one event, %d not applied, %d events out of order, states off by %d",
		t.Replies, t.Events, t.Refused, t.Order, t.Sum)
}
