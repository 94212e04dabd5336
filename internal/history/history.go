// Package history checks what a service made of its commands, from what the
// topics of its type hold in the end.
//
// Its own tests are the campaign: services are killed, paused, moved and cut off
// while many users send, and then the topics must be what one service without
// any fault could have written.
package history

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ebb-events/ebb"
)

// History is what the topics of a type hold. Records are in the order of their
// partition.
type History struct {
	Sent     map[string]bool // by the value of a command: whether it was acknowledged; nil if nobody noted it
	Commands []ebb.Record
	Events   []ebb.Record
	Replies  []ebb.Record
	States   []ebb.Record
	Dead     []ebb.Record // with the coordinates of the command
	Model    Model        // not asked if nil
}

// Model says how a command goes that is no repeat, and to which state it leads
// where it is applied. It knows the reducers, but not how they are run.
type Model func(Instance, ebb.Message) (ebb.Outcome, map[string]any)

// Instance is an aggregate's, between two commands.
type Instance struct {
	State map[string]any // without the technical fields; never altered
	Seq   int64          // of its last event, -1 if it had none
}

// Exists tells whether it is there, and not deleted.
func (i Instance) Exists() bool { return i.Seq >= 0 && i.State[ebb.FieldDeleted] != true }

// most is how many violations are told of.
const most = 20

// Check says what is wrong with h, all commands answered: every command that
// was acknowledged is there; each has one effect at most, and one answer each
// time it was sent or one place among the dead; all in the instance's order;
// repeats are told what they were told before; and events and states are what
// the commands lead to.
func (h History) Check() error {
	var wrong []error
	wrong = append(wrong, h.checkSent()...)
	instances, bad := h.byInstance()
	wrong = append(wrong, bad...)
	for _, id := range slices.Sorted(maps.Keys(instances)) {
		if err := instances[id].check(h.Model); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", id, err))
		}
	}
	if n := len(wrong); n > most {
		wrong = append(wrong[:most], fmt.Errorf("and %d more", n-most))
	}
	return errors.Join(wrong...)
}

// checkSent holds what users know against the command topic.
func (h History) checkSent() (wrong []error) {
	if h.Sent == nil {
		return nil
	}
	there := map[string]bool{}
	for _, r := range h.Commands {
		there[string(r.Value)] = true
		if _, ok := h.Sent[string(r.Value)]; !ok {
			wrong = append(wrong, fmt.Errorf("nobody sent %s", r.Value))
		}
	}
	for value, acknowledged := range h.Sent {
		if acknowledged && !there[value] {
			wrong = append(wrong, fmt.Errorf("acknowledged but lost: %s", value))
		}
	}
	return wrong
}

// place is that of a command.
type place struct {
	partition int32
	offset    int64
}

// byInstance sorts the topics.
func (h History) byInstance() (map[string]*life, []error) {
	var wrong []error
	instances := map[string]*life{}
	dead := map[place][]ebb.Record{}
	for _, r := range h.Dead {
		at := place{r.Partition, r.Offset}
		dead[at] = append(dead[at], r)
	}
	for _, r := range h.Commands {
		at := place{r.Partition, r.Offset}
		letters := dead[at]
		delete(dead, at)
		if len(letters) > 1 {
			wrong = append(wrong, fmt.Errorf("command %v is dead %d times", at, len(letters)))
		}
		if len(letters) > 0 {
			if first := letters[0]; !bytes.Equal(first.Value, r.Value) {
				wrong = append(wrong, fmt.Errorf("command %v is %q, and the dead letter (%s) is of %q", at, r.Value, first.Header("reason"), first.Value))
			}
			continue // and must have no other answer, which the counts tell
		}
		m, err := ebb.ParseMessage(r.Value)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("command %v is none, but not dead", at))
			continue
		}
		id := strings.ToLower(m.String(ebb.FieldID))
		if instances[id] == nil {
			instances[id] = &life{partition: r.Partition}
		}
		instances[id].commands = append(instances[id].commands, m)
	}
	for at, letters := range dead {
		wrong = append(wrong, fmt.Errorf("%d dead letters of %v, where no command is", len(letters), at))
	}
	file := func(what string, records []ebb.Record, list func(*life) *[]ebb.Message) {
		for _, r := range records {
			m, err := ebb.ParseMessage(r.Value)
			l := instances[string(r.Key)]
			switch {
			case err != nil:
				wrong = append(wrong, fmt.Errorf("%s %d/%d: %w", what, r.Partition, r.Offset, err))
			case l == nil || m.String(ebb.FieldID) != string(r.Key) || l.partition != r.Partition:
				wrong = append(wrong, fmt.Errorf("%s %d/%d is of no instance there: key %q, _id %s", what, r.Partition, r.Offset, r.Key, m[ebb.FieldID]))
			default:
				*list(l) = append(*list(l), m)
			}
		}
	}
	file("event", h.Events, func(l *life) *[]ebb.Message { return &l.events })
	file("reply", h.Replies, func(l *life) *[]ebb.Message { return &l.replies })
	file("state", h.States, func(l *life) *[]ebb.Message { return &l.states })
	return instances, wrong
}
