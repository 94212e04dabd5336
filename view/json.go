package view

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ebb-events/ebb"
)

// What is read here is valid JSON without spaces, as a view keeps it.

// stringEnd returns the index behind the string that begins at b[i].
func stringEnd(b []byte, i int) int {
	for i++; ; i++ {
		i += bytes.IndexByte(b[i:], '"')
		escapes := 0
		for b[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
}

// valueEnd returns the index behind the value that begins at b[i].
func valueEnd(b []byte, i int) int {
	for depth := 0; ; {
		switch b[i] {
		case '"':
			i = stringEnd(b, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':':
			i++
		default:
			for i < len(b) && strings.IndexByte(`,:]}`, b[i]) < 0 {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
}

func unquote(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b[1 : len(b)-1])
	}
	var s string
	_ = json.Unmarshal(b, &s) // valid
	return s
}

// says tells whether a string has that text.
func says(b []byte, text string) bool {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b[1:len(b)-1]) == text
	}
	return unquote(b) == text
}

// find returns the value at a place, nil if there is none.
func find(b []byte, at ebb.Pointer) []byte {
	for _, name := range at {
		switch b[0] {
		case '{':
			b = member(b, name)
		case '[':
			b = element(b, name)
		default:
			return nil
		}
		if b == nil {
			return nil
		}
	}
	return b
}

func member(b []byte, name string) []byte {
	for i := 1; b[i] == '"'; {
		colon := stringEnd(b, i)
		end := valueEnd(b, colon+1)
		if says(b[i:colon], name) {
			return b[colon+1 : end]
		}
		if i = end; b[i] == ',' {
			i++
		}
	}
	return nil
}

func element(b []byte, name string) []byte {
	n, err := strconv.Atoi(name)
	if err != nil || strconv.Itoa(n) != name {
		return nil
	}
	for _, value := range elements(b) {
		if n--; n < 0 {
			return value
		}
	}
	return nil
}

// elements returns what a list holds.
func elements(b []byte) (list [][]byte) {
	for i := 1; b[i] != ']'; {
		end := valueEnd(b, i)
		list = append(list, b[i:end])
		if i = end; b[i] == ',' {
			i++
		}
	}
	return list
}

// holds tells whether a state meets all conditions.
func holds(state []byte, where []ebb.Condition) bool {
	for _, c := range where {
		if v := find(state, c.At); v == nil || !has(v, c.Value) {
			return false
		}
	}
	return true
}

// has tells whether v is a value, or a list that has it.
func has(v []byte, value string) bool {
	if v[0] != '[' {
		return is(v, value)
	}
	for _, one := range elements(v) {
		if is(one, value) {
			return true
		}
	}
	return false
}

func is(v []byte, value string) bool {
	switch v[0] {
	case '"':
		return says(v, value)
	case '{', '[':
		return false
	}
	return string(v) == value
}
