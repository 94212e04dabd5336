package sse

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// Reader reads a stream as a browser does.
type Reader struct {
	in     *bufio.Reader
	lastID string
	begun  bool
	skipLF bool // the line before ended in CR
}

// NewReader returns a reader of the stream in.
func NewReader(in io.Reader) *Reader { return &Reader{in: bufio.NewReader(in)} }

// LastID returns the id that a browser would send as Last-Event-ID now.
func (r *Reader) LastID() string { return r.lastID }

// Next blocks until an event is complete. Its ID is the last one seen, its Name
// is empty for "message". An incomplete event at the end is dropped: [io.EOF].
func (r *Reader) Next() (Event, error) {
	var e Event
	var data []byte
	hasData := false
	id := r.lastID
	for {
		line, err := r.line()
		if err != nil {
			return Event{}, err
		}
		if len(line) == 0 {
			r.lastID = id
			if hasData {
				e.ID, e.Data = id, bytes.TrimSuffix(data, []byte("\n"))
				return e, nil
			}
			e = Event{Retry: e.Retry}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			e.Name = string(value)
		case "data":
			hasData = true
			data = append(append(data, value...), '\n')
		case "id":
			if !bytes.ContainsRune(value, 0) {
				id = string(value)
			}
		case "retry":
			if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil && strings.Trim(string(value), "0123456789") == "" {
				e.Retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
}

// line returns the next line without its end, which is CR, LF or both. Bytes
// without an end are no line: [io.EOF].
func (r *Reader) line() ([]byte, error) {
	var line []byte
	for {
		c, err := r.in.ReadByte()
		if err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = io.EOF // the connection was cut
			}
			return nil, err
		}
		if c == '\n' && r.skipLF {
			r.skipLF = false
			continue
		}
		r.skipLF = false
		if c == '\n' || c == '\r' {
			r.skipLF = c == '\r'
			if !r.begun {
				r.begun = true
				line = bytes.TrimPrefix(line, []byte("\ufeff"))
			}
			return line, nil
		}
		line = append(line, c)
	}
}
