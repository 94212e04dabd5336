package aggregate

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/ebb-events/ebb"
)

// FuzzPatch has any operations done to any state: nothing panics, the state
// that there was stays as it was, and what comes out is one that can be stored.
// The operations from one state to another, as an event has them, lead there.
func FuzzPatch(f *testing.F) {
	f.Add(`{"a":{"":1},"l":[1,[2]]}`, `{"a":{"b":null},"l":[]}`, `[{"op":"move","from":"/a/","path":"/a/b"},{"op":"copy","from":"/l","path":"/l/1/-"}]`)
	f.Add(`{"a/b":{"~":[{}]}}`, `{"a/b":{"~":[{"x":1e400},2]}}`, `[{"op":"remove","path":"/a~1b/~0/0"},{"op":"test","path":"/a~1b","value":{"~":[]}}]`)
	f.Add(`{}`, `{"_acl":{},"x":[[[]]]}`, `[{"op":"add","path":"/_acl","value":{}},{"op":"replace","path":"/_seq","value":1}]`)
	f.Fuzz(func(t *testing.T, from, to, ops string) {
		var a, b tree
		if len(from)+len(to)+len(ops) > 10_000 || decode([]byte(from), &a) != nil || decode([]byte(to), &b) != nil || a == nil || b == nil ||
			max(height(a), height(b)) > maxDepth {
			return
		}
		unreserved(a)
		unreserved(b)
		before := clone(a)
		cmd := func(ops string) Command { return Command{fields: ebb.Message{ebb.FieldOps: json.RawMessage(ops)}} }
		if json.Valid([]byte(ops)) {
			got, err := applyPatch(t.Context(), a, cmd(ops), 100_000)
			if _, ok := err.(rejection); err != nil && !ok {
				t.Errorf("got %v, want a rejection or none", err)
			}
			if err == nil && (height(got) > maxDepth || slices.ContainsFunc(slices.Collect(maps.Keys(got)), isReserved)) {
				t.Errorf("got %v", got)
			}
		}
		if !reflect.DeepEqual(before, any(a)) {
			t.Errorf("the state became %v, was %v", a, before)
		}
		list, err := diff(a, b)
		if err != nil || len(list) == 0 {
			return
		}
		m := ebb.Message{}
		m.Set(ebb.FieldOps, list)
		got, err := applyPatch(t.Context(), a, cmd(string(m[ebb.FieldOps])), 100_000)
		if err != nil || !equal(got, b) {
			t.Errorf("%s made %v of %v (%v), want %v", m[ebb.FieldOps], got, a, err, b)
		}
	})
}
