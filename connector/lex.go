package connector

import "bytes"

// escape returns how many bytes of b follow a backslash, 0 if none may.
func escape(b []byte) int {
	switch {
	case len(b) > 0 && bytes.IndexByte([]byte(`"\/bfnrt`), b[0]) >= 0:
		return 1
	case len(b) >= 5 && b[0] == 'u' && len(bytes.Trim(b[1:5], "0123456789abcdefABCDEF")) == 0:
		return 5
	}
	return 0
}

// scalar returns how many bytes of b are a number, true, false or null.
func scalar(b []byte) int {
	for _, word := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(b, []byte(word)) {
			return len(word)
		}
	}
	n := 0
	if n < len(b) && b[n] == '-' {
		n++
	}
	whole := digits(b[n:])
	if whole == 0 || whole > 1 && b[n] == '0' {
		return 0
	}
	n += whole
	if n < len(b) && b[n] == '.' {
		d := digits(b[n+1:])
		if d == 0 {
			return 0
		}
		n += 1 + d
	}
	if n < len(b) && (b[n] == 'e' || b[n] == 'E') {
		n++
		if n < len(b) && (b[n] == '+' || b[n] == '-') {
			n++
		}
		d := digits(b[n:])
		if d == 0 {
			return 0
		}
		n += d
	}
	return n
}

func digits(b []byte) (n int) {
	for n < len(b) && '0' <= b[n] && b[n] <= '9' {
		n++
	}
	return n
}

// plain returns what a string in quotes says.
func plain(text []byte) []byte {
	if bytes.IndexByte(text, '\\') >= 0 {
		s, _ := unquote(text)
		return []byte(s)
	}
	return text[1 : len(text)-1]
}
