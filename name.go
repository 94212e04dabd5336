package ebb

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxUser is the longest name of a user in bytes, with its namespace.
const maxUser = 256

// ValidUser tells whether a name can be a user's, and so a channel. U+FFFD
// stands for what is not Unicode: different names would become the same one.
func ValidUser(name Username) bool {
	return name != "" && len(name) <= maxUser && !strings.ContainsFunc(name, func(r rune) bool {
		return r == utf8.RuneError || unicode.IsControl(r)
	})
}

// ValidNamespace tells whether s can stand before the names of an issuer's users.
func ValidNamespace(s string) bool {
	return len(s) >= 1 && len(s) <= 16 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// IsToken tells whether s looks like a signed or an encrypted JWT, maybe as a
// header has it: three or five parts in base64url, of which the first is an
// object. Such a thing is for nobody's eyes.
func IsToken(s []byte) bool {
	if len(s) > len("bearer ") && bytes.EqualFold(s[:len("bearer ")], []byte("bearer ")) {
		s = s[len("bearer "):]
	}
	s = bytes.TrimSpace(s)
	if !bytes.HasPrefix(s, []byte("eyJ")) {
		return false
	}
	dots := bytes.Count(s, []byte("."))
	return (dots == 2 || dots == 4) && len(bytes.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")) == 0
}
