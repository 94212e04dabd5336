package aggregate

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/ebb-events/ebb"
)

// change puts into messages that cmd led to the state kept, and what the reply
// shows of it.
func (s *service) change(cmd Command, ops []ebb.Message, kept, shown tree) *change {
	common := ebb.Message{
		ebb.FieldCorr: cmd.fields[ebb.FieldCorr],
		ebb.FieldJWT:  cmd.fields[ebb.FieldJWT],
	}
	common.Set(ebb.FieldID, cmd.ID)
	common.Set(ebb.FieldType, s.typ)
	common.Set(ebb.FieldSeq, cmd.Seq+1)
	common.Set(ebb.FieldTimestamp, time.Now().UnixMilli())

	event := maps.Clone(common)
	event.Set(ebb.FieldCommand, cmd.Name)
	event.Set(ebb.FieldOps, ops)
	if languages := cmd.fields[fieldLanguages]; !absent(languages) {
		event[fieldLanguages] = languages
	}
	return &change{
		state: with(common, kept).JSON(),
		event: event.JSON(),
		reply: s.yes(with(common, shown), cmd, ebb.Applied),
	}
}

func with(common ebb.Message, t tree) ebb.Message {
	m := maps.Clone(common)
	for field, v := range t {
		m.Set(field, v)
	}
	return m
}

// yes is the reply with the state.
func (s *service) yes(state ebb.Message, cmd Command, outcome ebb.Outcome) []byte {
	m := maps.Clone(state)
	m[ebb.FieldCorr] = cmd.fields[ebb.FieldCorr]
	m[ebb.FieldJWT] = cmd.fields[ebb.FieldJWT]
	m.Set(ebb.FieldCommand, cmd.Name)
	m.Set(ebb.FieldOutcome, outcome)
	if m[ebb.FieldTimestamp] == nil {
		m.Set(ebb.FieldTimestamp, time.Now().UnixMilli())
	}
	return m.JSON()
}

// no is the reply with the command's fields, if they have room, and what is
// wrong with them.
func (s *service) no(cmd Command, outcome ebb.Outcome, how refusal) []byte {
	m := ebb.Message{
		ebb.FieldCorr:   cmd.fields[ebb.FieldCorr],
		ebb.FieldErrors: how.errors,
	}
	m.Set(ebb.FieldID, cmd.ID)
	m.Set(ebb.FieldType, s.typ)
	m.Set(ebb.FieldOutcome, outcome)
	m.Set(ebb.FieldError, true)
	m.Set(ebb.FieldStatusCode, status[how.outcome])
	if how.outcome == ebb.Stale {
		m.Set(ebb.FieldSeq, cmd.Seq)
	}
	whole := maps.Clone(cmd.fields)
	delete(whole, ebb.FieldDeleted) // it is said of instances, not by commands
	maps.Copy(whole, m)
	if b := whole.JSON(); len(b) <= s.room() {
		return b
	}
	m.Set(ebb.FieldJWT, ebb.User{Name: cmd.User.Name})
	return m.JSON()
}

// again is the reply to a command that was answered before. Who may not read
// the instance by now is not shown it.
func (s *service) again(state ebb.Message, cmd Command, how refusal) []byte {
	if status[how.outcome] != 0 {
		return s.no(cmd, ebb.Duplicate, how)
	}
	if !ebb.ParseACL(state).Allows(cmd.User, ebb.ActionGet) {
		state = maps.Clone(state)
		maps.DeleteFunc(state, func(field string, _ json.RawMessage) bool { return !slices.Contains(technical, field) })
	}
	return s.yes(state, cmd, ebb.Duplicate)
}
