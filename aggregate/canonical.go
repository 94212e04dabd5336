package aggregate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// canonical returns the JSON text of a value, the same for equal values: fields
// are sorted, and 1, 1.0 and 10e-1 are one number. Strings are equal if their
// bytes are.
func canonical(value any) (string, error) {
	b, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	var v any
	if err := decode(b, &v); err != nil {
		return "", err
	}
	if v, err = plainNumbers(v); err != nil {
		return "", err
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err = e.Encode(v)
	return strings.TrimSuffix(text.String(), "\n"), err
}

// plainNumbers gives equal numbers in v the same text.
func plainNumbers(v any) (_ any, err error) {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if v[k], err = plainNumbers(v[k]); err != nil {
				return nil, err
			}
		}
	case []any:
		for i := range v {
			if v[i], err = plainNumbers(v[i]); err != nil {
				return nil, err
			}
		}
	case json.Number:
		return plainNumber(v)
	}
	return v, nil
}

// plainNumber writes a number without an exponent where that is short.
func plainNumber(n json.Number) (json.Number, error) {
	d, err := parseNumber(n)
	if err != nil || d.point > 1<<30 || d.point < -1<<30 {
		return "", errors.New("a number's exponent is too large")
	}
	if d.digits == "" {
		return "0", nil
	}
	sign, digits, point := "", d.digits, int(d.point)
	if d.negative {
		sign = "-"
	}
	switch {
	case point > 21 || point < -5:
		if len(digits) > 1 {
			digits = digits[:1] + "." + digits[1:]
		}
		return json.Number(fmt.Sprintf("%s%se%d", sign, digits, point-1)), nil
	case point <= 0:
		return json.Number(sign + "0." + strings.Repeat("0", -point) + digits), nil
	case point >= len(digits):
		return json.Number(sign + digits + strings.Repeat("0", point-len(digits))), nil
	}
	return json.Number(sign + digits[:point] + "." + digits[point:]), nil
}
