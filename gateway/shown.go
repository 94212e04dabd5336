package gateway

import (
	"bytes"
	"encoding/json"

	"github.com/ebb-events/ebb"
)

// shown returns what a reply's recipient sees of it, as on the stream: all of it
// but the claims of senders, and tokens, wherever they are, and the stack traces
// of the elder Java family.
func shown(m ebb.Message) json.RawMessage {
	delete(m, ebb.FieldJWT)
	if m[ebb.FieldOutcome] == nil && m.Bool(ebb.FieldError) {
		delete(m, "exception")
	}
	b := m.JSON()
	suspect := false
	for _, sign := range []string{ebb.FieldJWT, "eyJ", `\u`} { // the last may spell the others
		suspect = suspect || bytes.Contains(b, []byte(sign))
	}
	if !suspect {
		return b
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return json.RawMessage("{}") // it was parsed before
	}
	v, _ = open(v)
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return json.RawMessage("{}")
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// open returns a value without what is secret in it, and whether any of it may
// be seen.
func open(v any) (_ any, ok bool) {
	switch v := v.(type) {
	case string:
		return v, !ebb.IsToken([]byte(v))
	case []any:
		kept := make([]any, 0, len(v))
		for _, one := range v {
			if one, ok := open(one); ok {
				kept = append(kept, one)
			}
		}
		return kept, true
	case map[string]any:
		for name, value := range v {
			if value, ok = open(value); ok && name != ebb.FieldJWT && !ebb.IsToken([]byte(name)) {
				v[name] = value
			} else {
				delete(v, name)
			}
		}
	}
	return v, true
}
