// Package sse writes and reads Server-Sent Events as the HTML standard has
// them (https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
// Nothing that a field holds can break out of it: line ends in data become
// lines of data, and a name or an id with a line end or a NUL loses them.
package sse

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// ContentType is the media type of a stream.
const ContentType = "text/event-stream"

// Event is one block of a stream.
type Event struct {
	ID    string        // no id field if empty
	Name  string        // no event field if empty: the browser's "message"
	Data  []byte        // a browser sees no event whose block has no data field; see [Event.Append]
	Retry time.Duration // no retry field if zero; whole milliseconds
}

// Append adds e's block to b. The data field is always there, so that every
// browser dispatches the event and keeps its id.
func (e Event) Append(b []byte) []byte {
	if e.Retry > 0 {
		b = append(b, "retry: "...)
		b = strconv.AppendInt(b, e.Retry.Milliseconds(), 10)
		b = append(b, '\n')
	}
	if e.ID != "" {
		b = appendField(b, "id: ", e.ID)
	}
	return append(AppendFields(b, e.Name, e.Data), '\n')
}

// AppendFields adds a block's name and data and leaves the block open, for an
// id to follow. A block ends with an empty line.
func AppendFields(b []byte, name string, data []byte) []byte {
	if name != "" {
		b = appendField(b, "event: ", name)
	}
	for {
		i := bytes.IndexAny(data, "\r\n")
		b = append(b, "data: "...)
		if i < 0 {
			b = append(b, data...)
			return append(b, '\n')
		}
		b = append(b, data[:i]...)
		b = append(b, '\n')
		if data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n' {
			i++
		}
		data = data[i+1:]
	}
}

func appendField(b []byte, field, value string) []byte {
	b = append(b, field...)
	if strings.ContainsAny(value, "\r\n\x00") {
		value = strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(value)
	}
	b = append(b, value...)
	return append(b, '\n')
}

// ValidName tells whether name is one that Ebb sends: 1 to 64 characters out
// of letters, digits, dot, underscore, colon and hyphen.
func ValidName(name string) bool {
	return len(name) >= 1 && len(name) <= 64 &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-") == ""
}
