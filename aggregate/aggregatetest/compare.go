package aggregatetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/ebb-events/ebb"
)

// compare says how a result differs from what s expects, and writes s as it
// would be right.
func (s *statement) compare(r result) (differences []string, fresh string, err error) {
	switch s.word {
	case "event":
		return s.whole(none(r.event, func(m ebb.Message) []byte { return m[ebb.FieldOps] }))
	case "state":
		return s.whole(none(r.state, func(m ebb.Message) []byte { return own(m).JSON() }))
	}
	want, text := cut(s.rest)
	if got := outcome(r); got != want {
		return []string{"got  " + told(r), "want " + s.rest}, written("then", told(r)), nil
	}
	switch {
	case text == "":
	case text[0] == '{' && r.reply != nil:
		return s.named(r.reply, want, text)
	case text[0] == '[' && r.reply != nil:
		return s.errors(r, text)
	default:
		if got := told(r); got != s.rest {
			return []string{"got  " + got, "want " + s.rest}, written("then", got), nil
		}
	}
	return nil, "", nil
}

// none is the JSON of a message, or the word none for no message.
func none(m ebb.Message, of func(ebb.Message) []byte) string {
	if m == nil {
		return "none"
	}
	return string(of(m))
}

// whole compares all of s with got.
func (s *statement) whole(got string) (differences []string, fresh string, err error) {
	if got == "none" || s.rest == "none" {
		if got != s.rest {
			differences = []string{"got  " + shown(got), "want " + s.rest}
		}
		return differences, written(s.word, shown(got)), nil
	}
	w, err := value(s.rest)
	if err != nil {
		return nil, "", err
	}
	g, err := value(got)
	if err != nil {
		return nil, "", err
	}
	return differ("", g, w), written(s.word, shown(got)), nil
}

// named compares the fields that s names.
func (s *statement) named(got ebb.Message, outcome, text string) (differences []string, fresh string, err error) {
	want, err := ebb.ParseMessage([]byte(text))
	if err != nil {
		return nil, "", err
	}
	right := ebb.Message{}
	for _, field := range slices.Sorted(maps.Keys(want)) {
		w, err := value(string(want[field]))
		if err != nil {
			return nil, "", err
		}
		g, err := value(cmpOr(string(got[field]), "null"))
		if err != nil {
			return nil, "", err
		}
		differences = append(differences, differ("/"+field, g, w)...)
		right.Set(field, g)
	}
	return differences, written("then", outcome+" "+spaced(right.JSON())), nil
}

// errors compares the errors of an answer, of each the members that s names.
func (s *statement) errors(r result, text string) (differences []string, fresh string, err error) {
	fresh = written("then", told(r))
	var want, got []map[string]any
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		return nil, "", err
	}
	if raw := r.reply[ebb.FieldErrors]; raw != nil {
		if err := json.Unmarshal(raw, &got); err != nil {
			return nil, "", err
		}
	}
	if len(got) != len(want) {
		return []string{"got  " + told(r), "want " + s.rest}, fresh, nil
	}
	for i := range want {
		for _, member := range slices.Sorted(maps.Keys(want[i])) {
			differences = append(differences, differ(fmt.Sprintf("error %d, %s", i, member), got[i][member], want[i][member])...)
		}
	}
	return differences, fresh, nil
}

// differ lists the places where got is not want.
func differ(at string, got, want any) (differences []string) {
	g, ok1 := got.(map[string]any)
	w, ok2 := want.(map[string]any)
	if !ok1 || !ok2 {
		if reflect.DeepEqual(got, want) {
			return nil
		}
		return []string{fmt.Sprintf("%s: got %s, want %s", cmpOr(at, "/"), text(got), text(want))}
	}
	names := maps.Clone(g)
	maps.Copy(names, w)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		differences = append(differences, differ(at+"/"+name, g[name], w[name])...)
	}
	return differences
}

func cmpOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// own are the fields that make a state: its own, and who may do and hears what.
func own(m ebb.Message) ebb.Message {
	own := maps.Clone(m)
	maps.DeleteFunc(own, func(field string, _ json.RawMessage) bool {
		return strings.HasPrefix(field, "_") && field != ebb.FieldACL && field != ebb.FieldSubscriptions && field != ebb.FieldDeleted
	})
	return own
}

// value reads JSON, its numbers as they are written.
func value(text string) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err = d.Decode(&v); err == nil && d.More() {
		err = fmt.Errorf("there is something after the JSON: %s", text)
	}
	return v, err
}

// text is a value's JSON as people write it.
func text(v any) string {
	if v == nil {
		return "nothing"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return spaced(bytes.TrimSpace(b.Bytes()))
}

func shown(got string) string {
	if got == "none" {
		return got
	}
	return spaced([]byte(got))
}

// spaced is JSON in one line, with blanks behind colons and commas.
func spaced(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "") != nil {
		return string(raw)
	}
	s := b.String()
	for _, at := range []string{"{", "["} {
		s = strings.ReplaceAll(s, at+"\n", at)
	}
	for _, at := range []string{"}", "]"} {
		s = strings.ReplaceAll(s, "\n"+at, at)
	}
	return strings.ReplaceAll(s, "\n", " ")
}

// written is a statement, over several lines if it is long.
func written(word, rest string) string {
	line := fmt.Sprintf("%-5s %s", word, rest)
	head, raw, _ := strings.Cut(rest, " ")
	if word != "then" {
		head, raw = "", rest
	}
	var b bytes.Buffer
	if len(line) <= 120 || !json.Valid([]byte(raw)) || json.Indent(&b, []byte(raw), "  ", "  ") != nil {
		return line
	}
	return strings.TrimSpace(fmt.Sprintf("%-5s %s", word, head)) + " " + b.String()
}
