package aggregate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"time"

	"github.com/ebb-events/ebb"
)

// tree is a JSON object, its numbers as they were written. It is never altered.
type tree = map[string]any

// technical are the fields that are not part of a state.
var technical = []string{
	ebb.FieldCommand, ebb.FieldCorr, ebb.FieldID, ebb.FieldJWT, ebb.FieldSeq,
	ebb.FieldTimestamp, ebb.FieldType, fieldLanguages, "_test",
}

// fieldLanguages is in which languages a sender likes to be told, best first.
// It goes from the command to the event.
const fieldLanguages = "_languages"

// reducer is a [Reducer] on JSON. With errDelete it returns the state too.
type reducer func(ctx context.Context, state tree, cmd Command) (tree, error)

// untyped returns f as a reducer on JSON. room is the most bytes that a patch
// may add by copying.
func untyped[T any](f Reducer[T], room int) reducer {
	return func(ctx context.Context, stored tree, cmd Command) (tree, error) {
		var state T
		var before, after tree
		if cmd.Exists {
			b, err := json.Marshal(stored)
			if err == nil {
				err = decodeExact(b, &state)
			}
			if err == nil {
				before, err = treeOf(state) // now, for f may alter what state points to
			}
			if err != nil {
				return nil, fmt.Errorf("reading the state: %w", err)
			}
		}
		state, verdict := f(ctx, state, cmd)
		if verdict != nil && verdict != errDelete && verdict != errPut && verdict != errPatch {
			return nil, verdict
		}
		after, err := treeOf(state)
		if err != nil {
			return nil, fmt.Errorf("writing the state: %w", err)
		}
		switch {
		case cmd.Exists:
			after = merge(stored, unreserved(before), unreserved(after)).(tree)
		case verdict == errPatch: // of what f set, not of zero values
			var none T
			before, _ = treeOf(none)
			after = merge(tree{}, before, unreserved(after)).(tree)
		default:
			unreserved(after)
		}
		switch verdict {
		case errPut:
			after, verdict = applyPut(after, cmd)
		case errPatch:
			after, verdict = applyPatch(ctx, after, cmd, room)
		default:
			return after, verdict
		}
		if verdict == nil {
			verdict = fit[T](after)
		}
		return after, verdict
	}
}

func treeOf(v any) (tree, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	t := tree{}
	if err := decode(b, &t); err != nil {
		return nil, err
	}
	if t == nil {
		return tree{}, nil // null
	}
	return t, nil
}

// merge does to whole what leads from before to after. What only whole has, it
// keeps.
func merge(whole, before, after any) any {
	if reflect.DeepEqual(before, after) {
		return whole
	}
	w, ok1 := whole.(tree)
	b, ok2 := before.(tree)
	a, ok3 := after.(tree)
	if !ok1 || !ok2 || !ok3 {
		return after
	}
	merged := maps.Clone(w)
	for k := range b {
		if _, ok := a[k]; !ok {
			delete(merged, k)
		}
	}
	for k, v := range a {
		was, had := b[k]
		have, stored := w[k]
		switch {
		case had && stored:
			merged[k] = merge(have, was, v)
		case !had || !reflect.DeepEqual(was, v):
			merged[k] = v
		}
	}
	return merged
}

// call runs f until its deadline.
func (s *service) call(ctx context.Context, limit time.Duration, f reducer, state tree, cmd Command) (tree, error) {
	return guard(ctx, limit, s.Metrics.Abandoned, func(ctx context.Context) (tree, error) { return f(ctx, state, cmd) })
}
