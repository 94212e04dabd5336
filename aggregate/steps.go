package aggregate

import (
	"context"
	"fmt"
	"reflect"

	"github.com/ebb-events/ebb"
)

// steps returns, for every command, what is done with it: the command's
// schema, the validator, the reducer, the state's schema. A patch may add room
// bytes by copying.
func (t Type[T]) steps(room int) (map[string]reducer, error) {
	if len(t.On) == 0 {
		return nil, fmt.Errorf("aggregate: %s has no reducers", t.Name)
	}
	state, err := compile(t.Schema)
	if err != nil {
		return nil, fmt.Errorf("aggregate: %s: schema of the state: %w", t.Name, err)
	}
	for name := range t.Schemas {
		if t.On[name] == nil {
			return nil, fmt.Errorf("aggregate: %s: there is a schema of command %q, but no reducer", t.Name, name)
		}
		if t.Schemas[name] == "" {
			return nil, fmt.Errorf("aggregate: %s: schema of command %q is empty", t.Name, name)
		}
	}
	steps := make(map[string]reducer, len(t.On))
	for name, f := range t.On {
		if name == "" || name == ebb.ActionGet || name == ebb.ActionWrite || f == nil {
			return nil, fmt.Errorf("aggregate: %s: command %q needs a reducer and another name than get and write", t.Name, name)
		}
		command, err := compile(t.Schemas[name])
		if err != nil {
			return nil, fmt.Errorf("aggregate: %s: schema of command %q: %w", t.Name, name, err)
		}
		steps[name] = schemed(command, untyped(t.checked(f), room), state)
	}
	return steps, nil
}

// checked returns f behind the validator.
func (t Type[T]) checked(f Reducer[T]) Reducer[T] {
	if t.Check == nil {
		return f
	}
	return func(ctx context.Context, state T, cmd Command) (T, error) {
		if err := t.Check(ctx, state, cmd); err != nil {
			return state, err
		}
		return f(ctx, state, cmd)
	}
}

// schemed returns f between two schemas, either of which may be nil.
func schemed(command *schema, f reducer, state *schema) reducer {
	return func(ctx context.Context, stored tree, cmd Command) (tree, error) {
		if command != nil {
			fields, err := cmd.tree()
			if err == nil {
				err = command.check(fields)
			}
			if err != nil {
				return nil, err
			}
		}
		next, err := f(ctx, stored, cmd)
		if err != nil || state == nil || reflect.DeepEqual(next, stored) {
			return next, err
		}
		return next, state.check(next)
	}
}
