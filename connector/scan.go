package connector

import "github.com/ebb-events/ebb"

// maxDepth is how deep values may be nested.
const maxDepth = 1 << 14

// scanner copies a message in one pass: whitespace between values goes, _jwt
// and tokens go, everything else stays as it was written.
type scanner struct {
	reply
	nameField string
	in        []byte
	i         int
	out       []byte // never longer than in
	depth     int
	claims    bool // inside of the message's own _jwt
	others    bool // for others than the sender: _acl goes, too
}

// verdict says what became of a value.
type verdict int

const (
	broken verdict = iota // not JSON, or too deep
	copied                // it is in out
	hidden                // it is well-formed, and not to be seen
)

// message reads all of in, which must be one object.
func (s *scanner) message() (reason string) {
	object := s.space() == '{'
	ok := s.value() != broken
	switch {
	case s.depth > maxDepth:
		return tooDeep
	case !ok || s.space() != 0 || s.i < len(s.in):
		return noJSON
	case !object:
		return noObject
	}
	return ""
}

// space skips whitespace and returns the byte after it, 0 at the end.
func (s *scanner) space() byte {
	for ; s.i < len(s.in); s.i++ {
		switch c := s.in[s.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) value() verdict {
	switch c := s.space(); {
	case c == '{':
		return s.list('}', s.member)
	case c == '[':
		return s.list(']', s.value)
	case c == '"':
		text, ok := s.string()
		switch {
		case !ok:
			return broken
		case ebb.IsToken(plain(text)):
			return hidden
		}
		s.out = append(s.out, text...)
		return copied
	default:
		n := scalar(s.in[s.i:])
		if n == 0 {
			return broken
		}
		s.out = append(s.out, s.in[s.i:s.i+n]...)
		s.i += n
		return copied
	}
}

// list copies what stands between brackets.
func (s *scanner) list(end byte, element func() verdict) verdict {
	if s.depth++; s.depth > maxDepth {
		return broken
	}
	s.out = append(s.out, s.in[s.i])
	s.i++
	if s.space() != end {
		for first := true; ; {
			mark := len(s.out)
			if !first {
				s.out = append(s.out, ',')
			}
			switch element() {
			case broken:
				return broken
			case copied:
				first = false
			case hidden:
				s.out = s.out[:mark]
			}
			if s.space() != ',' {
				break
			}
			s.i++
		}
		if s.space() != end {
			return broken
		}
	}
	s.out = append(s.out, end)
	s.i++
	s.depth--
	return copied
}

func (s *scanner) member() verdict {
	if s.space() != '"' {
		return broken
	}
	text, ok := s.string()
	if !ok || s.space() != ':' {
		return broken
	}
	s.i++
	s.out = append(append(s.out, text...), ':')
	key := plain(text)
	private := string(key) == ebb.FieldACL
	s.private = s.private || private
	secret := string(key) == ebb.FieldJWT
	top := s.depth == 1
	if secret && top {
		s.claims, s.sub, s.iss = true, nil, nil
	}
	s.space()
	from := s.i
	v := s.value()
	if secret && top {
		s.claims = false
	}
	switch {
	case v == broken:
		return broken
	case secret, private && s.others, ebb.IsToken(key):
		return hidden
	case top:
		s.note(key, s.in[from:s.i], v)
	case s.claims && s.depth == 2 && string(key) == "sub":
		s.sub = s.in[from:s.i]
	case s.claims && s.depth == 2 && string(key) == "iss":
		s.iss = s.in[from:s.i]
	}
	return v
}

// note keeps a value of the message that has a meaning here.
func (s *scanner) note(key, raw []byte, v verdict) {
	if v == hidden {
		raw = nil
	}
	if string(key) == s.nameField && s.nameField != "" {
		s.name = raw
	}
	if len(key) == 0 || key[0] != '_' {
		return
	}
	if string(key) == ebb.FieldSubscriptions {
		s.subscriptions = raw
	}
	for i, field := range kept {
		if string(key) == field {
			s.kept[i] = raw
		}
	}
}

// string skips a string and returns it with its quotes.
func (s *scanner) string() ([]byte, bool) {
	from := s.i
	for s.i++; s.i < len(s.in); s.i++ {
		switch c := s.in[s.i]; {
		case c == '"':
			s.i++
			return s.in[from:s.i], true
		case c < ' ':
			return nil, false
		case c == '\\':
			n := escape(s.in[s.i+1:])
			if n == 0 {
				return nil, false
			}
			s.i += n
		}
	}
	return nil, false
}
