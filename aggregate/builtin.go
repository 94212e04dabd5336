package aggregate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/ebb-events/ebb"
)

// Put is the reducer by which a command's own fields become the state. A
// stored _acl and _subscriptions stay, unless the command carries its own.
// Others may end with a call of it.
func Put[T any](_ context.Context, state T, _ Command) (T, error) { return state, errPut }

// Patch is the reducer that does to the state what the command's _ops say, a
// JSON Patch (RFC 6902). Only a command called patch may carry _ops. Others may
// end with a call of it: their changes come first.
func Patch[T any](_ context.Context, state T, _ Command) (T, error) { return state, errPatch }

// Delete is the reducer that deletes. Others may end with a call of it.
// The reply shows the state as it was, so that its subscribers hear of it.
func Delete[T any](_ context.Context, state T, _ Command) (T, error) { return state, errDelete }

// What the reducers above ask for. It is done on JSON, so that fields that the
// Go type does not know are there too, and numbers stay as they were written.
var (
	errPut    = errors.New("put")
	errPatch  = errors.New("patch")
	errDelete = errors.New("delete")
)

// patchCommand is the only command that may carry _ops.
const patchCommand = "patch"

// isReserved tells whether a field at the top is no field of a state: it begins
// with an underscore, and is neither _acl nor _subscriptions.
func isReserved(field string) bool {
	return strings.HasPrefix(field, "_") && field != ebb.FieldACL && field != ebb.FieldSubscriptions
}

// unreserved removes the fields that are no state's.
func unreserved(t tree) tree {
	maps.DeleteFunc(t, func(field string, _ any) bool { return isReserved(field) })
	return t
}

// applyPut returns cmd's own fields as a state that follows base.
func applyPut(base tree, cmd Command) (tree, error) {
	next, err := cmd.tree()
	if err != nil {
		return nil, err
	}
	unreserved(next)
	for _, field := range []string{ebb.FieldACL, ebb.FieldSubscriptions} {
		if _, given := next[field]; !given && base[field] != nil {
			next[field] = base[field]
		}
		if next[field] == nil {
			delete(next, field)
		}
	}
	return next, nil
}

// tree returns all fields of the command.
func (c Command) tree() (t tree, err error) {
	if err := decode(c.value, &t); err != nil {
		return nil, Reject("", "FORMAT", "The command cannot be read.")
	}
	return t, nil
}

// fit says where t is no state of type T. Nobody could go on from it.
func fit[T any](t tree) error {
	if !validACL(t[ebb.FieldACL]) {
		return Reject("/"+ebb.FieldACL, "TYPE", "This is an object with lists of roles and users.")
	}
	if !validSubscriptions(t[ebb.FieldSubscriptions]) {
		return Reject("/"+ebb.FieldSubscriptions, "TYPE", "This is a list of users.")
	}
	b, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	var state T
	return misfit(decodeExact(b, &state), "This cannot be read.")
}

func validACL(v any) bool {
	acl, ok := v.(tree)
	for _, who := range acl {
		list, isList := who.([]any)
		ok = ok && isList
		for _, one := range list {
			_, isName := one.(string)
			ok = ok && isName
		}
	}
	return ok || v == nil
}

// validSubscriptions allows names, and objects with one in their sub.
func validSubscriptions(v any) bool {
	list, ok := v.([]any)
	for _, one := range list {
		if object, isObject := one.(tree); isObject {
			one = object["sub"]
		}
		_, isName := one.(string)
		ok = ok && isName
	}
	return ok || v == nil
}

// misfit returns the rejection for an error of decoding, nil for none.
func misfit(err error, message string) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at := ""
		if wrong.Field != "" {
			at = "/" + strings.ReplaceAll(wrong.Field, ".", "/")
		}
		return Reject(at, "TYPE", fmt.Sprintf("This cannot be a %s.", wrong.Value))
	}
	if err != nil {
		return Reject("", "FORMAT", message)
	}
	return nil
}
