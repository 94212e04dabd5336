package aggregate

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/ebb-events/ebb"
)

// schema is a JSON Schema of a command's or a state's own fields.
type schema jsonschema.Schema

// compile reads a schema, nil if text is empty. Nothing else is ever loaded.
func compile(text string) (*schema, error) {
	if text == "" {
		return nil, nil
	}
	const url = "schema:///"
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(nowhere{})
	c.AssertFormat()
	if err := c.AddResource(url, doc); err != nil {
		return nil, err
	}
	s, err := c.Compile(url)
	if broken, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		if invalid, ok := errors.AsType[*jsonschema.ValidationError](broken.Err); ok {
			first := violations(invalid)[0]
			return nil, fmt.Errorf("at %q: %s: %s", first.Location, first.Code, first.Message)
		}
	}
	if err != nil {
		return nil, err
	}
	return (*schema)(s), nil
}

// nowhere is where schemas are loaded from.
type nowhere struct{}

func (nowhere) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is not in this schema, and none is loaded", url)
}

// check says where t's own fields, those without an underscore, violate s.
func (s *schema) check(t tree) error {
	own := maps.Clone(t)
	maps.DeleteFunc(own, func(field string, _ any) bool { return strings.HasPrefix(field, "_") })
	if at, huge := findHuge(own); huge {
		return Reject(at, "RANGE", "This number is beyond all limits.")
	}
	err := (*jsonschema.Schema)(s).Validate(own)
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err
	}
	var all []error
	for _, v := range violations(invalid) {
		all = append(all, rejection(v))
	}
	return errors.Join(all...)
}

// findHuge returns the place of a number that takes too long to compare with
// others: 1e999999999 is a short one.
func findHuge(v any) (at string, found bool) {
	const most = 1000
	switch v := v.(type) {
	case tree:
		for k, one := range v {
			if at, found = findHuge(one); found {
				return pointer(k) + at, true
			}
		}
	case []any:
		for i, one := range v {
			if at, found = findHuge(one); found {
				return pointer(strconv.Itoa(i)) + at, true
			}
		}
	case json.Number:
		_, exponent, _ := strings.Cut(strings.ToLower(string(v)), "e")
		e, err := strconv.Atoi(exponent)
		return "", len(v) > most || exponent != "" && (err != nil || max(e, -e) > most)
	}
	return "", false
}

// violations lists what is wrong, each thing at its place, in order.
func violations(e *jsonschema.ValidationError) []ebb.Error {
	all := leaves(e)
	slices.SortFunc(all, func(a, b ebb.Error) int {
		return cmp.Or(strings.Compare(a.Location, b.Location), strings.Compare(a.Code, b.Code), strings.Compare(a.Message, b.Message))
	})
	return slices.Compact(all)
}

// leaves are what is wrong itself, and not what contains that.
func leaves(e *jsonschema.ValidationError) (all []ebb.Error) {
	at := pointer(e.InstanceLocation...)
	add := func(at, message string) {
		all = append(all, ebb.Error{Location: at, Code: keyword(e), Message: message})
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, cause := range e.Causes {
			all = append(all, leaves(cause)...)
		}
	case *kind.Required:
		for _, field := range k.Missing {
			add(at+pointer(field), "This is missing.")
		}
	case *kind.DependentRequired:
		for _, field := range k.Missing {
			add(at+pointer(field), "This is missing.")
		}
	case *kind.Dependency:
		for _, field := range k.Missing {
			add(at+pointer(field), "This is missing.")
		}
	case *kind.AdditionalProperties:
		for _, field := range k.Properties {
			add(at+pointer(field), "There is no such field.")
		}
	case *kind.PropertyNames:
		add(at+pointer(k.Property), "No field can have this name.")
	default:
		add(at, sentence(k))
	}
	return all
}

// keyword is the one that is violated.
func keyword(e *jsonschema.ValidationError) string {
	if words := e.ErrorKind.KeywordPath(); len(words) > 0 {
		return words[0]
	}
	switch last := path.Base(e.SchemaURL); last {
	case "unevaluatedProperties", "unevaluatedItems", "items", "additionalItems":
		return last
	}
	return "not"
}

// escapes is how a JSON pointer writes a key.
var escapes = strings.NewReplacer("~", "~0", "/", "~1")

func pointer(keys ...string) string {
	var b strings.Builder
	for _, key := range keys {
		b.WriteByte('/')
		b.WriteString(escapes.Replace(key))
	}
	return b.String()
}
