package edge

import (
	"bytes"
	"encoding/json"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/internal/window"
	"github.com/ebb-events/ebb/sse"
)

// Kinds of a window's entry.
const (
	kindEvent = iota
	kindRaw   // bytes that no cursor can be put into, sent as they are
	kindClose
	kindGap
	kindAnswer // not for streams: a response for whom it is held
	kindHint   // neither: to ask the origin again
)

// The names of Ebb's own events.
const (
	eventHello    = "ebb.hello"
	eventMark     = "ebb.mark"
	eventReset    = "ebb.reset"
	eventExpiring = "ebb.expiring"
	eventBye      = "ebb.bye"
)

// frame encodes an entry up to where its id ends in the session's proof, the
// same for all streams.
func frame(l channel.Log, e *channel.Entry) window.Entry {
	out := window.Entry{Offset: e.Offset, Epoch: e.Epoch, Channel: e.Channel, Time: e.Time}
	switch e.Kind {
	case channel.Raw, channel.Answer, channel.Hint:
		item := newItem(e)
		out.Extra, out.Beside = item, item.size()
	}
	switch e.Kind {
	case channel.Event:
		name := e.Name
		if !sse.ValidName(name) {
			name = ""
		}
		out.Frame = sse.AppendFields(make([]byte, 0, len(e.Data)+len(name)+96), name, e.Data)
		out.IDAt = len(out.Frame)
	case channel.Raw:
		open, ok := openBlock(e.Data)
		out.Frame, out.IDAt = open, len(open)
		if !ok {
			out.Kind = kindRaw
			return out
		}
	case channel.Answer:
		out.Kind, out.Frame = kindAnswer, e.Data
		return out
	case channel.Hint:
		out.Kind = kindHint
		return out
	case channel.Close:
		out.Kind = kindClose
		return out
	case channel.Gap:
		out.Kind = kindGap
		out.Frame = e.Data
		return out
	}
	c := channel.Cursor{Generation: l.Generation, Partition: e.Partition, Offset: e.Offset, Epoch: e.Epoch, Src: e.Src.Short()}
	out.Frame = c.Append(append(out.Frame, "id: "...))
	return out
}

// openBlock returns published content without the empty line at its end, so
// that an id can follow. ok is false, and the content as it was, if it does not
// end with a whole event, or has ids of its own.
func openBlock(content []byte) (open []byte, ok bool) {
	events, rest := sse.Split(content)
	if len(events) == 0 || len(rest) > 0 || hasID(content) {
		return content, false
	}
	switch {
	case bytes.HasSuffix(content, []byte("\r\n\r\n")):
		open = content[:len(content)-2]
	case bytes.HasSuffix(content, []byte("\n\n")):
		open = content[:len(content)-1]
	default:
		return content, false
	}
	return append(make([]byte, 0, len(open)+96), open...), true
}

// blocks returns the events of published content, and what follows the last, so
// that each event gets an id; or the content alone where they cannot have one.
func blocks(content []byte) [][]byte {
	events, rest := sse.Split(content)
	for _, event := range events {
		if _, ok := openBlock(event); !ok {
			return [][]byte{content}
		}
	}
	if len(rest) > 0 || len(events) == 0 {
		events = append(events, rest)
	}
	return events
}

// hasID tells whether a line may be an id field.
func hasID(content []byte) bool {
	return bytes.HasPrefix(content, []byte("id")) || bytes.Contains(content, []byte("\nid")) || bytes.Contains(content, []byte("\rid"))
}

// endBlock adds to b, which ends with content, what content needs to be whole
// blocks: what follows must not become part of it.
func endBlock(b, content []byte) []byte {
	last, ok := cutLineEnd(content)
	if !ok {
		if len(content) == 0 {
			return b
		}
		return append(b, "\n\n"...)
	}
	if _, ok := cutLineEnd(last); ok || len(last) == 0 {
		return b
	}
	if content[len(content)-1] == '\r' {
		b = append(b, '\n') // which belongs to the CR
	}
	return append(b, '\n')
}

func cutLineEnd(b []byte) (before []byte, ok bool) {
	for _, end := range []string{"\r\n", "\n", "\r"} {
		if before, ok = bytes.CutSuffix(b, []byte(end)); ok {
			return before, true
		}
	}
	return b, false
}

// appendEntry adds an entry of the window to a stream's bytes, with the end of
// its id.
func (s *stream) appendEntry(b []byte, e *window.Entry) []byte {
	if e.Kind == kindRaw {
		return s.appendRaw(b, e.Frame)
	}
	if !s.cursors {
		open := e.Frame[:e.IDAt]
		b = append(b, open...)
		if bytes.HasSuffix(open, []byte("\r\n")) {
			b = append(b, '\r') // as it was published
		}
		return append(b, '\n')
	}
	b = append(b, e.Frame...)
	b = s.appendProof(b)
	return append(b, "\n\n"...)
}

// appendRaw adds what has no place for a cursor in it. On an event stream it is
// whole blocks. An event that was left open gets a cursor after all; else one of
// ours tells how far the content goes.
func (s *stream) appendRaw(b, content []byte) []byte {
	b = append(b, content...)
	switch {
	case !s.sse:
		return b
	case !s.cursors:
		return endBlock(b, content)
	}
	whole := endBlock(b, content)
	if len(whole) > len(b) {
		if events, rest := sse.Split(content); len(events) == 0 && !hasID(rest) {
			b = append(whole[:len(whole)-1], "id: "...)
			return append(s.appendProof(s.sub.cursor().Append(b)), "\n\n"...)
		}
	}
	return s.appendOwn(whole, eventMark, nil)
}

// appendOwn adds one of Ebb's own events, with the stream's position for an id.
func (s *stream) appendOwn(b []byte, name string, data any) []byte {
	if !s.sse {
		return b
	}
	var text []byte
	if data != nil {
		text, _ = json.Marshal(data) // structs of strings: cannot fail
	}
	b = sse.AppendFields(b, name, text)
	if s.cursors {
		b = append(b, "id: "...)
		b = s.appendProof(s.sub.cursor().Append(b))
		b = append(b, '\n')
	}
	return append(b, '\n')
}
