package aggregate

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/ebb-events/ebb"
)

// applyPatch returns what cmd's _ops make of base. The first operation that fails
// is the rejection, and nothing of the patch happens.
func applyPatch(ctx context.Context, base tree, cmd Command, room int) (tree, error) {
	const at = "/" + ebb.FieldOps
	var ops []operation
	raw := cmd.fields[ebb.FieldOps]
	if len(raw) == 0 || json.Unmarshal(raw, &ops) != nil || len(ops) == 0 {
		return nil, Reject(at, "TYPE", "This is a list of at least one operation.")
	}
	doc := patched{root: clone(base).(tree), room: room}
	for i, op := range ops {
		if ctx.Err() != nil {
			return nil, ctx.Err() // nobody waits for it any more
		}
		if no := doc.apply(op); no != nil {
			return nil, Reject(at+"/"+strconv.Itoa(i)+no.member, no.code, no.message)
		}
	}
	return doc.root, nil
}

// operation is one of a JSON Patch.
type operation map[string]json.RawMessage

// operationError is what is wrong with an operation, or a member of it.
type operationError struct{ member, code, message string }

var errNoPlace = &operationError{"", "PATCH", "There is no such place."}

// patched is a state that operations are done to, in place.
type patched struct {
	root tree
	room int // bytes that copies may still add
}

func (p *patched) apply(op operation) *operationError {
	path, err := op.place("path")
	if err != nil {
		return err
	}
	switch kind := op.text("op"); kind {
	case "add", "replace", "test":
		var value any
		if op["value"] == nil || decode(op["value"], &value) != nil {
			return &operationError{"", "TYPE", "An operation " + kind + " has a value."}
		}
		if kind == "test" {
			return p.test(path, value)
		}
		return p.set(path, value, kind == "add")
	case "remove":
		return p.edit(path, removed)
	case "move", "copy":
		from, err := op.place("from")
		if err != nil {
			return err
		}
		return p.carry(from, path, kind == "move")
	}
	return &operationError{"/op", "TYPE", "This is add, remove, replace, move, copy or test."}
}

// place reads a JSON pointer to what is the state's own.
func (op operation) place(member string) ([]string, *operationError) {
	path, err := ebb.ParsePointer(op.text(member))
	switch {
	case len(op[member]) == 0 || op[member][0] != '"' || err != nil:
		return nil, &operationError{"/" + member, "TYPE", "This is a JSON pointer."}
	case len(path) == 0:
		return nil, &operationError{"/" + member, "RESERVED", "The whole state is not for patches."}
	}
	if isReserved(path[0]) {
		return nil, &operationError{"/" + member, "RESERVED", "This field is not the state's."}
	}
	return path, nil
}

func (op operation) text(member string) (s string) {
	_ = json.Unmarshal(op[member], &s)
	return s
}

func (p *patched) test(path []string, want any) *operationError {
	is, err := p.get(path)
	if err == nil && !equal(is, want) {
		err = &operationError{"", "TEST", "The value is another one."}
	}
	return err
}

func (p *patched) set(path []string, value any, add bool) *operationError {
	if len(path)+height(value) > maxDepth {
		return &operationError{"", "TOO_DEEP", "This would become too deep."}
	}
	return p.edit(path, func(holder any, key string) (any, *operationError) {
		if add {
			return added(holder, key, value)
		}
		return replaced(holder, key, value)
	})
}

// carry moves or copies.
func (p *patched) carry(from, to []string, move bool) *operationError {
	value, err := p.get(from)
	switch {
	case err != nil:
		return &operationError{"/from", err.code, err.message}
	case move && len(to) > len(from) && slices.Equal(from, to[:len(from)]):
		return &operationError{"/from", "PATCH", "Nothing can be moved into itself."}
	case move:
		err = p.edit(from, removed)
	default:
		if p.room -= size(value); p.room < 0 {
			return &operationError{"", "TOO_LARGE", "This would become too large."}
		}
		value = clone(value)
	}
	if err != nil {
		return err
	}
	return p.set(to, value, true)
}

func (p *patched) get(path []string) (any, *operationError) {
	var v any = p.root
	for _, key := range path {
		var err *operationError
		if v, err = found(v, key); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// edit has f alter the object or list that holds the end of path.
func (p *patched) edit(path []string, f func(holder any, key string) (any, *operationError)) *operationError {
	_, err := edit(p.root, path, f)
	return err
}

// edit returns v altered. A list may be another one afterwards, so each is put
// into its place again.
func edit(v any, path []string, f func(any, string) (any, *operationError)) (any, *operationError) {
	if len(path) == 1 {
		return f(v, path[0])
	}
	inner, err := found(v, path[0])
	if err != nil {
		return nil, err
	}
	if inner, err = edit(inner, path[1:], f); err != nil {
		return nil, err
	}
	return replaced(v, path[0], inner)
}

// found returns what an object or a list has there.
func found(holder any, key string) (any, *operationError) {
	switch holder := holder.(type) {
	case tree:
		if v, ok := holder[key]; ok {
			return v, nil
		}
	case []any:
		if i := index(key); i >= 0 && i < len(holder) {
			return holder[i], nil
		}
	}
	return nil, errNoPlace
}

// index reads the index of a list, -1 if it is none.
func index(key string) int {
	i, err := strconv.Atoi(key)
	if err != nil || strconv.Itoa(i) != key {
		return -1
	}
	return i
}

func added(holder any, key string, value any) (any, *operationError) {
	switch holder := holder.(type) {
	case tree:
		holder[key] = value
		return holder, nil
	case []any:
		if key == "-" {
			return append(holder, value), nil
		}
		if i := index(key); i >= 0 && i <= len(holder) {
			return slices.Insert(holder, i, value), nil
		}
	}
	return nil, errNoPlace
}

func replaced(holder any, key string, value any) (any, *operationError) {
	if _, err := found(holder, key); err != nil {
		return nil, err
	}
	switch holder := holder.(type) {
	case tree:
		holder[key] = value
	case []any:
		holder[index(key)] = value
	}
	return holder, nil
}

func removed(holder any, key string) (any, *operationError) {
	if _, err := found(holder, key); err != nil {
		return nil, err
	}
	if list, ok := holder.([]any); ok {
		i := index(key)
		return slices.Delete(list, i, i+1), nil
	}
	delete(holder.(tree), key)
	return holder, nil
}
