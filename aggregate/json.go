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
		return ok && sameNumber(a, b)
	}
	return a == b
}

// number is one in parts: 0.digits times ten to the power of point. There is one
// way only to write it so. Nothing is calculated, for 1e999999999 is a number too.
type number struct {
	negative bool
	digits   string // neither the first nor the last is 0; none of 0 itself
	point    int64
}

// parseNumber fails for an exponent of 62 bits or more.
func parseNumber(n json.Number) (d number, err error) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(string(n)), "e")
	mantissa, d.negative = strings.CutPrefix(mantissa, "-")
	if exponent != "" {
		if d.point, err = strconv.ParseInt(exponent, 10, 62); err != nil {
			return d, err
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return number{}, nil
	}
	d.point += int64(len(digits) - len(fraction))
	d.digits = strings.TrimRight(digits, "0")
	return d, nil
}

// sameNumber tells whether a and b are the same, whatever they look like.
func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, err1 := parseNumber(a)
	y, err2 := parseNumber(b)
	return err1 == nil && err2 == nil && x == y
}
