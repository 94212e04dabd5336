package ebb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Reserved fields of a message. All begin with an underscore but errors.
const (
	FieldID            = "_id"            // the aggregate instance, a UUID in lower case
	FieldType          = "_type"          // <app>-<type>
	FieldCorr          = "_corr"          // correlation id, from command to reply
	FieldCommand       = "_command"       // the command's name
	FieldJWT           = "_jwt"           // the claims of the sender, never the token
	FieldSeq           = "_seq"           // number of the instance's last event
	FieldTimestamp     = "_timestamp"     // milliseconds since 1970
	FieldOps           = "_ops"           // JSON Patch (RFC 6902)
	FieldACL           = "_acl"           // who may do what with an instance
	FieldSubscriptions = "_subscriptions" // who else hears the replies
	FieldOutcome       = "_outcome"       // how a command went
	FieldError         = "_error"         // true in a reply that says no
	FieldStatusCode    = "_statusCode"    // HTTP's number for that no
	FieldErrors        = "errors"         // what is wrong, a list of [Error]
	FieldDeleted       = "_deleted"       // true once an instance is deleted
)

// HeaderAsked is a reply's header, where a unique value tells instances apart:
// the _id that the command had, if the instance has another.
const HeaderAsked = "ebb-asked"

// HeaderAt is a state record's header: how far the commands of its partition
// are done, with the id of their topic, the partition, the leader's epoch and
// the offset of the last one.
const HeaderAt = "ebb-at"

// Outcome says how a command went.
type Outcome string

// The outcomes of a command. Only applied is heard by more than its sender.
const (
	Applied   Outcome = "applied"   // it made an event
	Unchanged Outcome = "unchanged" // nothing to do
	Duplicate Outcome = "duplicate" // it was executed before
	Rejected  Outcome = "rejected"  // the reducer or the validator said no
	Stale     Outcome = "stale"     // its _seq is not the instance's
	Unknown   Outcome = "unknown"   // no reducer has that name
	Forbidden Outcome = "forbidden" // _acl says no
	Failed    Outcome = "failed"    // the reducer broke
)

// Error says what is wrong with one place of a command.
type Error struct {
	Location string `json:"location"`          // JSON pointer into the command
	Code     string `json:"code,omitempty"`    // for programs
	Message  string `json:"message,omitempty"` // for people
}

// Message is a JSON object as it travels: a command, an event, a state or a
// reply. Values stay as they were written, so that no number is altered.
type Message map[string]json.RawMessage

// ParseMessage reads one JSON object and nothing after it.
func ParseMessage(b []byte) (Message, error) {
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) == 0 || t[0] != '{' {
		return nil, fmt.Errorf("ebb: want a JSON object, got %.20q", b)
	}
	var m Message
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("ebb: parsing message: %w", err)
	}
	return m, nil
}

// JSON writes m as one line with its fields sorted.
func (m Message) JSON() []byte {
	return marshal(map[string]json.RawMessage(m))
}

// String returns a field's string, or "" if it has none.
func (m Message) String(field string) string {
	raw := m[field]
	if len(raw) == 0 || raw[0] != '"' {
		return "" // spares the decoder what is no string
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// Int returns a field's integer and whether it has one.
func (m Message) Int(field string) (int64, bool) {
	var n *int64
	if json.Unmarshal(m[field], &n) != nil || n == nil {
		return 0, false
	}
	return *n, true
}

// Bool tells whether a field is true.
func (m Message) Bool(field string) bool { return string(m[field]) == "true" }

// Set puts v's JSON into a field. It panics where v has none.
func (m Message) Set(field string, v any) { m[field] = marshal(v) }

// User returns the sender: the name and roles of _jwt, nobody if they cannot
// be read.
func (m Message) User() User {
	var claims Message // no struct: that would take "SUB", too
	if json.Unmarshal(m[FieldJWT], &claims) != nil {
		return User{}
	}
	var roles []string
	if raw, ok := claims["roles"]; ok && json.Unmarshal(raw, &roles) != nil {
		return User{}
	}
	return User{claims.String("sub"), roles}
}

// marshal writes v as one line and leaves <, > and & as they are.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("ebb: %T has no JSON: %v", v, err)) // raw values were parsed before
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Record is what a topic holds, with its coordinates. A nil Value is a
// tombstone. Values are JSON: other encodings end at package kafka.
type Record struct {
	Topic       string
	TopicID     [16]byte
	Partition   int32
	Offset      int64
	LeaderEpoch int32 // -1 if unknown
	Timestamp   time.Time
	Key, Value  []byte
	Headers     []Header
}

// Header is a record's header.
type Header struct {
	Key   string
	Value []byte
}

// Header returns the value of the first header with that key, nil if none.
func (r Record) Header(key string) []byte {
	for _, h := range r.Headers {
		if h.Key == key {
			return h.Value
		}
	}
	return nil
}

// Purpose is the last part of a topic's name.
type Purpose string

// The topics of an aggregate type.
const (
	Commands   Purpose = "command"
	Uniques    Purpose = "unique" // commands again, their key a value that is unique
	Events     Purpose = "event"
	FullEvents Purpose = "event-full" // with the states before and after, for types that want it
	Aggregates Purpose = "aggregate"
	Replies    Purpose = "reply"
)

// Topic names a topic: <type>-<purpose>, and -<environment> if there is one.
func Topic(typ string, p Purpose, environment string) string {
	name := typ + "-" + string(p)
	if environment != "" {
		name += "-" + environment
	}
	return name
}

// TypeOf returns the aggregate type of a topic's name, if it is one with that
// purpose and environment.
func TypeOf(topic string, p Purpose, environment string) (typ string, ok bool) {
	typ, ok = strings.CutSuffix(topic, Topic("", p, environment))
	return typ, ok && ValidType(typ)
}

// ValidType tells whether typ has the form <app>-<type>.
func ValidType(typ string) bool {
	app, rest, ok := strings.Cut(typ, "-")
	return ok && app != "" && rest != "" && len(typ) <= 200 &&
		strings.Trim(typ, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}
