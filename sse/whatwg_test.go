package sse_test

import (
	"strings"
)

// message is what a page gets of an event, and what its browser remembers.
type message struct{ name, data, lastID string }

// dispatched is the HTML standard's algorithm, step by step and written apart
// from the package ("9.2.6 Interpreting an event stream"): what a page gets of
// a whole stream, and the id that its browser would come back with.
func dispatched(stream string) (all []message, lastID string) {
	stream = strings.TrimPrefix(decoded(stream), "\ufeff")
	var data, event, id string
	for stream != "" {
		end := strings.IndexAny(stream, "\r\n")
		if end < 0 {
			break // the rest is no line: "discard any pending data"
		}
		line, next := stream[:end], end+1
		if strings.HasPrefix(stream[end:], "\r\n") {
			next++
		}
		stream = stream[next:]
		colon := strings.IndexByte(line, ':')
		switch {
		case line == "": // dispatch the event
			lastID = id
			if data != "" {
				name := event
				if name == "" {
					name = "message"
				}
				all = append(all, message{name, strings.TrimSuffix(data, "\n"), lastID})
			}
			data, event = "", ""
			continue
		case colon == 0: // a comment
			continue
		}
		field, value := line, ""
		if colon > 0 {
			field, value = line[:colon], strings.TrimPrefix(line[colon+1:], " ")
		}
		switch field {
		case "event":
			event = value
		case "data":
			data += value + "\n"
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		}
	}
	return all, lastID
}

// decoded is text as a browser reads bytes: what is no UTF-8 becomes U+FFFD.
func decoded(s string) string { return string([]rune(s)) }
