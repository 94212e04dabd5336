package grip_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb/grip"
)

// header makes a header of "Name: value" lines.
func header(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

func channels(names ...string) (list []grip.Channel) {
	for _, name := range names {
		list = append(list, grip.Channel{Name: name})
	}
	return list
}

func TestIsInstruct(t *testing.T) {
	for line, want := range map[string]bool{
		"Content-Type: application/grip-instruct":                true,
		"Content-Type: Application/GRIP-Instruct; charset=utf-8": true,
		"grip-hold: stream":       true,
		"Grip-Status: 200":        true,
		"Content-Type: text/html": false,
		"X-Grip-Hold: stream":     false,
		"Gripe: yes":              false,
	} {
		if got := grip.IsInstruct(header(line)); got != want {
			t.Errorf("%s: got %v", line, got)
		}
	}
}

func TestHeaderInstruct(t *testing.T) {
	const stream = "Grip-Hold: stream"
	tests := []struct {
		name   string
		header http.Header
		want   *grip.Hold
	}{
		{"no hold", header("Grip-Foo: 204"), nil},
		{"no channel", header(stream), &grip.Hold{Mode: "stream"}},
		{"response", header("Grip-Hold: response", "Grip-Channel: a"), &grip.Hold{Mode: "response", Channels: channels("a"), Timeout: 55}},
		{"response with a time", header("Grip-Hold: response", "Grip-Timeout: 30"), &grip.Hold{Mode: "response", Timeout: 30}},
		{"response with too little time", header("Grip-Hold: response", "Grip-Timeout: 0"), &grip.Hold{Mode: "response", Timeout: 5}},
		{"stream with a time", header(stream, "Grip-Timeout: 30"), &grip.Hold{Mode: "stream"}},
		{"as the origin writes it", header(stream, "Grip-Channel: ann", `Grip-Keep-Alive: :\n\n; format=cstring; timeout=20`),
			&grip.Hold{Mode: "stream", Channels: channels("ann"), KeepAlive: &grip.KeepAlive{Content: ":\n\n", Timeout: 20 * time.Second}}},
		{"channels joined and repeated", header(stream, "Grip-Channel: a, b;prev-id=7 ; filter=build-id; filter=skip-self,", "Grip-Channel: c"),
			&grip.Hold{Mode: "stream", Channels: []grip.Channel{{Name: "a"}, {Name: "b", PrevID: "7", Filters: []string{"build-id", "skip-self"}}, {Name: "c"}}}},
		{"channels in quotes", header(stream, `Grip-Channel: "a,b;c=\"d"; prev-id="1;2", e`),
			&grip.Hold{Mode: "stream", Channels: []grip.Channel{{Name: `a,b;c="d`, PrevID: "1;2"}, {Name: "e"}}}},
		{"keep-alive as it is", header(stream, `Grip-Keep-Alive: :\n`), &grip.Hold{Mode: "stream", KeepAlive: &grip.KeepAlive{Content: `:\n`, Timeout: 55 * time.Second}}},
		{"keep-alive with every escape", header(stream, `Grip-Keep-Alive: \\\r\n\x3a\xFF; format=cstring; mode=interval`),
			&grip.Hold{Mode: "stream", KeepAlive: &grip.KeepAlive{Content: "\\\r\n:\xff", Timeout: 55 * time.Second, Interval: true}}},
		{"keep-alive in base64, no time", header(stream, "Grip-Keep-Alive: Ogo=; format=base64; timeout=0"),
			&grip.Hold{Mode: "stream", KeepAlive: &grip.KeepAlive{Content: ":\n", Timeout: time.Second}}},
		{"keep-alive for ever", header(stream, "Grip-Keep-Alive: x; timeout=2147483647"),
			&grip.Hold{Mode: "stream", KeepAlive: &grip.KeepAlive{Content: "x", Timeout: 365 * 24 * time.Hour}}},
		{"meta", header(stream, `Grip-Set-Meta: user="ann, \"b\"", x=1`, "Grip-Set-Meta: y=2"),
			&grip.Hold{Mode: "stream", Meta: map[string]string{"user": `ann, "b"`, "x": "1", "y": "2"}}},
		{"links are not followed", header(stream, "Grip-Link: </next>; rel=next; timeout=never"), &grip.Hold{Mode: "stream"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := grip.ParseInstruct(403, tt.header, []byte("a body that is none of our business"))
			if err != nil || !reflect.DeepEqual(got, grip.Instruct{Hold: tt.want}) {
				t.Errorf("got %+v, %v, want %+v", got.Hold, err, tt.want)
			}
		})
	}
}

func TestMalformedHeaderInstruct(t *testing.T) {
	for _, h := range []http.Header{
		header("Grip-Hold: Stream"),
		header("Grip-Hold: yes"),
		header("Grip-Hold: response", "Grip-Timeout: soon"),
		header("Grip-Hold: response", "Grip-Timeout: -1"),
		header("Grip-Status: gone"),
		header("Grip-Status: 99"),
		header("Grip-Status: 1000 x"),
		header("Grip-Hold: stream", "Grip-Channel: a; filter=http-check"),
		header("Grip-Hold: stream", "Grip-Channel: a; filter="),
		header("Grip-Hold: stream", "Grip-Channel: a"+strings.Repeat("; filter=skip-self", 6)),
		header("Grip-Hold: stream", "Grip-Channel: a"+strings.Repeat(",a", 1000)),
		header("Grip-Hold: stream", "Grip-Keep-Alive: "),
		header("Grip-Hold: stream", "Grip-Keep-Alive: ; timeout=20"),
		header("Grip-Hold: stream", "Grip-Keep-Alive: x; timeout=soon"),
		header("Grip-Hold: stream", "Grip-Keep-Alive: x; timeout=-1"),
		header("Grip-Hold: stream", "Grip-Keep-Alive: x; timeout=9223372036854775807"),
		header("Grip-Hold: stream", "Grip-Keep-Alive: x; timeout="),
		header("Grip-Hold: stream", "Grip-Keep-Alive: x; format=xml"),
		header("Grip-Hold: stream", "Grip-Keep-Alive: x; mode=often"),
		header("Grip-Hold: stream", "Grip-Keep-Alive: !; format=base64"),
		header("Grip-Hold: stream", `Grip-Keep-Alive: \t; format=cstring`),
		header("Grip-Hold: stream", `Grip-Keep-Alive: \; format=cstring`),
		header("Grip-Hold: stream", `Grip-Keep-Alive: \x4; format=cstring`),
		header("Grip-Hold: stream", `Grip-Keep-Alive: \xzz; format=cstring`),
	} {
		if got, err := grip.ParseInstruct(200, h, nil); err == nil {
			t.Errorf("%v was read as %+v", h, got.Hold)
		}
	}
}

func TestJSONInstruct(t *testing.T) {
	tests := []struct {
		name, body string
		want       grip.Instruct
	}{
		{"nothing", `{}`, grip.Instruct{}},
		{"no mode", `{"hold":{}}`, grip.Instruct{Hold: &grip.Hold{Mode: "response", Timeout: 55}}},
		{"response with a time", `{"hold":{"mode":"response","timeout":1}}`, grip.Instruct{Hold: &grip.Hold{Mode: "response", Timeout: 5}}},
		{"stream with a time", `{"hold":{"mode":"stream","timeout":1}}`, grip.Instruct{Hold: &grip.Hold{Mode: "stream"}}},
		{"filters", `{"hold":{"mode":"stream","channels":[{"name":"a","filters":["skip-self","var-subst"]}]}}`,
			grip.Instruct{Hold: &grip.Hold{Mode: "stream", Channels: []grip.Channel{{Name: "a", Filters: []string{"skip-self", "var-subst"}}}}}},
		{"names that a header could not carry", `{"hold":{"mode":"stream","channels":[{"name":"a,b;c=\"d\"\r\n","prev-id":"7"},{"name":"é"}]}}`,
			grip.Instruct{Hold: &grip.Hold{Mode: "stream", Channels: []grip.Channel{{Name: "a,b;c=\"d\"\r\n", PrevID: "7"}, {Name: "é"}}}}},
		{"keep-alive", `{"hold":{"mode":"stream","keep-alive":{"content":":\n\n","timeout":20}}}`,
			grip.Instruct{Hold: &grip.Hold{Mode: "stream", KeepAlive: &grip.KeepAlive{Content: ":\n\n", Timeout: 20 * time.Second}}}},
		{"keep-alive in base64", `{"hold":{"mode":"stream","keep-alive":{"content-bin":"/w=="}}}`,
			grip.Instruct{Hold: &grip.Hold{Mode: "stream", KeepAlive: &grip.KeepAlive{Content: "\xff", Timeout: 55 * time.Second}}}},
		{"keep-alive without time", `{"hold":{"mode":"stream","keep-alive":{"timeout":0}}}`,
			grip.Instruct{Hold: &grip.Hold{Mode: "stream", KeepAlive: &grip.KeepAlive{Content: "", Timeout: time.Second}}}},
		{"meta", `{"hold":{"mode":"stream","meta":{"session":"s"}}}`,
			grip.Instruct{Hold: &grip.Hold{Mode: "stream", Meta: map[string]string{"session": "s"}}}},
		{"response", `{"response":{"code":202,"reason":"x","headers":{"A":"b"},"body":"c"}}`,
			grip.Instruct{Response: grip.Response{202, http.Header{"A": {"b"}}, "c"}}},
		{"headers as pairs, body in base64", `{"response":{"headers":[["A","b"],["C","d"],["A","e"]],"body-bin":"/w=="}}`,
			grip.Instruct{Response: grip.Response{0, http.Header{"A": {"b", "e"}, "C": {"d"}}, "\xff"}}},
		{"no headers", `{"response":{"headers":null}}`, grip.Instruct{}},
	}
	h := header("Content-Type: application/grip-instruct; charset=utf-8", "Grip-Link: nonsense")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := grip.ParseInstruct(200, h, []byte(tt.body))
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestJSONInstructComesBack(t *testing.T) {
	want := grip.Instruct{
		Hold: &grip.Hold{
			Mode: grip.ModeStream, Channels: channels("a,b;c"),
			KeepAlive: &grip.KeepAlive{Content: ":\n\n", Timeout: 20 * time.Second}, Meta: map[string]string{"proof": "x"},
		},
		Response: grip.Response{200, http.Header{"Content-Type": {"text/event-stream"}, "Set-Cookie": {"a=1", "b=2"}}, "retry: 1\n\n"},
	}
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := grip.ParseInstruct(200, header("Content-Type: application/grip-instruct"), body)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestMalformedJSONInstruct(t *testing.T) {
	h := header("Content-Type: application/grip-instruct")
	for _, body := range []string{
		``, `[]`, `"x"`, `{} {}`, `{"hold":7}`, `{"hold":{"mode":"Stream"}}`, `{"hold":{"channels":["a"]}}`,
		`{"hold":{"channels":[{"prev-id":"1"}]}}`, `{"hold":{"channels":[{"name":""}]}}`, `{"hold":{"keep-alive":{"timeout":"20"}}}`,
		`{"hold":{"keep-alive":{"timeout":-1}}}`, `{"hold":{"timeout":-1}}`, `{"hold":{"timeout":"5"}}`,
		`{"hold":{"channels":[{"name":"a","filters":["http-modify"]}]}}`, `{"hold":{"channels":[{"name":"a","filters":"skip-self"}]}}`,
		`{"hold":{"channels":[{"name":"a","filters":["skip-self","skip-self","skip-self","skip-self","skip-self","skip-self"]}]}}`,
		`{"response":{"headers":{"a b":"c"}}}`, `{"response":{"headers":{"a":"b\r\nSet-Cookie: c"}}}`, `{"response":{"headers":[["","a"]]}}`, `{"hold":{"keep-alive":{"content-bin":"!"}}}`, `{"response":{"code":"200"}}`,
		`{"response":{"code":99}}`, `{"response":{"code":1000}}`, `{"response":{"headers":[["a"]]}}`, `{"response":{"headers":"a"}}`, `{"response":{"body-bin":"!"}}`,
	} {
		if got, err := grip.ParseInstruct(200, h, []byte(body)); err == nil {
			t.Errorf("%s was read as %+v", body, got)
		}
	}
	if _, err := grip.ParseInstruct(201, h, []byte(`{}`)); err == nil {
		t.Error("a JSON instruct with status 201 was read")
	}
}

func TestWhatTheHeaderSaysBesideAHold(t *testing.T) {
	h := header("Grip-Status: 404 Not here", "Grip-Expose-Headers: content-type, X-One", "Grip-Expose-Headers: x-two")
	got, err := grip.ParseInstruct(200, h, nil)
	want := grip.Instruct{Status: 404, Expose: []string{"Content-Type", "X-One", "X-Two"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestJSONHoldCountsBeforeTheHeaders(t *testing.T) {
	h := header("Content-Type: application/grip-instruct", "Grip-Hold: stream", "Grip-Channel: a", "Grip-Status: 404")
	got, err := grip.ParseInstruct(200, h, []byte(`{}`))
	if err != nil || got.Hold == nil || got.Hold.Channels[0].Name != "a" || got.Status != 404 {
		t.Errorf("got %+v, %v, want the header's hold", got, err)
	}
	got, err = grip.ParseInstruct(200, h, []byte(`{"hold":{"channels":[{"name":"b"}]}}`))
	if err != nil || got.Hold == nil || len(got.Hold.Channels) != 1 || got.Hold.Channels[0].Name != "b" || got.Hold.Mode != "response" {
		t.Errorf("got %+v, %v, want the body's hold", got, err)
	}
}

func FuzzParseInstruct(f *testing.F) {
	f.Add("stream", "a, b; prev-id=1", `:\n\n; format=cstring; timeout=20`, `a="b", c=d`, `{"hold":{"mode":"stream"}}`)
	f.Add("response", ",;=,", "x; format=base64", "=", `{"response":{"headers":[["a","b"]]}}`)
	f.Fuzz(func(t *testing.T, hold, channel, keepAlive, meta, body string) {
		h := http.Header{"Grip-Hold": {hold}, "Grip-Channel": {channel}, "Grip-Keep-Alive": {keepAlive}, "Grip-Set-Meta": {meta}}
		for range 2 {
			in, err := grip.ParseInstruct(200, h, []byte(body))
			if err == nil && in.Hold != nil {
				if in.Hold.Mode != grip.ModeStream && in.Hold.Mode != grip.ModeResponse {
					t.Errorf("mode %q", in.Hold.Mode)
				}
				if k := in.Hold.KeepAlive; k != nil && k.Timeout < time.Second {
					t.Errorf("keep-alive after %v", k.Timeout)
				}
				if s := in.Hold.Timeout; in.Hold.Mode == grip.ModeResponse && s < 5 {
					t.Errorf("a time-out of %d s", s)
				}
				for _, c := range in.Hold.Channels {
					if c.Name == "" {
						t.Error("a channel without a name")
					}
				}
			}
			h.Set("Content-Type", grip.InstructType)
		}
	})
}
