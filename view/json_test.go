package view

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"

	"github.com/ebb-events/ebb"
)

// FuzzState: whatever a state holds, it can be searched, and resolved into
// what is still JSON.
func FuzzState(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,{"b":"c\"}]"},[]],"":{"":null},"x":{"href":"/board/task/7","y":[{"href":"/board/task/8"}]}}`,
		`{"a~b":{"c/d":[[["\\",-1.5e9,true]]]},"\u0061":0}`,
		`{"href":"\u002fa/b/c","x":{"href":"/a\\/b-c/\"d","href2":1,"z":{}}}`,
	} {
		f.Add(seed, "/x/y/0/href")
	}
	f.Fuzz(func(t *testing.T, text, pointer string) {
		m, err := ebb.ParseMessage([]byte(text))
		at, err2 := ebb.ParsePointer(pointer)
		if err != nil || err2 != nil {
			return
		}
		state := m.JSON()
		if want := slowFind(state, at); !bytes.Equal(find(state, at), want) {
			t.Errorf("%q of %s is %s, want %s", pointer, state, find(state, at), want)
		}
		holds(state, []ebb.Condition{{At: at, Value: "x"}})

		other := &instance{id: "other", json: []byte(`{"_seq":0}`)}
		var all ordered
		r := resolver{q: ebb.Query{Resolve: func(string) bool { return true }}, moment: map[string]snapshot{}}
		found := hrefs(state)
		for _, h := range found {
			all.put(&instance{id: h.id, json: other.json})
			for _, typ := range h.types {
				r.moment[typ] = nil
			}
		}
		for typ := range r.moment {
			r.moment[typ] = all.snapshot()
		}
		got := r.resolve(&instance{json: state, hrefs: found})
		if !json.Valid(got) || len(got) != len(state)+len(found)*len(`,"_resolved":{"_seq":0}`) {
			t.Errorf("%s became %s", state, got)
		}
	})
}

// slowFind is find by encoding/json, for objects without a name twice.
func slowFind(b []byte, at ebb.Pointer) []byte {
	for i, name := range at {
		var object map[string]json.RawMessage
		var list []json.RawMessage
		switch {
		case b[0] == '{' && json.Unmarshal(b, &object) == nil:
			if len(object) != len(members(b)) {
				return find(b, at[i:]) // which of the two counts is nobody's business
			}
			b = object[name]
		case b[0] == '[' && json.Unmarshal(b, &list) == nil:
			n, err := strconv.Atoi(name)
			if err != nil || n < 0 || n >= len(list) || name != strconv.Itoa(n) {
				return nil
			}
			b = list[n]
		default:
			return nil
		}
		if b == nil {
			return nil
		}
	}
	return b
}

// members are the names of an object, as they are.
func members(b []byte) (names []string) {
	d := json.NewDecoder(bytes.NewReader(b))
	depth, name := 0, true
	for {
		tok, err := d.Token()
		if err != nil {
			return names
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
			continue
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 1 {
			if name {
				names = append(names, tok.(string))
			}
			name = !name
		}
	}
}
