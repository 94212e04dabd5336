package aggregate

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ebb-events/ebb"
)

// Event is what a command changed in an instance.
type Event struct {
	Type string    // of the instance
	ID   string    // of the instance
	Name string    // of the command
	Corr string    // of the command
	User ebb.User  // who sent the command
	Seq  int64     // number of the event, from 0 on
	Time time.Time // when the command was executed
	Ops  []Op      // what leads from the state before to the one after

	fields ebb.Message
}

// Op is a step of a JSON Patch (RFC 6902).
type Op struct {
	Op    string          `json:"op"` // add, replace or remove
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"`
}

// Changed tells whether what a JSON pointer points to has changed, or a part
// of it, or what it is a part of.
func (e Event) Changed(pointer string) bool {
	for _, op := range e.Ops {
		if within(op.Path, pointer) || within(pointer, op.Path) {
			return true
		}
	}
	return false
}

// within tells whether a JSON pointer points into what another points to.
func within(inner, outer string) bool {
	rest, ok := strings.CutPrefix(inner, outer)
	return ok && (rest == "" || rest[0] == '/')
}

// Before puts the state before the event into v. It is an error where events
// come without it: only types with FullEvents write it, to a topic of its own.
func (e Event) Before(v any) error { return e.state("_before", v) }

// After puts the state after the event into v. It is an error where events
// come without it, as with Before.
func (e Event) After(v any) error { return e.state("_after", v) }

func (e Event) state(field string, v any) error {
	raw, ok := e.fields[field]
	if !ok {
		return fmt.Errorf("the event has no %s: read the topic event-full, of a type with FullEvents", field)
	}
	return decode(raw, v)
}

// parseEvent reads an event, or says why it is none.
func parseEvent(r ebb.Record) (e Event, reason string) {
	if depth(r.Value) > 2*maxDepth {
		return e, "nested too deeply"
	}
	m, err := ebb.ParseMessage(r.Value)
	if err != nil {
		return e, "not a JSON object"
	}
	millis, _ := m.Int(ebb.FieldTimestamp)
	e = Event{
		Type: m.String(ebb.FieldType),
		ID:   m.String(ebb.FieldID),
		Name: m.String(ebb.FieldCommand),
		Corr: m.String(ebb.FieldCorr),
		User: m.User(),
		Time: time.UnixMilli(millis),

		fields: m,
	}
	var whole bool
	if e.Seq, whole = m.Int(ebb.FieldSeq); !whole {
		return e, "no _seq"
	}
	switch err := json.Unmarshal(m[ebb.FieldOps], &e.Ops); {
	case e.Type == "":
		return e, "no _type"
	case e.ID == "":
		return e, "no _id"
	case err != nil:
		return e, "no _ops"
	}
	return e, ""
}

// Send is a command for an instance of another type.
type Send struct {
	Type    string // <app>-<type>
	ID      string // of the instance
	Command string // its name
	Fields  any    // the command's own, and _seq or _ops: a struct or a map; none if nil
}

// headerCause is a command's header that names what it was sent for.
const headerCause = "ebb-cause"

// command is the record of s, the nth that reactor sends for e.
func (s Send) command(e Event, reactor string, n int, environment string) (ebb.Record, error) {
	id := strings.ToLower(s.ID)
	if !ebb.ValidType(s.Type) || id == "" || s.Command == "" || len(id) > maxName {
		return ebb.Record{}, fmt.Errorf("it sends command %q to %q %q: want a name, <app>-<type> and an id of at most %d bytes", s.Command, s.Type, s.ID, maxName)
	}
	m := ebb.Message{}
	if s.Fields != nil {
		b, err := json.Marshal(s.Fields)
		if err != nil {
			return ebb.Record{}, fmt.Errorf("the fields of command %q: %w", s.Command, err)
		}
		if m, err = ebb.ParseMessage(b); err != nil {
			return ebb.Record{}, fmt.Errorf("the fields of command %q are no JSON object", s.Command)
		}
	}
	if e.Corr == "" || e.User.Name == "" {
		return ebb.Record{}, errors.New("the event has no _corr or no _jwt.sub")
	}
	m.Set(ebb.FieldID, id)
	m.Set(ebb.FieldType, s.Type)
	m.Set(ebb.FieldCommand, s.Command)
	m.Set(ebb.FieldTimestamp, time.Now().UnixMilli())
	m[ebb.FieldCorr], m[ebb.FieldJWT] = e.fields[ebb.FieldCorr], e.fields[ebb.FieldJWT]
	return ebb.Record{
		Topic: ebb.Topic(s.Type, ebb.Commands, environment), Partition: -1,
		Key: []byte(id), Value: m.JSON(),
		Headers: []ebb.Header{{Key: headerCause, Value: fmt.Appendf(nil, "%s/%s/%d/%s/%d", e.Type, e.ID, e.Seq, reactor, n)}},
	}, nil
}
