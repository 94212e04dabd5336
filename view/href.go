package view

import (
	"bytes"
	"strings"

	"github.com/ebb-events/ebb"
)

// Resolved is the field beside an href that has the state of what it names.
const Resolved = "_resolved"

// href is an object inside of a state that names another instance.
type href struct {
	end   int      // of the object, before its brace
	types []string // that it may name, the likeliest first
	id    string
}

// hrefs finds the objects of a state that have an href, in order.
func hrefs(b []byte) (found []href) {
	if !bytes.Contains(b, []byte(`"href":"`)) {
		return nil
	}
	type frame struct {
		object, isName bool
		path           string
	}
	var open []frame
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{':
			open = append(open, frame{object: true, isName: true})
		case '[':
			open = append(open, frame{})
		case '}', ']':
			f := open[len(open)-1]
			open = open[:len(open)-1]
			if h, ok := parseHref(f.path); ok && len(open) > 0 { // the state itself is no reference
				h.end = i
				found = append(found, h)
			}
		case ',':
			f := &open[len(open)-1]
			f.isName = f.object
		case '"':
			end := stringEnd(b, i)
			if f := &open[len(open)-1]; f.isName {
				f.isName = false
				if string(b[i:end]) == `"href"` && b[end+1] == '"' {
					i, end = end+1, stringEnd(b, end+1)
					f.path = unquote(b[i:end])
				}
			}
			i = end - 1
		}
	}
	return found
}

// parseHref reads /app/type/id or /app-type/id, with a context in front or not.
func parseHref(path string) (href, bool) {
	part := strings.Split(path, "/")
	n := len(part)
	if n < 3 || part[0] != "" || part[n-1] == "" {
		return href{}, false
	}
	h := href{id: strings.ToLower(part[n-1])}
	if typ := part[n-3] + "-" + part[n-2]; part[n-3] != "" && part[n-2] != "" && ebb.ValidType(typ) {
		h.types = append(h.types, typ)
	}
	if ebb.ValidType(part[n-2]) {
		h.types = append(h.types, part[n-2])
	}
	return h, len(h.types) > 0
}

// Bounds of what is resolved in one answer.
const (
	maxResolved      = 1000
	maxResolvedTypes = 8
	maxResolvedBytes = 8 << 20
)

// resolver puts states beside the hrefs to them, as long as there is room.
type resolver struct {
	q        ebb.Query
	moment   map[string]snapshot // by type
	n, bytes int
}

// resolve returns the JSON of a state with what it refers to.
func (r *resolver) resolve(i *instance) []byte {
	if r.q.Resolve == nil || len(i.hrefs) == 0 {
		return i.json
	}
	var out []byte
	done := 0
	for _, h := range i.hrefs {
		state := r.find(h)
		if state == nil {
			continue
		}
		out = append(append(append(out, i.json[done:h.end]...), `,"`+Resolved+`":`...), state...)
		done = h.end
	}
	if done == 0 {
		return i.json
	}
	return append(out, i.json[done:]...)
}

// find returns the state that an href names, nil if the user may not see it.
func (r *resolver) find(h href) []byte {
	for _, typ := range h.types {
		s, ok := r.moment[typ]
		if !ok || !r.q.Resolve(typ) {
			continue
		}
		i := s.get(h.id)
		if i == nil || !i.shows(r.q.User) {
			continue
		}
		if r.n++; r.n > maxResolved || r.bytes+len(i.json) > maxResolvedBytes {
			return nil
		}
		r.bytes += len(i.json)
		return i.json
	}
	return nil
}

// wanted adds the types that instances refer to, as long as there is room.
func wanted(types []string, found []*instance, q ebb.Query) []string {
	if q.Resolve == nil {
		return types
	}
	have := map[string]bool{}
	for _, typ := range types {
		have[typ] = true
	}
	for _, i := range found {
		for _, h := range i.hrefs {
			for _, typ := range h.types {
				if len(types) <= maxResolvedTypes && !have[typ] && q.Resolve(typ) {
					have[typ] = true
					types = append(types, typ)
				}
			}
		}
	}
	return types
}
