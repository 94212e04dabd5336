// Package session has what travels from a gateway to all gateways and edges:
// which sessions were revoked, and which were extended.
//
// A session is of one user, and begins with a ticket. What becomes of it is
// written to one topic of one partition, which everybody reads whole. So there
// is one order for all, and no clock decides what was before a revocation: a
// session knows how far its gateway had read the topic when it began.
package session

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Topic is the name of the topic, before an environment's suffix.
const Topic = "ebb-sessions"

const (
	// Longest is how long a session may be, from its beginning or its last
	// renewal.
	Longest = 24 * time.Hour

	// Keep is how long what was told of a session matters. The hour more is for
	// clocks that differ.
	Keep = Longest + time.Hour
)

// Kind says what becomes of a session.
type Kind string

// The kinds of record.
const (
	Revoke Kind = "revoke" // it ends now, and its tickets open nothing
	Renew  Kind = "renew"  // it ends later
)

// Record is one record of the topic.
type Record struct {
	Kind    Kind   `json:"kind"`
	User    string `json:"user"`              // whose it is
	Session string `json:"session,omitempty"` // its name; of a revocation empty: all that have begun
	Ends    int64  `json:"ends,omitempty"`    // of a renewal, in milliseconds since 1970
}

// Encode returns the record as Kafka holds it.
func (r Record) Encode() (key, value []byte) {
	value, _ = json.Marshal(r) // strings and numbers: cannot fail
	return []byte(r.User), value
}

// Decode reads what Encode wrote.
func Decode(value []byte) (r Record, err error) {
	if err := json.Unmarshal(value, &r); err != nil {
		return Record{}, fmt.Errorf("session: %w", err)
	}
	switch {
	case r.User == "":
		return Record{}, errors.New("session: a record without a user")
	case r.Kind != Revoke && r.Kind != Renew:
		return Record{}, fmt.Errorf("session: a record of kind %q", r.Kind)
	case r.Kind == Renew && (r.Session == "" || r.Ends <= 0):
		return Record{}, errors.New("session: a renewal without a session or an end")
	}
	return r, nil
}

// NameOf returns the name of the session with a proof. It may be known to
// others: it does not lead back to the proof.
func NameOf(proof string) string {
	sum := sha256.Sum256([]byte("ebb session\x00" + proof))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Life names one life of the topic: its id.
type Life [16]byte

// Place is how far the topic was read.
type Place struct {
	Life Life
	Next int64 // the first offset that was not
}

// String writes p as ParsePlace reads it.
func (p Place) String() string {
	return hex.EncodeToString(p.Life[:]) + "." + strconv.FormatInt(p.Next, 10)
}

// ParsePlace reads what String wrote.
func ParsePlace(text string) (p Place, err error) {
	life, next, _ := strings.Cut(text, ".")
	b, err1 := hex.DecodeString(life)
	p.Next, err = strconv.ParseInt(next, 10, 64)
	if err1 != nil || err != nil || len(b) != len(p.Life) || p.Next < 0 {
		return Place{}, errors.New("session: not a place in the topic")
	}
	p.Life = Life(b)
	return p, nil
}

// Entry is a record where it lies in the topic.
type Entry struct {
	Record
	Offset int64
	Time   time.Time // the broker's, when it was appended
}

// Batch is the next part of the topic, as its reader sees it.
type Batch struct {
	Life    Life
	High    int64   // one more than the newest offset
	Entries []Entry // in order
	Next    int64   // the offset to read next; all below it have been handed over
}
