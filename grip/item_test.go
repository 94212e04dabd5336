package grip_test

import (
	"reflect"
	"testing"

	"github.com/ebb-events/ebb/grip"
)

func send(content string) *grip.Stream { return &grip.Stream{Content: []byte(content), Action: "send"} }

func TestParseItems(t *testing.T) {
	tests := []struct {
		name, item string
		want       grip.Item
	}{
		{"nested, as JavaScript and Java do", `{"channel":"a","formats":{"http-stream":{"content":"x"}}}`, grip.Item{"a", "", send("x")}},
		{"inline, as Python and Go do", `{"channel":"a","id":"1","prev-id":"0","http-stream":{"content":"x"}}`, grip.Item{"a", "1", send("x")}},
		{"both: formats counts", `{"channel":"a","formats":{"http-stream":{"content":"x"}},"http-stream":{"content":"y"}}`, grip.Item{"a", "", send("x")}},
		{"empty formats", `{"channel":"a","formats":{},"http-stream":{"content":"y"}}`, grip.Item{"a", "", nil}},
		{"other formats", `{"channel":"a","formats":{"ws-message":{"content":"x"},"http-response":{"body":"x"}}}`, grip.Item{"a", "", nil}},
		{"no content", `{"channel":"a","http-stream":{"content":""}}`, grip.Item{"a", "", send("")}},
		{"binary content", `{"channel":"a","http-stream":{"content-bin":"AP8="}}`, grip.Item{"a", "", send("\x00\xff")}},
		{"send", `{"channel":"a","http-stream":{"action":"send","content":"x"}}`, grip.Item{"a", "", send("x")}},
		{"close, as JavaScript does", `{"channel":"a","formats":{"http-stream":{"action":"close","content":""}}}`, grip.Item{"a", "", &grip.Stream{Action: "close"}}},
		{"close, whatever its content", `{"channel":"a","http-stream":{"action":"close","content-bin":"!"}}`, grip.Item{"a", "", &grip.Stream{Action: "close"}}},
		{"hint", `{"channel":"a","http-stream":{"action":"hint"}}`, grip.Item{"a", "", &grip.Stream{Action: "hint"}}},
		{"hostile channel", `{"channel":"a,b;c\n\u0000","http-stream":{"content":"x"}}`, grip.Item{"a,b;c\n\x00", "", send("x")}},
		{"what others add", `{"channel":"a","no-seq":true,"size":3,"meta":{"user":"x"},"http-stream":{"content":"x","content-filters":[]}}`, grip.Item{"a", "", send("x")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := grip.ParseItems([]byte(`{"items":[` + tt.item + `]}`))
			if err != nil || !reflect.DeepEqual(got, []grip.Item{tt.want}) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
	if got, err := grip.ParseItems([]byte(`{"items":[]}`)); err != nil || len(got) != 0 {
		t.Errorf("no items: got %v, %v", got, err)
	}
}

func TestOneBadItemRefusesAll(t *testing.T) {
	const good = `{"channel":"a","http-stream":{"content":"x"}}`
	for _, bad := range []string{
		`null`, `7`, `{}`, `{"channel":""}`, `{"channel":7}`, `{"channel":"a","id":7}`, `{"channel":"a","formats":7}`,
		`{"channel":"a","http-stream":{}}`, `{"channel":"a","http-stream":{"content":null}}`, `{"channel":"a","http-stream":{"content":7}}`,
		`{"channel":"a","http-stream":{"content-bin":"!"}}`, `{"channel":"a","http-stream":{"action":"shout","content":"x"}}`,
		`{"channel":"a","http-stream":{"content":"x"}`,
	} {
		if got, err := grip.ParseItems([]byte(`{"items":[` + good + `,` + bad + `]}`)); err == nil || got != nil {
			t.Errorf("%s: got %+v, %v", bad, got, err)
		}
	}
	for _, body := range []string{``, `x`, `{}`, `[]`, `{"items":null}`, `{"items":{}}`, `{"items":[]}{}`} {
		if got, err := grip.ParseItems([]byte(body)); err == nil {
			t.Errorf("%s: got %+v", body, got)
		}
	}
}

func TestItemsComeBack(t *testing.T) {
	want := []grip.Item{
		{"ann", "7", send("data: <x>&\u2028\n\n")},
		{"a,b;c\"", "", send("")},
		{"binary", "", send("\x00\xff\xfe")},
		{"ann", "", &grip.Stream{Action: "close"}},
		{"ann", "", nil},
	}
	got, err := grip.ParseItems(grip.FormatItems(want...))
	for i := range got {
		if s := got[i].Stream; s != nil && want[i].Stream != nil && string(s.Content) == string(want[i].Stream.Content) {
			s.Content = want[i].Stream.Content // nil or empty is the same
		}
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got := string(grip.FormatItems()); got != `{"items":[]}` {
		t.Errorf("no items: got %s", got)
	}
}

func FuzzParseItems(f *testing.F) {
	f.Add([]byte(`{"items":[{"channel":"a","id":"1","http-stream":{"content":"x"}},{"channel":"b","formats":{"http-stream":{"content-bin":"AP8="}}}]}`))
	f.Add([]byte(`{"items":[{"channel":"a","formats":{"http-stream":{"action":"close"}}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := grip.ParseItems(body)
		if err != nil {
			return
		}
		again, err := grip.ParseItems(grip.FormatItems(items...))
		if err != nil || len(again) != len(items) {
			t.Fatalf("got %+v, %v, want %+v", again, err, items)
		}
		for i, item := range items {
			if item.Channel == "" || again[i].Channel != item.Channel || again[i].ID != item.ID || (again[i].Stream == nil) != (item.Stream == nil) ||
				item.Stream != nil && (string(again[i].Stream.Content) != string(item.Stream.Content) || again[i].Stream.Action != item.Stream.Action) {
				t.Fatalf("got %+v, want %+v", again[i], item)
			}
		}
	})
}
