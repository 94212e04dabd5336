package sse_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/sse"
)

func TestAppend(t *testing.T) {
	tests := []struct {
		name  string
		event sse.Event
		want  string
	}{
		{"data alone", sse.Event{Data: []byte("x")}, "data: x\n\n"},
		{"no data", sse.Event{}, "data: \n\n"},
		{"every field", sse.Event{ID: "7", Name: "put", Data: []byte("x"), Retry: 3 * time.Second}, "retry: 3000\nid: 7\nevent: put\ndata: x\n\n"},
		{"line ends in data", sse.Event{Data: []byte("a\r\nb\rc\nd\n")}, "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"},
		{"line ends in a name", sse.Event{Name: "a\ndata: b"}, "event: adata: b\ndata: \n\n"},
		{"line ends and NUL in an id", sse.Event{ID: "a\r\n\x00b"}, "id: ab\ndata: \n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(tt.event.Append(nil)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReaderReadsAsABrowser(t *testing.T) {
	tests := []struct {
		name, stream string
		want         []sse.Event
		lastID       string
	}{
		{"comment and unknown field", ": hi\nfoo: 1\ndata: x\n\n", []sse.Event{{Data: []byte("x")}}, ""},
		{"id stays", "id: 1\ndata: a\n\ndata: b\n\n", []sse.Event{{ID: "1", Data: []byte("a")}, {ID: "1", Data: []byte("b")}}, "1"},
		{"a block without data moves the id alone", "event: x\nid: 9\n\ndata: b\n\n", []sse.Event{{ID: "9", Data: []byte("b")}}, "9"},
		{"incomplete event", "data: a\n\nid: 2\ndata: b\n", []sse.Event{{Data: []byte("a")}}, ""},
		{"every line end", "data: a\r\rdata: b\r\n\r\ndata: c\n\n", []sse.Event{{Data: []byte("a")}, {Data: []byte("b")}, {Data: []byte("c")}}, ""},
		{"BOM", "\ufeffdata: a\n\n", []sse.Event{{Data: []byte("a")}}, ""},
		{"one space is dropped", "data:  a\n\n", []sse.Event{{Data: []byte(" a")}}, ""},
		{"retry", "retry: 10\ndata\n\n", []sse.Event{{Retry: 10 * time.Millisecond}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := sse.NewReader(strings.NewReader(tt.stream))
			for _, want := range tt.want {
				got, err := r.Next()
				if err != nil || got.ID != want.ID || got.Name != want.Name || !bytes.Equal(got.Data, want.Data) || got.Retry != want.Retry {
					t.Errorf("got %+v, %v, want %+v", got, err, want)
				}
			}
			if e, err := r.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("got %+v, %v, want EOF", e, err)
			}
			if r.LastID() != tt.lastID {
				t.Errorf("last id is %q, want %q", r.LastID(), tt.lastID)
			}
		})
	}
}
