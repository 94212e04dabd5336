package bench

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// wire reads one HTTP response with an event stream, as it comes, keeping next
// to nothing: there are very many. The reader of package sse waits for its
// source; this one is given what there is.
type wire struct {
	status  int // 0 until it is known
	chunked bool
	sized   bool // its length was told: it is no stream, or one that ends at once
	part    part
	left    int    // bytes of the chunk, or of the sized body
	line    []byte // the beginning of a line whose end has not come

	kind   kind // of the event that is being read
	mark   mark
	marked bool
	id     []byte // of it
	lastID []byte // of the last whole event: what a browser would come back with
}

// part is where in a response a wire is.
type part int

const (
	inStatus part = iota
	inHead
	inBody
	inSize     // of a chunk
	inChunk    //
	inChunkEnd // the empty line behind it
	isOver
)

// kind is what an event is, by its name.
type kind int

const (
	kindEvent kind = iota // published
	kindHello             // ebb.hello
	kindReset             // ebb.reset: something was lost
	kindOther
)

// heard is an event that came.
type heard struct {
	kind kind
	mark
}

// longest is how long a line may be.
const longest = 1 << 20

var errTooLong = errors.New("a line without an end")

// feed reads b and adds the events that are whole now.
func (w *wire) feed(b []byte, to []heard) ([]heard, error) {
	for len(b) > 0 {
		switch w.part {
		case inStatus, inHead:
			line, rest, whole := w.cut(b)
			b = rest
			if !whole {
				continue
			}
			if err := w.head(line); err != nil {
				return to, err
			}
		case inBody:
			return w.body(b, to)
		case inSize:
			if b[0] == '\n' {
				w.part = inChunk
				if w.left == 0 {
					w.part = isOver
				}
			} else if digit := bytes.IndexByte([]byte("0123456789abcdef"), b[0]|0x20); digit >= 0 {
				w.left = w.left<<4 | digit
			} else if b[0] != '\r' {
				return to, fmt.Errorf("a chunk's size has %q", b[0])
			}
			b = b[1:]
		case inChunk:
			n := min(w.left, len(b))
			var err error
			if to, err = w.body(b[:n], to); err != nil {
				return to, err
			}
			if w.left -= n; w.left == 0 {
				w.part = inChunkEnd
				if w.sized {
					w.part = isOver
				}
			}
			b = b[n:]
		case inChunkEnd:
			if b[0] == '\n' {
				w.part = inSize
			}
			b = b[1:]
		case isOver:
			return to, nil
		}
	}
	return to, nil
}

// cut returns the first line of what has come, without its end, if it is whole.
func (w *wire) cut(b []byte) (line, rest []byte, whole bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		w.line = append(w.line, b...)
		return nil, nil, false
	}
	line, rest = b[:end], b[end+1:]
	if len(w.line) > 0 {
		line = append(w.line, line...)
		w.line = line[:0] // used before the next line is begun
	}
	return bytes.TrimSuffix(line, []byte("\r")), rest, true
}

// head reads a line of the response's head.
func (w *wire) head(line []byte) (err error) {
	switch {
	case w.part == inStatus:
		if len(line) < 12 || string(line[:7]) != "HTTP/1." {
			return fmt.Errorf("got %.40q for an answer", line)
		}
		w.part = inHead
		w.status, err = strconv.Atoi(string(line[9:12]))
	case len(line) == 0:
		w.part = inBody
		switch {
		case w.chunked:
			w.part = inSize
		case w.sized && w.left == 0:
			w.part = isOver
		case w.sized:
			w.part = inChunk
		}
	default:
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch value = bytes.TrimSpace(value); {
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			w.chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Content-Length")):
			w.sized = true
			w.left, err = strconv.Atoi(string(value))
		}
	}
	return err
}

// body reads a piece of the event stream.
func (w *wire) body(b []byte, to []heard) ([]heard, error) {
	for len(b) > 0 {
		line, rest, whole := w.cut(b)
		b = rest
		if !whole {
			if len(w.line) > longest {
				return to, errTooLong
			}
			return to, nil
		}
		if len(line) > 0 {
			w.field(line)
			continue
		}
		if w.id != nil {
			w.lastID, w.id = w.id, w.lastID[:0]
		}
		if w.marked || w.kind != kindEvent {
			to = append(to, heard{w.kind, w.mark})
		}
		w.kind, w.marked = kindEvent, false
		w.id = append(w.id[:0], w.lastID...)
	}
	return to, nil
}

func (w *wire) field(line []byte) {
	if value, ok := trimField(line, "data"); ok {
		if m, ok := readMark(value); ok {
			w.mark, w.marked = m, true
		}
	} else if value, ok := trimField(line, "id"); ok {
		w.id = append(w.id[:0], value...)
	} else if value, ok := trimField(line, "event"); ok {
		switch string(value) {
		case "", "message":
			w.kind = kindEvent
		case "ebb.hello":
			w.kind = kindHello
		case "ebb.reset":
			w.kind = kindReset
		default:
			w.kind = kindOther
		}
	}
}
