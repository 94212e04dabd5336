package aggregate

import (
	"maps"

	"github.com/ebb-events/ebb"
)

// Fields that only a full event has.
const (
	fieldBefore = "_before"
	fieldAfter  = "_after"
)

// fullEvent is c's event with the states around it, without _jwt, which the
// event has. Before the first there is nothing but _id and _type.
func fullEvent(before ebb.Message, cmd Command, c *change) []byte {
	event, _ := ebb.ParseMessage(c.event) // of our own writing
	after, _ := ebb.ParseMessage(c.state)
	delete(after, ebb.FieldJWT)
	before = maps.Clone(before)
	for field := range before {
		if field == ebb.FieldJWT || !cmd.Exists && field != ebb.FieldID && field != ebb.FieldType {
			delete(before, field)
		}
	}
	event.Set(fieldBefore, before)
	event.Set(fieldAfter, after)
	return event.JSON()
}
