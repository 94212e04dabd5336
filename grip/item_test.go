package grip_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/ebb-events/ebb/grip"
)

func send(content string) *grip.Stream { return &grip.Stream{Content: []byte(content), Action: "send"} }

func TestParseItems(t *testing.T) {
	tests := []struct {
		name, item string
		want       grip.Item
	}{
		{"nested, as JavaScript and Java do", `{"channel":"a","formats":{"http-stream":{"content":"x"}}}`, grip.Item{Channel: "a", Stream: send("x")}},
		{"inline, as Python and Go do", `{"channel":"a","id":"1","prev-id":"0","http-stream":{"content":"x"}}`, grip.Item{Channel: "a", ID: "1", Stream: send("x")}},
		{"both: formats counts", `{"channel":"a","formats":{"http-stream":{"content":"x"}},"http-stream":{"content":"y"}}`, grip.Item{Channel: "a", Stream: send("x")}},
		{"another transport", `{"channel":"a","formats":{"ws-message":{"content":"x"}}}`, grip.Item{Channel: "a"}},
		{"another transport, inline", `{"channel":"a","ws-message":{"action":"close"}}`, grip.Item{Channel: "a"}},
		{"response", `{"channel":"a","id":"1","formats":{"http-response":{"body":"x"}}}`, grip.Item{Channel: "a", ID: "1", Answer: &grip.Answer{Response: grip.Response{Body: "x"}, Action: "send"}}},
		{"everything of a response", `{"channel":"a","http-response":{"code":404,"reason":"x","headers":{"x-a":"b"},"body-bin":"AP8=","content-filters":[]}}`,
			grip.Item{Channel: "a", Answer: &grip.Answer{Response: grip.Response{404, http.Header{"X-A": {"b"}}, "\x00\xff"}, Action: "send", Filters: []string{}}}},
		{"headers in pairs", `{"channel":"a","http-response":{"headers":[["Set-Cookie","a"],["Set-Cookie","b"]],"body":""}}`,
			grip.Item{Channel: "a", Answer: &grip.Answer{Response: grip.Response{0, http.Header{"Set-Cookie": {"a", "b"}}, ""}, Action: "send"}}},
		{"hint of a response", `{"channel":"a","http-response":{"action":"hint","body":"x"}}`, grip.Item{Channel: "a", Answer: &grip.Answer{Action: "hint"}}},
		{"both formats", `{"channel":"a","formats":{"http-response":{"body":"x"},"http-stream":{"content":"y"}}}`,
			grip.Item{Channel: "a", Stream: send("y"), Answer: &grip.Answer{Response: grip.Response{Body: "x"}, Action: "send"}}},
		{"content filters", `{"channel":"a","http-stream":{"content":"y","content-filters":["build-id","x"]}}`,
			grip.Item{Channel: "a", Stream: &grip.Stream{Content: []byte("y"), Action: "send", Filters: []string{"build-id", "x"}}}},
		{"no content", `{"channel":"a","http-stream":{"content":""}}`, grip.Item{Channel: "a", Stream: send("")}},
		{"binary content", `{"channel":"a","http-stream":{"content-bin":"AP8="}}`, grip.Item{Channel: "a", Stream: send("\x00\xff")}},
		{"send", `{"channel":"a","http-stream":{"action":"send","content":"x"}}`, grip.Item{Channel: "a", Stream: send("x")}},
		{"close, as JavaScript does", `{"channel":"a","formats":{"http-stream":{"action":"close","content":""}}}`, grip.Item{Channel: "a", Stream: &grip.Stream{Action: "close"}}},
		{"close, whatever its content", `{"channel":"a","http-stream":{"action":"close","content-bin":"!"}}`, grip.Item{Channel: "a", Stream: &grip.Stream{Action: "close"}}},
		{"hint", `{"channel":"a","http-stream":{"action":"hint"}}`, grip.Item{Channel: "a", Stream: &grip.Stream{Action: "hint"}}},
		{"hostile channel", `{"channel":"a,b;c\n\u0000","http-stream":{"content":"x"}}`, grip.Item{Channel: "a,b;c\n\x00", Stream: send("x")}},
		{"what others add", `{"channel":"a","no-seq":true,"size":3,"meta":{"sender":"x"},"http-stream":{"content":"x"}}`, grip.Item{Channel: "a", Meta: map[string]string{"sender": "x"}, Stream: send("x")}},
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
		`{"channel":"a","http-stream":{"content":"x"}`, `{"channel":"a"}`, `{"channel":"a","formats":{}}`, `{"channel":"a","formats":{},"http-stream":{"content":"y"}}`,
		`{"channel":"a","meta":{"a":1},"http-stream":{"content":"x"}}`, `{"channel":"a","meta":{"a":"` + strings.Repeat("x", 8<<10) + `"},"http-stream":{"content":"x"}}`,
		`{"channel":"a","http-stream":{"content":"x","content-filters":"build-id"}}`, `{"channel":"a","http-response":{}}`, `{"channel":"a","http-response":{"body":7}}`,
		`{"channel":"a","http-response":{"body-patch":[]}}`, `{"channel":"a","http-response":{"body-bin":"!"}}`, `{"channel":"a","http-response":{"code":99,"body":""}}`,
		`{"channel":"a","http-response":{"code":"200","body":""}}`, `{"channel":"a","http-response":{"headers":[["a"]],"body":""}}`, `{"channel":"a","http-response":{"headers":{"a":"b\nc"},"body":""}}`,
		`{"channel":"a","http-response":{"action":"close","body":""}}`,
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
		{Channel: "ann", ID: "7", Meta: map[string]string{"sender": "bob"}, Stream: send("data: <x>&\u2028\n\n")},
		{Channel: "a,b;c\"", Stream: send("")},
		{Channel: "binary", Stream: send("\x00\xff\xfe")},
		{Channel: "ann", Stream: &grip.Stream{Action: "close"}},
		{Channel: "ann", Stream: &grip.Stream{Content: []byte("x"), Action: "send", Filters: []string{}}},
		{Channel: "ann", Answer: &grip.Answer{Response: grip.Response{404, http.Header{"Set-Cookie": {"a", "b"}}, "\xff"}, Action: "send", Filters: []string{"build-id"}}},
		{Channel: "ann", Stream: send("x"), Answer: &grip.Answer{Action: "hint"}},
	}
	got, err := grip.ParseItems(grip.FormatItems(want...))
	if err != nil || !reflect.DeepEqual(normal(got), normal(want)) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got := string(grip.FormatItems()); got != `{"items":[]}` {
		t.Errorf("no items: got %s", got)
	}
}

