package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxDepth is how deep JSON may be nested.
const maxDepth = 64

// plain refuses valid JSON that two readers could read differently: names that
// occur twice in an object, and text that is not UTF-8. And what is too deep.
func plain(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("it is not UTF-8")
	}
	var open []map[string]bool // names of the objects around, nil for a list
	isName := false            // whether a string here is a name
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			if len(open) == maxDepth {
				return fmt.Errorf("it is nested more than %d deep", maxDepth)
			}
			isName = b[i] == '{'
			if isName {
				open = append(open, map[string]bool{})
			} else {
				open = append(open, nil)
			}
		case '}', ']':
			open = open[:len(open)-1]
		case ',':
			isName = open[len(open)-1] != nil
		case '"':
			end := stringEnd(b, i)
			if isName {
				name := unquote(b[i:end])
				names := open[len(open)-1]
				if names[name] {
					return fmt.Errorf("the name %.50q occurs twice in an object", name)
				}
				names[name] = true
				isName = false
			}
			i = end - 1
		}
	}
	return nil
}

// stringEnd returns the index behind the string that begins at b[i].
func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func unquote(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b[1 : len(b)-1])
	}
	var s string
	json.Unmarshal(b, &s) // valid
	return s
}
