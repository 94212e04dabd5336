package ebb

import (
	"errors"
	"strings"
)

// Pointer is a JSON pointer (RFC 6901): the names on the way to a place, none
// for the whole.
type Pointer []string

// ParsePointer reads a pointer's text, which is empty or begins with a slash.
func ParsePointer(s string) (Pointer, error) {
	if s == "" {
		return Pointer{}, nil
	}
	if s[0] != '/' {
		return nil, errors.New("ebb: a JSON pointer begins with a slash")
	}
	p := Pointer(strings.Split(s[1:], "/"))
	for i, name := range p {
		if !strings.Contains(name, "~") {
			continue
		}
		rest := strings.NewReplacer("~0", "", "~1", "").Replace(name)
		if strings.Contains(rest, "~") {
			return nil, errors.New("ebb: in a JSON pointer only ~0 and ~1 begin with a tilde")
		}
		p[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	}
	return p, nil
}
