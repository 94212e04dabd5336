package aggregate

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// sentence says to people what a JSON Schema wants.
func sentence(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "This must be " + listed(k.Want, func(t string) string { return types[t] }) + "."
	case *kind.Enum:
		return choice(k.Want)
	case *kind.Const:
		return choice([]any{k.Want})
	case *kind.Format:
		return "This is no valid " + k.Want + "."
	case *kind.Pattern:
		return "This does not have the form that is asked for."
	case *kind.MinLength:
		return "This must have " + atLeast(k.Want, "character") + "."
	case *kind.MaxLength:
		return "This must have " + atMost(k.Want, "character") + "."
	case *kind.MinItems:
		return "This must have " + atLeast(k.Want, "item") + "."
	case *kind.MaxItems:
		return "This must have " + atMost(k.Want, "item") + "."
	case *kind.MinProperties:
		return "This must have " + atLeast(k.Want, "field") + "."
	case *kind.MaxProperties:
		return "This must have " + atMost(k.Want, "field") + "."
	case *kind.Minimum:
		return "This must be " + decimal(k.Want) + " or more."
	case *kind.Maximum:
		return "This must be " + decimal(k.Want) + " or less."
	case *kind.ExclusiveMinimum:
		return "This must be more than " + decimal(k.Want) + "."
	case *kind.ExclusiveMaximum:
		return "This must be less than " + decimal(k.Want) + "."
	case *kind.MultipleOf:
		return "This must be a multiple of " + decimal(k.Want) + "."
	case *kind.UniqueItems:
		return "This must not have the same item twice."
	case *kind.AnyOf:
		return "This has none of the forms that are allowed."
	case *kind.OneOf:
		if k.Subschemas == nil {
			return "This has none of the forms that are allowed."
		}
		return "This has more than one of the forms that are allowed."
	case *kind.Contains, *kind.MinContains:
		return "Something that must be in it is missing."
	case *kind.MaxContains:
		return "Something is in it too often."
	case *kind.Not, *kind.FalseSchema:
		return "This is not allowed."
	}
	return "This is not valid."
}

// types are what JSON's types are called.
var types = map[string]string{
	"string": "a text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
	"object": "an object", "array": "a list", "null": "null",
}

// choice names the values that there are, if that is a sentence still.
func choice(values []any) string {
	s := "This must be " + listed(values, func(v any) string {
		if s, ok := v.(string); ok {
			return s
		}
		b, _ := json.Marshal(v)
		return string(b)
	}) + "."
	if len(s) > 200 {
		return "This is none of the values that are allowed."
	}
	return s
}

func listed[T any](all []T, word func(T) string) string {
	var words []string
	for _, one := range all {
		words = append(words, word(one))
	}
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func atLeast(n int, what string) string { return "at least " + counted(n, what) }
func atMost(n int, what string) string  { return "at most " + counted(n, what) }

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func decimal(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	return strings.TrimRight(r.FloatString(20), "0")
}
