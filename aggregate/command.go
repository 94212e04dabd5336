package aggregate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ebb-events/ebb"
)

// Command is what somebody wants done with an instance.
type Command struct {
	ID     string    // of the instance
	Name   string    // selects the reducer
	Corr   string    // correlates the answer
	User   ebb.User  // who sent it
	Time   time.Time // when it came in; the same however often it is executed
	Exists bool      // whether there is such an instance, not a deleted one
	Seq    int64     // number of the instance's last event, -1 if it had none
	Cause  string    // the event that a [Reactor] sent it for; empty if none did

	value  []byte
	fields ebb.Message
}

// Decode puts the command's fields into v, as [json.Unmarshal] does, but keeps
// numbers in untyped parts as they are. Its error is a rejection that names
// the field by its JSON tag.
func (c Command) Decode(v any) error {
	err := decode(c.value, v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at := ""
		if wrong.Field != "" {
			at = "/" + strings.ReplaceAll(wrong.Field, ".", "/")
		}
		return Reject(at, "TYPE", fmt.Sprintf("This cannot be a %s.", wrong.Value))
	}
	if err != nil {
		return Reject("", "FORMAT", "The command cannot be read.")
	}
	return nil
}

func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(v)
}

// Limits of what can be a command.
const (
	maxDepth = 64
	maxName  = 1024 // bytes of an id, a correlation id, a user's name
)

// parse reads a command, or says why it is none.
func parse(r ebb.Record) (c Command, reason string) {
	if depth(r.Value) > maxDepth {
		return c, "nested too deeply"
	}
	m, err := ebb.ParseMessage(r.Value)
	if err != nil || !utf8.Valid(r.Value) {
		return c, "not a JSON object"
	}
	millis, _ := m.Int(ebb.FieldTimestamp)
	c = Command{
		ID:     strings.ToLower(m.String(ebb.FieldID)),
		Name:   m.String(ebb.FieldCommand),
		Corr:   m.String(ebb.FieldCorr),
		User:   m.User(),
		Time:   time.UnixMilli(millis),
		Cause:  string(r.Header(headerCause)),
		value:  r.Value,
		fields: m,
	}
	switch {
	case c.ID == "":
		return c, "no _id"
	case c.Corr == "":
		return c, "no _corr"
	case c.User.Name == "":
		return c, "no _jwt.sub"
	case max(len(c.ID), len(c.Corr), len(c.User.Name)) > maxName:
		return c, "_id, _corr or _jwt.sub too long"
	}
	return c, ""
}

// depth returns how deeply arrays and objects are nested in JSON.
func depth(b []byte) (deepest int) {
	for i, d := 0, 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			d++
			deepest = max(deepest, d)
		case '}', ']':
			d--
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		}
	}
	return deepest
}
