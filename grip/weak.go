package grip

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// ErrWeak is what [Key.Strong] returns for a key that others can guess or know.
var ErrWeak = errors.New("grip: key: it is weak or a known example: make one with openssl rand -hex 32")

// leastBytes is how many different bytes a secret must have: 32 random ones
// have some 30, their hex digits nearly all 16.
const leastBytes = 10

// words are of secrets that people write, and of those that manuals show.
var words = []string{
	"changeme", "change-me", "change_me", "changethis", "secret", "password", "passw0rd", "example", "default",
	"placeholder", "insecure", "not-safe", "12345678", "abcdefgh", "qwerty", "deadbeef", "cafebabe", "letmein", "your-", "yourkey",
}

// published are keys that stand in standards, in base64.
var published = []string{
	"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow", // RFC 7515, A.1
	"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",                                            // RFC 7520, 3.5
	"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",                                            // RFC 8037, A.2, the public half
}

// Strong is nil unless the key is one that others can guess or know: text that
// repeats itself, a counted one, a word of a manual, a key of a standard. The
// length of a secret was checked when it was read.
func (k Key) Strong() error {
	b := k.Secret()
	if public, ok := k.verify.(ed25519.PublicKey); ok && isPublished(public) {
		return ErrWeak
	}
	if b == nil {
		return nil
	}
	for _, form := range [][]byte{b, decoded(b)} {
		if form != nil && (isPublished(form) || repeats(form) || counts(form) || hasWord(form)) {
			return ErrWeak
		}
	}
	if different(b) < leastBytes {
		return ErrWeak
	}
	return nil
}

// decoded is what a secret stands for that was given as hex or base64, nil if
// it was neither.
func decoded(b []byte) []byte {
	text := string(bytes.TrimSpace(b))
	if out, err := hex.DecodeString(text); err == nil {
		return out
	}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if out, err := e.DecodeString(text); err == nil {
			return out
		}
	}
	return nil
}

func isPublished(b []byte) bool {
	text := base64.RawURLEncoding.EncodeToString(b)
	for _, one := range published {
		if text == one || string(b) == one {
			return true
		}
	}
	return false
}

// repeats tells whether b is one piece over and over, the last one maybe cut.
func repeats(b []byte) bool {
	for n := 1; n <= len(b)/2; n++ {
		if bytes.Equal(b[n:], b[:len(b)-n]) {
			return true
		}
	}
	return false
}

// counts tells whether b goes up or down by the same step.
func counts(b []byte) bool {
	for i := 2; i < len(b); i++ {
		if b[i]-b[i-1] != b[1]-b[0] {
			return false
		}
	}
	return true
}

func hasWord(b []byte) bool {
	text := strings.ToLower(string(b))
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

func different(b []byte) (n int) {
	var seen [256]bool
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n
}
