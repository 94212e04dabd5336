package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/ebb-events/ebb"
)

// technical are the fields of states and replies that are not the state's.
var technical = []string{
	ebb.FieldCommand, ebb.FieldCorr, ebb.FieldID, ebb.FieldJWT, ebb.FieldSeq, ebb.FieldTimestamp, ebb.FieldType, ebb.FieldOutcome,
}

// sameState compares what a state record or a reply shows.
func sameState(m ebb.Message, want Instance) error {
	state := map[string]any{}
	if err := decode(m.JSON(), &state); err != nil {
		return err
	}
	for _, field := range technical {
		delete(state, field)
	}
	if want.Seq < 0 {
		delete(state, ebb.FieldDeleted) // what was never there counts as deleted
	}
	if !reflect.DeepEqual(state, want.State) {
		return fmt.Errorf("state is %v, its events lead to %v", state, want.State)
	}
	return nil
}

// patch applies a JSON Patch that only adds, replaces and removes in objects.
func patch(state map[string]any, ops []byte) error {
	var list []struct {
		Op, Path string
		Value    any
	}
	if err := decode(ops, &list); err != nil {
		return err
	}
	for _, op := range list {
		at := state
		path := strings.Split(op.Path, "/")[1:]
		if len(path) == 0 {
			return fmt.Errorf("cannot %s everything", op.Op)
		}
		for i, field := range path {
			path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(field)
		}
		for _, field := range path[:len(path)-1] {
			at, _ = at[field].(map[string]any)
		}
		last := path[len(path)-1]
		if was, ok := at[last]; at == nil || (op.Op == "add") == ok {
			return fmt.Errorf("cannot %s %s (%v)", op.Op, op.Path, was)
		}
		if op.Op == "remove" {
			delete(at, last)
		} else {
			at[last] = op.Value
		}
	}
	return nil
}

// copyOf copies objects. Nothing else is ever altered.
func copyOf(v any) any {
	object, ok := v.(map[string]any)
	if !ok {
		return v
	}
	object = maps.Clone(object)
	for field, v := range object {
		object[field] = copyOf(v)
	}
	return object
}

// decode keeps numbers as they were written.
func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(v)
}
