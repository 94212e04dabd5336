package aggregate

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ebb-events/ebb"
)

// Command is what somebody wants done with an instance.
type Command struct {
	ID     string    // of the instance
	Name   string    // selects the reducer
	Corr   string    // correlates the answer; made if the command has none
	User   ebb.User  // who sent it
	Time   time.Time // when it came in; the same however often it is executed
	Exists bool      // whether there is such an instance, not a deleted one
	Seq    int64     // number of the instance's last event, -1 if it had none
	Cause  string    // the event that a [Reactor] sent it for; empty if none did

	value  []byte
	fields ebb.Message
}

// Decode puts the command's fields into v, as [json.Unmarshal] does, but keeps
// numbers in untyped parts as they are, and takes a name for a json tag only if
// they are the same to the letter. Its error is a rejection that names the
// field by its tag.
func (c Command) Decode(v any) error {
	return misfit(decodeExact(c.value, v), "The command cannot be read.")
}

func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(v)
}

// Limits of what can be a command.
const (
	maxDepth = 64
	maxName  = 1024 // bytes of an id, a correlation id, a user's name
)

// parse reads a command, or says why it is none.
func parse(r ebb.Record) (c Command, reason string) {
	if depth(r.Value) > maxDepth {
		return c, "nested too deeply"
	}
	m, err := ebb.ParseMessage(r.Value)
	if err != nil || !utf8.Valid(r.Value) {
		return c, "not a JSON object"
	}
	millis, _ := m.Int(ebb.FieldTimestamp)
	c = Command{
		ID:     idOf(m),
		Name:   m.String(ebb.FieldCommand),
		Corr:   m.String(ebb.FieldCorr),
		User:   m.User(),
		Time:   time.UnixMilli(millis),
		Cause:  string(r.Header(headerCause)),
		value:  r.Value,
		fields: m,
	}
	if c.Corr == "" {
		c.Corr = madeCorr(r)
		m.Set(ebb.FieldCorr, c.Corr)
	}
	switch {
	case c.ID == "":
		return c, "no _id"
	case c.User.Name == "":
		return c, "no _jwt.sub"
	case max(len(c.ID), len(c.Corr), len(c.User.Name)) > maxName:
		return c, "_id, _corr or _jwt.sub too long"
	}
	return c, ""
}

// madeCorr is a UUID of the record's coordinates, so that a command without
// _corr has the same however often it is read.
func madeCorr(r ebb.Record) string {
	where := fmt.Appendf(r.TopicID[:], "%s/%d/%d", r.Topic, r.Partition, r.Offset)
	sum := sha256.Sum256(where)
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // version 8, of our own making
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// absent tells whether a field is not there, or null.
func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func idOf(m ebb.Message) string { return strings.ToLower(m.String(ebb.FieldID)) }

// asked is the _id that the sender named. That of the instance is another where
// a unique value told which one is meant.
func (c Command) asked() string { return idOf(c.fields) }

// depth returns how deeply arrays and objects are nested in JSON.
func depth(b []byte) (deepest int) {
	for i, d := 0, 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			d++
			deepest = max(deepest, d)
		case '}', ']':
			d--
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		}
	}
	return deepest
}
