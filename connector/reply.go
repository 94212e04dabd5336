package connector

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/ebb-events/ebb"
)

// Why a reply is put aside.
const (
	noValue      = "tombstone"     // a record without a value
	empty        = "empty"         // nothing in it
	noJSON       = "no-json"       // not JSON
	noObject     = "no-object"     // JSON, but no object
	tooDeep      = "too-deep"      // nested deeper than any reader takes
	noRecipient  = "no-recipient"  // no _jwt, or no sub in it
	badRecipient = "bad-recipient" // a sub that can be nobody's name

	unknownIssuer = "unknown-issuer" // an iss that is none of Config.Issuers
	foreignUser   = "foreign-user"   // a sub that is not in its iss's namespace
)

// reply is what must be known of one, and what of it may be seen.
// Values are as they were written; nil if there are none.
type reply struct {
	sub, iss, subscriptions, name []byte
	kept                          [len(kept)][]byte
	payload                       []byte // one line, without what is secret
	private                       bool   // there is more in it than others than the sender may see
}

// kept are the fields that a placeholder takes along.
var kept = [...]string{
	ebb.FieldID, ebb.FieldType, ebb.FieldCorr, ebb.FieldCommand, ebb.FieldSeq,
	ebb.FieldOutcome, ebb.FieldError, ebb.FieldStatusCode,
}

// maxKept is the longest value that a placeholder takes along.
const maxKept = 256

var (
	keptOutcome = slices.Index(kept[:], ebb.FieldOutcome)
	keptError   = slices.Index(kept[:], ebb.FieldError)
)

// parse reads a reply's value, or says why it cannot be carried.
func parse(value []byte, nameField string) (reply, string) {
	switch {
	case value == nil:
		return reply{}, noValue
	case len(value) == 0:
		return reply{}, empty
	}
	s := scanner{in: value, out: make([]byte, 0, len(value)), nameField: nameField}
	if reason := s.message(); reason != "" {
		return reply{}, reason
	}
	s.payload = s.out
	if s.ofElder() && string(s.kept[keptError]) == "true" {
		s.payload = withoutTrace(s.payload)
	}
	return s.reply, ""
}

// ofElder tells whether a reply is of the elder Java family, which has no
// _outcome.
func (r *reply) ofElder() bool { return r.kept[keptOutcome] == nil }

// withoutTrace takes out the stack trace with which that family says that a
// reducer broke. It is for the log, and not for browsers.
func withoutTrace(payload []byte) []byte {
	m, err := ebb.ParseMessage(payload)
	if err != nil || m["exception"] == nil {
		return payload
	}
	delete(m, "exception")
	return m.JSON()
}

// forOthers is the payload without _acl, wherever it stands: who may do what is
// no news for others than the sender.
func (r *reply) forOthers() []byte {
	if !r.private {
		return r.payload
	}
	s := scanner{in: r.payload, out: make([]byte, 0, len(r.payload)), others: true}
	if s.message() != "" {
		return []byte("{}") // it was read before
	}
	return s.out
}

// applied tells whether a reply is of interest to more than the sender.
func (r *reply) applied() bool {
	outcome, _ := unquote(r.kept[keptOutcome])
	return string(r.kept[keptError]) != "true" &&
		(r.ofElder() || outcome == string(ebb.Applied))
}

// recipients returns who hears a reply, each once, in byte order. Nobody is no
// reason to put it aside where all are excluded.
func (r *reply) recipients(from issuers, excluded map[ebb.Username]bool) (users []ebb.Username, reason string) {
	if len(r.sub) == 0 {
		return nil, noRecipient
	}
	sender, ok := unquote(r.sub)
	if !ok || !ebb.ValidUser(sender) {
		return nil, badRecipient
	}
	iss, _ := unquote(r.iss)
	if reason := from.vouch(iss, sender); reason != "" {
		return nil, reason
	}
	users = append(users, sender)
	if r.applied() && len(r.subscriptions) > 0 {
		users = append(users, subscribers(r.subscriptions, from)...)
		slices.Sort(users)
		users = slices.Compact(users)
	}
	if len(excluded) > 0 {
		users = slices.DeleteFunc(users, func(user ebb.Username) bool { return excluded[user] })
	}
	return users, ""
}

// subscribers reads _subscriptions: a list of names, or of objects with a sub.
// What can be nobody's name is passed over.
func subscribers(raw []byte, of issuers) (users []ebb.Username) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	for _, one := range list {
		if one[0] == '{' {
			var object map[string]json.RawMessage // not a struct: that would take "SUB", too
			if json.Unmarshal(one, &object) != nil {
				continue
			}
			one = object["sub"]
		}
		if user, ok := unquote(one); ok && ebb.ValidUser(user) && of.has(user) {
			users = append(users, user)
		}
	}
	return users
}

// placeholder stands for a payload that is too large.
func (r *reply) placeholder() []byte {
	b := []byte("{")
	for i, field := range kept {
		if raw := r.kept[i]; len(raw) > 0 && len(raw) <= maxKept && raw[0] != '{' && raw[0] != '[' {
			b = append(strconv.AppendQuote(b, field), ':')
			b = append(append(b, raw...), ',')
		}
	}
	b = append(b, `"_truncated":true,"reason":"too large","size":`...)
	return append(strconv.AppendInt(b, int64(len(r.payload)), 10), '}')
}

// unquote returns the string that raw is in JSON, if it is one.
func unquote(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}
