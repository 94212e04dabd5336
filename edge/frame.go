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
	kindRaw   // bytes that are no event of ours, sent as they are
	kindClose
	kindGap
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
// that an id can follow. ok is false, and the content as it was, if it is not
// made of whole events without ids of their own.
func openBlock(content []byte) (open []byte, ok bool) {
	open, ok = bytes.CutSuffix(content, []byte("\n\n"))
	if !ok {
		if open, ok = bytes.CutSuffix(content, []byte("\r\n\r\n")); !ok {
			return content, false
		}
	}
	r := sse.NewReader(bytes.NewReader(content))
	events := 0
	for {
		if _, err := r.Next(); err != nil {
			break
		}
		events++
	}
	if events == 0 || r.LastID() != "" || bytes.HasPrefix(content, []byte("id")) || bytes.Contains(content, []byte("\nid")) {
		return content, false
	}
	return append(bytes.Clone(open), '\n'), true
}

// appendEntry adds an entry of the window to a stream's bytes, with the end of
// its id.
func (s *stream) appendEntry(b []byte, e *window.Entry) []byte {
	if e.Kind == kindRaw {
		return append(b, e.Frame...)
	}
	if !s.cursors {
		return append(append(b, e.Frame[:e.IDAt]...), '\n')
	}
	b = append(b, e.Frame...)
	b = append(b, s.proof...)
	return append(b, "\n\n"...)
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
		b = s.subs[0].cursor(s.proof).Append(b)
		b = append(b, '\n')
	}
	return append(b, '\n')
}
