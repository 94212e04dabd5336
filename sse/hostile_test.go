package sse_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ebb-events/ebb/sse"
)

// hostile are values that want out of their field.
var hostile = []string{
	"", " ", ":", "\n", "\r", "\r\n", "\n\n", "\r\r", "\x00", "\ufeff", "\xff\xfe", "\xe2\x80", "\xed\xa0\x80", "\u2028", "\u2029", "\u0085", "\x0b\x0c",
	"a\ndata: b", "a\n\ndata: b\n\n", "a\r\rid: 9\r\r", "a\r\n\r\nevent: ebb.reset\r\ndata: {}\r\n\r\n", "a\x00\nid: 9\n", "x\nretry: 1\n", "\nid\n\n", "\n:\n",
	" data: x", "data: x\n\n", "id: 1\nevent: e\ndata: d\n\n", "\r\ndata: \ufeff", "a\u2028id: 9\u2028\u2028", strings.Repeat("\n", 1000), strings.Repeat("\r", 999) + "x",
}

// TestSSERoundTripHostile: whatever a field holds, a page gets one event with
// that data, and the next event is what it would be without it (S24).
func TestSSERoundTripHostile(t *testing.T) {
	for _, id := range hostile {
		for _, name := range hostile {
			for _, data := range hostile {
				roundTrip(t, id, name, []byte(data))
			}
		}
	}
}

// FuzzSSEEncode: what we write is what a browser reads; to the standard's own
// algorithm, and to our reader.
func FuzzSSEEncode(f *testing.F) {
	f.Add("1", "x", []byte("a"))
	f.Add("a\nid: b", "m\r\ndata: y", []byte("\r\n\n: \u2028\x00\xff\ufeff"))
	f.Fuzz(roundTrip)
}

func roundTrip(t *testing.T, id, name string, data []byte) {
	stream := string(sse.Event{ID: id, Name: name, Data: data}.Append(nil)) + "data: end\n\n"
	bare := strings.NewReplacer("\r", "", "\n", "", "\x00", "")
	want := message{decoded(bare.Replace(name)), decoded(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))), decoded(bare.Replace(id))}
	if want.name == "" {
		want.name = "message"
	}
	got, lastID := dispatched(stream)
	if len(got) != 2 || got[0] != want || got[1] != (message{"message", "end", want.lastID}) || lastID != want.lastID {
		t.Fatalf("%q %q %q: a browser gets %q, last id %q, want %q and the end", id, name, data, got, lastID, want)
	}
	sameAsBrowser(t, stream)
}

// FuzzReader: our reader, on which tests rely, hears of any stream exactly what
// a browser hears.
func FuzzReader(f *testing.F) {
	for _, stream := range hostile {
		f.Add("id: 1\ndata: a\n" + stream + "\ndata: b\n\n")
	}
	f.Fuzz(sameAsBrowser)
}

func sameAsBrowser(t *testing.T, stream string) {
	want, lastID := dispatched(stream)
	r := sse.NewReader(bytes.NewReader([]byte(stream)))
	for i := 0; ; i++ {
		e, err := r.Next()
		if err != nil {
			if i != len(want) || decoded(r.LastID()) != lastID {
				t.Fatalf("%q: %d events and last id %q, a browser has %d and %q", stream, i, r.LastID(), len(want), lastID)
			}
			return
		}
		got := message{decoded(e.Name), decoded(string(e.Data)), decoded(e.ID)}
		if got.name == "" {
			got.name = "message"
		}
		if i >= len(want) || got != want[i] {
			t.Fatalf("%q: event %d is %q, a browser gets %q", stream, i, got, want)
		}
	}
}