func FuzzParseItems(f *testing.F) {
	f.Add([]byte(`{"items":[{"channel":"a","id":"1","http-stream":{"content":"x"}},{"channel":"b","formats":{"http-stream":{"content-bin":"AP8="}}}]}`))
	f.Add([]byte(`{"items":[{"channel":"a","formats":{"http-stream":{"action":"close"}}}]}`))
	f.Add([]byte(`{"items":[{"channel":"a","meta":{"a":"b"},"http-response":{"code":404,"headers":[["a","b"],["a","c"]],"body":"x","content-filters":[]},"ws-message":{}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := grip.ParseItems(body)
		if err != nil {
			return
		}
		for i := range items {
			if items[i].Stream == nil && items[i].Answer == nil {
				items[i].Stream = send("x") // of a transport that is not written
			}
		}
		again, err := grip.ParseItems(grip.FormatItems(items...))
		if err != nil || !reflect.DeepEqual(normal(again), normal(items)) {
			t.Fatalf("got %+v, %v, want %+v", again, err, items)
		}
	})
}

// normal makes empty and missing the same where they mean the same.
func normal(items []grip.Item) []grip.Item {
	for i := range items {
		item := &items[i]
		if len(item.Meta) == 0 {
			item.Meta = nil
		}
		if item.Stream != nil && len(item.Stream.Content) == 0 {
			item.Stream.Content = nil
		}
		if item.Answer != nil && len(item.Answer.Header) == 0 {
			item.Answer.Header = nil
		}
	}
	return items
}
