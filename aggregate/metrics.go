package aggregate

import (
	"time"

	"github.com/ebb-events/ebb"
)

// Metrics hears what happens; each func may be nil. They are called one at a
// time, but for Abandoned, and for those of a type with Unique. A [Reactor]
// counts events where a service counts commands.
type Metrics struct {
	Executed  func(ebb.Outcome)                      // a command, once its transaction is done
	Committed func(commands int, took time.Duration) // a transaction, with its execution
	Rekeyed   func(commands int, took time.Duration) // a transaction that put commands under their unique values
	Sent      func(typ string)                       // a command, by a reactor
	Retried   func()                                 // polling, restoring or committing failed
	Dead      func(reason string)                    // a record was no command
	Lost      func(commands int64)                   // retention was faster than this service
	Restored  func(records int, took time.Duration)  // a partition was assigned
	Abandoned func(change int)                       // reducers that run beyond their deadline
}

func (m *Metrics) fill() {
	if m.Executed == nil {
		m.Executed = func(ebb.Outcome) {}
	}
	if m.Committed == nil {
		m.Committed = func(int, time.Duration) {}
	}
	if m.Rekeyed == nil {
		m.Rekeyed = func(int, time.Duration) {}
	}
	if m.Sent == nil {
		m.Sent = func(string) {}
	}
	if m.Retried == nil {
		m.Retried = func() {}
	}
	if m.Dead == nil {
		m.Dead = func(string) {}
	}
	if m.Lost == nil {
		m.Lost = func(int64) {}
	}
	if m.Restored == nil {
		m.Restored = func(int, time.Duration) {}
	}
	if m.Abandoned == nil {
		m.Abandoned = func(int) {}
	}
}
