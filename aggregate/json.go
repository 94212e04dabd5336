package aggregate

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// clone copies objects and lists, however deep.
func clone(v any) any {
	switch v := v.(type) {
	case tree:
		c := maps.Clone(v)
		for k, one := range c {
			c[k] = clone(one)
		}
		return c
	case []any:
		c := slices.Clone(v)
		for i, one := range c {
			c[i] = clone(one)
		}
		return c
	}
	return v
}

// size is about the number of bytes that v's JSON has.
func size(v any) int {
	n := 4
	switch v := v.(type) {
	case tree:
		for k, one := range v {
			n += len(k) + 4 + size(one)
		}
	case []any:
		for _, one := range v {
			n += size(one)
		}
	case string:
		n = len(v) + 3
	case json.Number:
		n = len(v) + 1
	}
	return n
}

// height is how deeply v is nested, 0 if it is no object or list.
func height(v any) (deepest int) {
	switch v := v.(type) {
	case tree:
		for _, one := range v {
			deepest = max(deepest, height(one))
		}
	case []any:
		for _, one := range v {
			deepest = max(deepest, height(one))
		}
	default:
		return 0
	}
	return deepest + 1
}

// equal tells whether a and b are the same JSON, whatever numbers look like.
func equal(a, b any) bool {
	switch a := a.(type) {
	case tree:
		b, ok := b.(tree)
		return ok && maps.EqualFunc(a, b, equal)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && (a == b || scientific(a) == scientific(b))
	}
	return a == b
}

// scientific writes a number as digits and an exponent, in one way only. It
// calculates nothing, for 1e999999999 is a number too.
func scientific(n json.Number) string {
	digits, exponent, _ := strings.Cut(strings.ToLower(string(n)), "e")
	sign := ""
	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		sign, digits = "-", rest
	}
	whole, part, _ := strings.Cut(digits, ".")
	e, err := strconv.ParseInt(exponent, 10, 62)
	if err != nil && exponent != "" {
		return string(n)
	}
	digits = strings.TrimLeft(whole+part, "0")
	short := strings.TrimRight(digits, "0")
	if short == "" {
		return "0"
	}
	e += int64(len(digits) - len(short) - len(part))
	return sign + short + "e" + strconv.FormatInt(e, 10)
}
