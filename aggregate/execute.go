package aggregate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/wI2L/jsondiff"
)

// service is a running [Type].
type service struct {
	Config
	typ      string
	unique   bool // instances are told by a unique value
	reducers map[string]reducer
	log      Log
	wanted   map[int32]bool     // partitions to restore
	held     map[int32]bool     // partitions that are in the store
	done     map[int32]position // how far their commands are executed, if that is known
	told     map[int32]bool     // that some came again
	of       int32              // number of partitions, 0 until known
	still    int                // batches in a row that were late because nothing ran

	fullEvents, breakGlass bool // as in [Type]
}

// answer is what a command leads to.
type answer struct {
	outcome ebb.Outcome
	event   []byte // nil unless applied
	full    []byte // the event with its states, nil unless wanted
	reply   []byte
	late    bool // the reducer was not back in time
}

// change is how a command alters an instance.
type change struct {
	state, event, full, reply []byte
}

// reserved is what a record may have besides its value: outcomes, at most.
const reserved = maxOutcomes*(maxErrors+20) + 1024

// room returns the most bytes of a value.
func (s *service) room() int { return s.MaxBytes - reserved }

// execute answers cmd, with limit as the time that its reducer has, and
// returns the instance as it is then.
func (s *service) execute(ctx context.Context, limit time.Duration, was instance, cmd Command) (instance, answer) {
	state, err := was.message(s.typ, cmd.ID)
	if err != nil {
		return was, answer{outcome: ebb.Failed, reply: s.no(cmd, ebb.Failed, *s.failed(cmd, err))}
	}
	cmd.Seq, _ = state.Int(ebb.FieldSeq)
	cmd.Exists = !state.Bool(ebb.FieldDeleted)

	if how, ok := was.outcomes.find(cmd.key()); ok {
		return was, answer{outcome: ebb.Duplicate, reply: s.again(state, cmd, how)}
	}
	now, a := was, answer{outcome: ebb.Applied}
	changed, no := s.attempt(ctx, limit, state, cmd)
	switch {
	case no != nil:
		a.outcome, a.reply, a.late = no.outcome, s.no(cmd, no.outcome, *no), no.late
	case changed == nil:
		a.outcome, a.reply = ebb.Unchanged, s.yes(state, cmd, ebb.Unchanged)
	default:
		now.state, a.event, a.full, a.reply = changed.state, changed.event, changed.full, changed.reply
	}
	if now.state == nil {
		now.state = state.JSON()
	}
	if no == nil {
		no = &refusal{outcome: a.outcome}
	}
	now.outcomes = was.outcomes.add(cmd.key(), *no)
	return now, a
}

// attempt returns what cmd changes, nil if nothing, or why it is refused.
func (s *service) attempt(ctx context.Context, limit time.Duration, state ebb.Message, cmd Command) (*change, *refusal) {
	if no := s.admit(state, cmd); no != nil {
		return nil, no
	}
	old, err := fields(state)
	if err != nil {
		return nil, s.failed(cmd, err)
	}
	next, err := s.call(ctx, limit, s.reducers[cmd.Name], old, cmd)
	if ctx.Err() != nil {
		return nil, nil // nobody will see it
	}
	shown := next
	switch list, ok := rejections(err); {
	case ok:
		return nil, refuse(ebb.Rejected, list...)
	case err == errDelete && !cmd.Exists:
		return nil, nil
	case err == errDelete:
		shown = maps.Clone(next)
		shown[ebb.FieldDeleted] = true
		next = tree{ebb.FieldDeleted: true}
	case err != nil:
		return nil, s.failed(cmd, err)
	}
	ops, err := diff(old, next)
	if err != nil {
		return nil, s.failed(cmd, err)
	}
	if len(ops) == 0 {
		return nil, nil
	}
	c := s.change(cmd, ops, next, shown)
	if s.fullEvents {
		c.full = fullEvent(state, cmd, c)
	}
	if max(len(c.state), len(c.event), len(c.full), len(c.reply)) > s.room() {
		return nil, refuse(ebb.Rejected, ebb.Error{Code: "TOO_LARGE", Message: "This would become too large."})
	}
	return c, nil
}

// admit says why no reducer gets to see cmd, nil if one does.
func (s *service) admit(state ebb.Message, cmd Command) *refusal {
	if s.reducers[cmd.Name] == nil {
		return refuse(ebb.Unknown, ebb.Error{Location: "/_command", Code: "UNKNOWN", Message: "There is no such command."})
	}
	if cmd.Name != patchCommand && !absent(cmd.fields[ebb.FieldOps]) {
		return refuse(ebb.Rejected, ebb.Error{Location: "/_ops", Code: "OPS", Message: "Only patch may carry this."})
	}
	if !ebb.ParseACL(state).Allows(cmd.User, cmd.Name) && !s.breaksGlass(cmd) {
		return refuse(ebb.Forbidden, ebb.Error{Code: "FORBIDDEN", Message: "You may not do this."})
	}
	seq, whole := cmd.fields.Int(ebb.FieldSeq)
	switch given := cmd.fields[ebb.FieldSeq]; {
	case given == nil || string(given) == "null":
		return nil
	case !whole:
		return refuse(ebb.Rejected, ebb.Error{Location: "/_seq", Code: "TYPE", Message: "This is not a whole number."})
	case seq != cmd.Seq:
		return refuse(ebb.Stale, ebb.Error{Location: "/_seq", Code: "STALE", Message: "It has changed meanwhile."})
	}
	return nil
}

// failed logs what went wrong, which is not for the sender.
func (s *service) failed(cmd Command, err error) *refusal {
	s.Logger.Error("command failed", "command", cmd.Name, "id", cmd.ID, "corr", cmd.Corr, "err", err)
	if errors.Is(err, context.DeadlineExceeded) {
		no := refuse(ebb.Failed, ebb.Error{Code: "FAILED", Message: "This took too long."})
		no.late = true
		return no
	}
	return refuse(ebb.Failed, ebb.Error{Code: "FAILED", Message: "Something went wrong."})
}

// fields returns a state's tree, without the technical fields.
func fields(state ebb.Message) (tree, error) {
	t := tree{}
	if seq, _ := state.Int(ebb.FieldSeq); seq < 0 {
		return t, nil // there was nothing to delete
	}
	if err := decode(state.JSON(), &t); err != nil {
		return nil, fmt.Errorf("reading the state: %w", err)
	}
	for _, field := range technical {
		delete(t, field)
	}
	return t, nil
}

// diff returns the JSON Patch from old to next.
func diff(old, next tree) (ops []ebb.Message, err error) {
	patch, err := jsondiff.CompareWithoutMarshal(old, next)
	for _, op := range patch {
		m := ebb.Message{}
		m.Set("op", op.Type)
		m.Set("path", op.Path)
		if op.Type != jsondiff.OperationRemove {
			m.Set("value", op.Value)
		}
		ops = append(ops, m)
	}
	return ops, err
}
