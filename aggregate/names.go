package aggregate

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// decodeExact is decode, but a field whose json tag differs from a name by
// capitals only is not taken for it. Who checks commands, a JSON Schema to
// begin with, knows names as they are written.
func decodeExact(b []byte, v any) error {
	t := reflect.TypeOf(v)
	if t != nil && suspicious(b, tagsOf(t)) {
		b = exact(b, t)
	}
	return decode(b, v)
}

// tags are the names that json tags give somewhere in a type, by what they are
// in small letters: "" if that is more than one.
type tags map[string]string

var allTags sync.Map // by reflect.Type

func tagsOf(t reflect.Type) tags {
	if known, ok := allTags.Load(t); ok {
		return known.(tags)
	}
	names, seen := tags{}, map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		if seen[t] {
			return
		}
		seen[t] = true
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			walk(t.Elem())
		case reflect.Struct:
			for i := range t.NumField() {
				if name := tag(t.Field(i)); name != "" {
					small := strings.ToLower(name)
					if other, ok := names[small]; ok && other != name {
						name = ""
					}
					names[small] = name
				}
				walk(t.Field(i).Type)
			}
		}
	}
	walk(t)
	allTags.Store(t, names)
	return names
}

// tag returns the name that a field's json tag gives it, if any.
func tag(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// suspicious tells whether JSON has a name that could be taken for another.
func suspicious(b []byte, names tags) bool {
	if len(names) == 0 {
		return false
	}
	for i := 0; i < len(b); i++ {
		if b[i] != '"' {
			continue
		}
		start, odd := i+1, false
		for i++; i < len(b) && b[i] != '"'; i++ {
			odd = odd || b[i] == '\\' || b[i] >= 0x80
			if b[i] == '\\' {
				i++
			}
		}
		if i >= len(b) || !isName(b[i+1:]) {
			continue
		}
		name := string(b[start:i])
		if known, ok := names[strings.ToLower(name)]; odd || ok && known != name {
			return true
		}
	}
	return false
}

// isName tells whether the string before rest is a name.
func isName(rest []byte) bool {
	for _, c := range rest {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c == ':'
		}
	}
	return false
}

// exact returns the JSON of a t without the names that are almost those of its
// fields.
func exact(b []byte, t reflect.Type) []byte {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return b
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return exactList(b, t)
	case reflect.Map, reflect.Struct:
		return exactObject(b, t)
	}
	return b
}

func exactList(b []byte, t reflect.Type) []byte {
	var list []json.RawMessage
	if json.Unmarshal(b, &list) != nil || list == nil {
		return b
	}
	for i, one := range list {
		list[i] = exact(one, t.Elem())
	}
	return encoded(b, list)
}

func exactObject(b []byte, t reflect.Type) []byte {
	var object map[string]json.RawMessage
	if json.Unmarshal(b, &object) != nil || object == nil {
		return b
	}
	if t.Kind() == reflect.Map {
		for name, one := range object {
			object[name] = exact(one, t.Elem())
		}
		return encoded(b, object)
	}
	fields := reflect.VisibleFields(t)
	for name, one := range object {
		is := func(f reflect.StructField) bool { return tag(f) == name }
		almost := func(f reflect.StructField) bool { return tag(f) != "" && strings.EqualFold(tag(f), name) }
		if i := slices.IndexFunc(fields, is); i >= 0 {
			object[name] = exact(one, fields[i].Type)
		} else if slices.ContainsFunc(fields, almost) {
			delete(object, name)
		}
	}
	return encoded(b, object)
}

// encoded is v's JSON, b if it has none.
func encoded(b []byte, v any) []byte {
	if out, err := json.Marshal(v); err == nil {
		return out
	}
	return b
}
