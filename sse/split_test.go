package sse_test

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/ebb-events/ebb/sse"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		piece string
		want  []string
		rest  string
	}{
		{"", nil, ""},
		{"data: a\n\n", []string{"data: a\n\n"}, ""},
		{"data: a\n\ndata: b\n\n", []string{"data: a\n\n", "data: b\n\n"}, ""},
		{"data\r\n\r\nevent: x\rdata:b\r\r", []string{"data\r\n\r\n", "event: x\rdata:b\r\r"}, ""},
		{":c\n\ndata: a\n\n:d\n\n", []string{":c\n\ndata: a\n\n"}, ":d\n\n"},
		{"retry: 3\n\ndata: a\n\ndata: b", []string{"retry: 3\n\ndata: a\n\n"}, "data: b"},
		{"data: a\n\n\n\n", []string{"data: a\n\n"}, "\n\n"},
		{"datax: a\n\n", nil, "datax: a\n\n"},
	}
	for _, tt := range tests {
		events, rest := sse.Split([]byte(tt.piece))
		var got []string
		for _, e := range events {
			got = append(got, string(e))
		}
		if !slices.Equal(got, tt.want) || string(rest) != tt.rest {
			t.Errorf("%q: got %q and %q", tt.piece, got, rest)
		}
	}
}

// FuzzSplit: nothing is lost, and each event is one to who reads it.
func FuzzSplit(f *testing.F) {
	for _, piece := range []string{"data: a\n\ndata: b\r\n\r\n", "data\r\r\n:x\r\n\rdata: y\n", "id: 1\n\ndata: \x00\u2028\n\n", "\xffdata:\n\n"} {
		f.Add([]byte(piece))
	}
	f.Fuzz(func(t *testing.T, piece []byte) {
		if bytes.HasPrefix(piece, []byte("\ufeff")) {
			return // which begins a stream only
		}
		events, rest := sse.Split(piece)
		if all := append(bytes.Join(events, nil), rest...); !bytes.Equal(all, piece) {
			t.Fatalf("got %q and %q", events, rest)
		}
		r := sse.NewReader(bytes.NewReader(piece))
		for _, e := range events {
			want, err := r.Next()
			got, err2 := sse.NewReader(bytes.NewReader(e)).Next()
			if err != nil || err2 != nil || !bytes.Equal(got.Data, want.Data) || got.Name != want.Name {
				t.Fatalf("%q: got %q, %v, want %q, %v", e, got.Data, err2, want.Data, err)
			}
		}
		if e, err := r.Next(); err != io.EOF {
			t.Fatalf("one more: %q", e.Data)
		}
	})
}
