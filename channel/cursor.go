package channel

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

// Generation names one life of the channel log: 48 bits of its topic's id.
type Generation [6]byte

// GenerationOf returns the generation of the topic with that id.
func GenerationOf(topicID [16]byte) Generation { return Generation(topicID[:6]) }

// Cursor is a stream's position in the channel log, and the id of its events.
// Only letters, digits, dot, underscore and hyphen occur in its text, at most
// 128 bytes: another Last-Event-ID costs browsers a preflight.
type Cursor struct {
	Generation Generation
	Partition  int32
	Offset     int64  // the last one accounted for, -1 if none
	Epoch      int32  // the leader's when Offset was written, -1 if unknown
	Src        string // [Src.Short] of the event, empty if it is none
	Proof      string // of the session, 22 bytes; empty where it must not be kept
}

const (
	cursorVersion = "1"
	srcLen        = 12
	cursorLen     = 128
)

// ProofLen is how many bytes a session's proof has, as text.
const ProofLen = 22

// ErrCursor is what [ParseCursor] returns for whatever is no cursor.
var ErrCursor = errors.New("channel: not a cursor")

// String writes c as ParseCursor reads it.
func (c Cursor) String() string { return string(c.Append(nil)) }

// Append adds c's text to b. The proof comes last, so that an event is encoded
// once and only the end of its id differs from stream to stream.
func (c Cursor) Append(b []byte) []byte {
	b = append(b, cursorVersion+"."...)
	b = base64.RawURLEncoding.AppendEncode(b, c.Generation[:])
	b = append(b, '.')
	b = strconv.AppendInt(b, int64(c.Partition), 10)
	b = append(b, '.')
	b = strconv.AppendInt(b, c.Offset, 10)
	b = append(b, '.')
	b = strconv.AppendInt(b, int64(c.Epoch), 10)
	b = append(b, '.')
	b = append(b, c.Src...)
	b = append(b, '.')
	return append(b, c.Proof...)
}

// ParseCursor reads a cursor's text, or returns [ErrCursor].
func ParseCursor(s string) (Cursor, error) {
	f := strings.Split(s, ".")
	if len(s) > cursorLen || len(f) != 7 || f[0] != cursorVersion || !part(f[5], srcLen) || !ValidProof(f[6]) {
		return Cursor{}, ErrCursor
	}
	gen, err := base64.RawURLEncoding.DecodeString(f[1])
	if err != nil || len(gen) != len(Generation{}) {
		return Cursor{}, ErrCursor
	}
	partition, err1 := strconv.ParseInt(f[2], 10, 32)
	offset, err2 := strconv.ParseInt(f[3], 10, 64)
	epoch, err3 := strconv.ParseInt(f[4], 10, 32)
	c := Cursor{Generation(gen), int32(partition), offset, int32(epoch), f[5], f[6]}
	if errors.Join(err1, err2, err3) != nil || partition < 0 || offset < -1 || epoch < -1 || c.String() != s {
		return Cursor{}, ErrCursor // the last: written in another way than ours
	}
	return c, nil
}

// ValidProof tells whether a session's proof can stand in a cursor: 22 bytes of
// base64url, or none.
func ValidProof(proof string) bool { return part(proof, ProofLen) }

// part tells whether s is empty or n bytes of base64url.
func part(s string, n int) bool {
	return s == "" || len(s) == n &&
		strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}
