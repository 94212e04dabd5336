package history

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/ebb-events/ebb"
)

// remembered is how many commands of an instance a service tells repeats of.
const remembered = 64

// life is all that happened to an instance.
type life struct {
	partition                         int32
	commands, replies, events, states []ebb.Message
}

// check goes through a life, command by command.
func (l *life) check(model Model) error {
	if len(l.replies) != len(l.commands) {
		return fmt.Errorf("%d commands and %d replies%s", len(l.commands), len(l.replies), l.strays())
	}
	now := Instance{map[string]any{}, -1}
	was := []Instance{now} // by _seq, from -1 on
	first := map[string]ebb.Message{}
	var recent []string // the identities in first, oldest first
	for i, cmd := range l.commands {
		reply, k := l.replies[i], identity(cmd)
		if identity(reply) != k {
			return fmt.Errorf("reply %d is to %s, want %s", i, identity(reply), k)
		}
		outcome := ebb.Outcome(reply.String(ebb.FieldOutcome))
		told, repeated := first[k]
		if (outcome == ebb.Duplicate) != repeated {
			return fmt.Errorf("%s: reply %d is %s, and a repeat: %t", k, i, reply.JSON(), repeated)
		}
		if repeated {
			if string(reply[ebb.FieldErrors]) != string(told[ebb.FieldErrors]) {
				return fmt.Errorf("%s: reply %d has errors %s, want %s", k, i, reply[ebb.FieldErrors], told[ebb.FieldErrors])
			}
			if err := sameSeq(reply, now.Seq); err != nil && reply[ebb.FieldError] == nil {
				return fmt.Errorf("%s: reply %d: %w", k, i, err)
			}
			continue
		}
		next, err := l.step(cmd, reply, now, outcome)
		if err == nil && model != nil && !late(reply) {
			err = compare(model, now, next, cmd, outcome)
		}
		if err != nil {
			return fmt.Errorf("%s: reply %d: %w", k, i, err)
		}
		if next.Seq != now.Seq {
			was = append(was, next)
		}
		now, first[k], recent = next, reply, append(recent, k)
		if len(recent) > remembered {
			delete(first, recent[0])
			recent = recent[1:]
		}
	}
	if n := len(l.events); n != len(was)-1 {
		return fmt.Errorf("%d events, and %d commands were applied", n, len(was)-1)
	}
	return l.checkStates(was)
}

// strays says which replies there are that no command asked for, and which
// commands were not answered.
func (l *life) strays() (told string) {
	n := map[string]int{}
	for _, cmd := range l.commands {
		n[identity(cmd)]++
	}
	for i, reply := range l.replies {
		k := identity(reply)
		if n[k]--; n[k] < 0 {
			told += fmt.Sprintf("; reply %d is one too many to %s: %s %s", i, k, reply.String(ebb.FieldOutcome), reply[ebb.FieldSeq])
		}
	}
	for _, cmd := range l.commands {
		if k := identity(cmd); n[k] > 0 {
			n[k] = 0
			told += "; no answer to " + k
		}
	}
	return told
}

// step returns the instance after a command that is no repeat.
func (l *life) step(cmd, reply ebb.Message, now Instance, outcome ebb.Outcome) (Instance, error) {
	if given, ok := cmd.Int(ebb.FieldSeq); ok && (outcome == ebb.Applied || outcome == ebb.Unchanged) && given != now.Seq {
		return now, fmt.Errorf("%s with _seq %d, and the instance had %d", outcome, given, now.Seq)
	}
	switch outcome {
	case ebb.Stale:
		return now, sameSeq(reply, now.Seq)
	case ebb.Unchanged:
		return now, errors.Join(sameSeq(reply, now.Seq), sameState(reply, now))
	case ebb.Applied:
	default:
		return now, nil
	}
	next := Instance{copyOf(now.State).(map[string]any), now.Seq + 1}
	if int(next.Seq) >= len(l.events) {
		return now, fmt.Errorf("applied as event %d of %d", next.Seq, len(l.events))
	}
	event := l.events[next.Seq]
	if identity(event) != identity(cmd) {
		return now, fmt.Errorf("event %d is of %s", next.Seq, identity(event))
	}
	if err := patch(next.State, event[ebb.FieldOps]); err != nil {
		return now, fmt.Errorf("event %d: %w", next.Seq, err)
	}
	shown := next
	if next.State[ebb.FieldDeleted] == true { // the reply shows what was deleted
		shown.State = copyOf(now.State).(map[string]any)
		shown.State[ebb.FieldDeleted] = true
	}
	return next, errors.Join(sameSeq(event, next.Seq), sameSeq(reply, next.Seq), sameState(reply, shown))
}

// checkStates holds the state records against the instance after each event.
func (l *life) checkStates(was []Instance) error {
	last := int64(-2)
	for i, m := range l.states {
		seq, ok := m.Int(ebb.FieldSeq)
		if !ok || seq < last || seq+1 >= int64(len(was)) {
			return fmt.Errorf("state %d has _seq %s after %d, and there are %d events", i, m[ebb.FieldSeq], last, len(l.events))
		}
		last = seq
		if err := sameState(m, was[seq+1]); err != nil {
			return fmt.Errorf("state %d, _seq %d: %w", i, seq, err)
		}
	}
	if want := int64(len(was)) - 2; len(l.commands) > 0 && last != want {
		return fmt.Errorf("the last state has _seq %d, want %d", last, want)
	}
	return nil
}

// late tells whether a reducer was out of time, of which a model knows nothing.
func late(reply ebb.Message) bool {
	return reply.String(ebb.FieldOutcome) == string(ebb.Failed) && strings.Contains(string(reply[ebb.FieldErrors]), "too long")
}

// compare asks the model.
func compare(model Model, now, next Instance, cmd ebb.Message, outcome ebb.Outcome) error {
	want, state := model(now, cmd)
	if outcome != want {
		return fmt.Errorf("%s, and the model says %s", outcome, want)
	}
	if outcome == ebb.Applied && !reflect.DeepEqual(next.State, state) {
		return fmt.Errorf("the event leads to %v, and the model to %v", next.State, state)
	}
	return nil
}

// identity tells a command from the others.
func identity(m ebb.Message) string {
	return strings.Join([]string{strings.ToLower(m.String(ebb.FieldID)), m.User().Name, m.String(ebb.FieldCommand), m.String(ebb.FieldCorr)}, " ")
}

func sameSeq(m ebb.Message, want int64) error {
	if seq, ok := m.Int(ebb.FieldSeq); !ok || seq != want {
		return fmt.Errorf("_seq is %s, want %d", m[ebb.FieldSeq], want)
	}
	return nil
}
