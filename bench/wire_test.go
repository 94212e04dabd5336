package bench

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// responses are one stream, said in different ways.
func responses() map[string]string {
	body := "retry: 100\n\nevent: ebb.hello\ndata: {}\nid: 1\n\n: comment\n\n" +
		"data: " + string(mark{1, 7, 99}.appendData(nil, 60)) + "\nid: 2\n\n" +
		"event: ebb.mark\ndata\nid: 3\n\n" +
		"id: 4\r\nevent: message\r\ndata:" + string(mark{2, everybody, 100}.appendData(nil, 0)) + "\r\n\r\n" +
		"event: ebb.reset\ndata: {}\n\n" +
		"id: 5\ndata: never whole\n"
	var chunks strings.Builder
	for rest := body; rest != ""; {
		n := min(len(rest), 27)
		fmt.Fprintf(&chunks, "%x\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	return map[string]string{
		"sized":   fmt.Sprintf("HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s", len(body), body),
		"plain":   "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + body,
		"chunked": "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n" + chunks.String() + "0\r\n\r\n",
	}
}

func TestWireReadsWhateverWayItComes(t *testing.T) {
	want := []heard{
		{kindHello, mark{}}, {kindEvent, mark{1, 7, 99}}, {kindOther, mark{1, 7, 99}},
		{kindEvent, mark{2, everybody, 100}}, {kindReset, mark{2, everybody, 100}},
	}
	for name, response := range responses() {
		for size := 1; size <= len(response); size++ {
			var w wire
			var got []heard
			for rest := response; rest != ""; {
				n := min(size, len(rest))
				var err error
				if got, err = w.feed([]byte(rest[:n]), got); err != nil {
					t.Fatalf("%s, %d at a time: %v", name, size, err)
				}
				rest = rest[n:]
			}
			if !reflect.DeepEqual(got, want) || w.status != 200 || string(w.lastID) != "4" {
				t.Fatalf("%s, %d at a time: got %v, status %d, last id %q; want %v, 200, 4", name, size, got, w.status, w.lastID, want)
			}
			if (name != "plain") != (w.part == isOver) {
				t.Fatalf("%s: is in part %d at the end", name, w.part)
			}
		}
	}
}

func TestWireRefusesWhatIsNoResponse(t *testing.T) {
	for _, text := range []string{"SSH-2.0-x\r\n", "HTTP/1.1 abc\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"} {
		var w wire
		if _, err := w.feed([]byte(text), nil); err == nil {
			t.Errorf("%q: got no error", text)
		}
	}
}

func TestMark(t *testing.T) {
	m := mark{12, 14_999, 1_763_000_000_000_000_000}
	data := m.appendData(nil, 200)
	if got, ok := readMark(data); !ok || got != m || len(data) != 200 {
		t.Errorf("got %v, %v, %d bytes; want %v in 200", got, ok, len(data), m)
	}
	for _, data := range []string{"", "{}", strings.Repeat("x", 200), string(data[:markLen-1])} {
		if _, ok := readMark([]byte(data)); ok {
			t.Errorf("%q is read as a mark", data)
		}
	}
}
