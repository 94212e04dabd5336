package aggregate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
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
		return plainNumber(v.String())
	}
	return v, nil
}

// plainNumber writes a number without an exponent where that is short.
func plainNumber(text string) (json.Number, error) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return "0", nil
	}
	e := 0
	if exponent != "" {
		var err error
		if e, err = strconv.Atoi(exponent); err != nil || e > 1<<30 || e < -1<<30 {
			return "", errors.New("a number's exponent is too large")
		}
	}
	// The value is 0.digits times ten to the power of point.
	point := len(digits) - len(fraction) + e
	digits = strings.TrimRight(digits, "0")
	sign := ""
	if negative {
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
