package connector

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ebb-events/ebb"
)

func TestPoisonMessages(t *testing.T) {
	deep := strings.Repeat("[", 5_000_000)
	tests := []struct{ name, value, reason string }{
		{"empty", "", empty},
		{"text", "hello", noJSON},
		{"spaces", " \n ", noJSON},
		{"cut off", `{"_jwt":{"sub":"ann"}`, noJSON},
		{"cut off in a string", `{"_jwt":{"sub":"an`, noJSON},
		{"cut off in an escape", `{"_jwt":{"sub":"an\u00`, noJSON},
		{"two objects", `{"_jwt":{"sub":"ann"}}{}`, noJSON},
		{"trailing comma", `{"_jwt":{"sub":"ann"},}`, noJSON},
		{"comma alone", `{,}`, noJSON},
		{"no colon", `{"a" 1}`, noJSON},
		{"no key", `{1:1}`, noJSON},
		{"NUL after it", annsReply + "\x00", noJSON},
		{"raw line end in a string", "{\"a\":\"\n\"}", noJSON},
		{"unknown escape", `{"a":"\x41"}`, noJSON},
		{"leading zero", `{"a":01}`, noJSON},
		{"bare minus", `{"a":-}`, noJSON},
		{"no digits after the point", `{"a":1.}`, noJSON},
		{"no digits in the exponent", `{"a":1e+}`, noJSON},
		{"NaN", `{"a":NaN}`, noJSON},
		{"BOM", "\ufeff{}", noJSON},
		{"gzip", "\x1f\x8b\x08\x00", noJSON},
		{"array", `[{"_jwt":{"sub":"ann"}}]`, noObject},
		{"string", `"x"`, noObject},
		{"token", `"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."`, noObject},
		{"number", ` 7 `, noObject},
		{"null", `null`, noObject},
		{"nested without end", `{"_jwt":{"sub":"ann"},"a":` + deep, tooDeep},
	}
	values := make([]string, 0, len(tests)+1)
	for _, tt := range tests {
		values = append(values, tt.value)
	}
	f := carried(t, Config{}, append(values, annsReply)...)
	equal(t, "channels", f.channels(), []string{"ann"})
	if len(f.dead) != len(tests) {
		t.Fatalf("%d put aside, want %d", len(f.dead), len(tests))
	}
	for i, tt := range tests {
		if d := f.dead[i]; d.reason != tt.reason || d.Offset != int64(100+i) || string(d.Value) != tt.value {
			t.Errorf("%s: got %q at %d, want %q", tt.name, d.reason, d.Offset, tt.reason)
		}
	}
}

func TestTombstone(t *testing.T) {
	f := &fake{batches: []ebb.Batch{{Records: []ebb.Record{{Topic: "board-task-reply"}}}}}
	run(t, f, Config{})
	if len(f.dead) != 1 || f.dead[0].reason != noValue || len(f.log) != 0 {
		t.Errorf("got %v, %v", f.dead, f.log)
	}
}

func TestNoRecipient(t *testing.T) {
	tests := []struct{ value, reason string }{
		{`{}`, noRecipient},
		{`{"_subscriptions":["bob"]}`, noRecipient},
		{`{"_jwt":null}`, noRecipient},
		{`{"_jwt":"ann"}`, noRecipient},
		{`{"_jwt":["sub","ann"]}`, noRecipient},
		{`{"_jwt":[{"sub":"ann"}]}`, noRecipient},
		{`{"_jwt":{}}`, noRecipient},
		{`{"_jwt":{"Sub":"ann","SUB":"bob"}}`, noRecipient},
		{`{"_jwt":{"act":{"sub":"ann"}}}`, noRecipient},
		{`{"_jwt":{"sub":"ann"},"_jwt":{}}`, noRecipient},
		{`{"a":{"_jwt":{"sub":"ann"}}}`, noRecipient},
		{`{"sub":"ann"}`, noRecipient},
		{`{"_jwt":{"sub":null},"_subscriptions":["bob"]}`, badRecipient},
		{`{"_jwt":{"sub":7}}`, badRecipient},
		{`{"_jwt":{"sub":["ann"]}}`, badRecipient},
		{`{"_jwt":{"sub":{"sub":"ann"}}}`, badRecipient},
		{`{"_jwt":{"sub":""}}`, badRecipient},
		{`{"_jwt":{"sub":"a\nb"}}`, badRecipient},
		{`{"_jwt":{"sub":"a\u0000"}}`, badRecipient},
		{"{\"_jwt\":{\"sub\":\"a\u0085b\"}}", badRecipient},
		{`{"_jwt":{"sub":"\ud800"}}`, badRecipient},
		{"{\"_jwt\":{\"sub\":\"a\xff\"}}", badRecipient},
		{"{\"_jwt\":{\"sub\":\"\ufffd\"}}", badRecipient},
		{`{"_jwt":{"sub":"` + strings.Repeat("x", 257) + `"}}`, badRecipient},
		{`{"_jwt":{"sub":"` + strings.Repeat("x", 64<<10) + `"}}`, badRecipient},
	}
	for _, tt := range tests {
		f := carried(t, Config{}, tt.value)
		if len(f.log) != 0 || len(f.dead) != 1 || f.dead[0].reason != tt.reason {
			t.Errorf("%.60s: got %v, %v, want %q", tt.value, f.log, f.dead, tt.reason)
		}
	}
}

func TestRecipients(t *testing.T) {
	long := strings.Repeat("x", 256)
	tests := []struct {
		value string
		want  []string
	}{
		{`{"_jwt":{"sub":"ann"}}`, []string{"ann"}},
		{`{"_jwt" : {"roles":[{"sub":"x"}], "sub" : "a\u006en"} }`, []string{"ann"}},
		{`{"\u005fjwt":{"s\u0075b":"ann"}}`, []string{"ann"}},
		{`{"_jwt":{"sub":"bob","sub":"ann"}}`, []string{"ann"}},
		{`{"_jwt":{"sub":"bob"},"_jwt":{"sub":"ann"}}`, []string{"ann"}},
		{`{"_jwt":{"sub":"a,b;c\"<>& 😀","x":1}}`, []string{`a,b;c"<>& 😀`}},
		{`{"_jwt":{"sub":"` + long + `"}}`, []string{long}},
		{`{"_jwt":{"sub":"eyJ.eyJ."}}`, []string{"eyJ.eyJ."}},
		{`{"_jwt":{"sub":"ann"},"_subscriptions":[]}`, []string{"ann"}},
		{`{"_jwt":{"sub":"ann"},"_subscriptions":null}`, []string{"ann"}},
		{`{"_jwt":{"sub":"ann"},"_subscriptions":"bob"}`, []string{"ann"}},
		{`{"_jwt":{"sub":"ann"},"_subscriptions":{"sub":"bob"}}`, []string{"ann"}},
		{`{"_jwt":{"sub":"ann"},"_subscriptions":["bob","b\u006fb","ann"]}`, []string{"ann", "bob"}},
		{`{"_jwt":{"sub":"ann"},"_subscriptions":[{"sub":"bob","time":1},{"SUB":"eve"},{"sub":1},{},[],7,null,"","\n","cid"]}`, []string{"ann", "bob", "cid"}},
		{`{"_subscriptions":["bob"],"_jwt":{"sub":"ann"},"a":{"_subscriptions":["eve"]}}`, []string{"ann", "bob"}},
	}
	for _, tt := range tests {
		equal(t, tt.value, carried(t, Config{}, tt.value).channels(), tt.want)
	}
}

// TestNoStackTraceInStream: the elder Java family answers with one.
func TestNoStackTraceInStream(t *testing.T) {
	for value, want := range map[string]string{
		`{"_jwt":{"sub":"ann"},"_error":true,"exception":"at A.b(A.java:1)","n":1.0}`:                    `{"_error":true,"n":1.0}`,
		`{"exc\u0065ption":"at A.b(A.java:1)","_jwt":{"sub":"ann"},"_error":true}`:                       `{"_error":true}`,
		`{"_jwt":{"sub":"ann"},"exception":"a field of ours"}`:                                           `{"exception":"a field of ours"}`,
		`{"_jwt":{"sub":"ann"},"_error":true,"_outcome":"rejected","exception":"which the sender sent"}`: `{"_error":true,"_outcome":"rejected","exception":"which the sender sent"}`,
		`{"_jwt":{"sub":"ann"},"_error":true,"more":{"exception":"not a reducer's"}}`:                    `{"_error":true,"more":{"exception":"not a reducer's"}}`,
	} {
		got := carried(t, Config{}, value)
		if len(got.log) != 1 || string(got.log[0].Data) != want {
			t.Errorf("%s is shown as %q, want %s", value, got.log, want)
		}
	}
}

func TestOversizeEventPlaceholder(t *testing.T) {
	const head = `{"_id":"1","_type":"board-task","_corr":"c","_command":"rename","_seq":7,"_outcome":"applied","_jwt":{"sub":"ann"},"_subscriptions":["bob"],"text":"`
	for _, size := range []int{defaultMaxEvent + 1, 1<<20 + 1, 10 << 20} {
		f := carried(t, Config{}, head+strings.Repeat("x", size)+`"}`, annsReply)
		equal(t, "channels", f.channels(), []string{"ann", "bob", "ann"})
		n := len(head) + size + len(`"}`) - len(`"_jwt":{"sub":"ann"},`)
		want := fmt.Sprintf(`{"_id":"1","_type":"board-task","_corr":"c","_command":"rename","_seq":7,"_outcome":"applied","_truncated":true,"reason":"too large","size":%d}`, n)
		if got := string(f.log[0].Data); got != want {
			t.Errorf("got %.300s, want %s", got, want)
		}
	}

	// The longest that fits goes as it is.
	fits := `{"x":"` + strings.Repeat("x", minMaxEvent-len(`{"x":""}`)) + `","_jwt":{"sub":"ann"}}`
	truncated := 0
	cfg := Config{MaxEvent: minMaxEvent, Metrics: Metrics{Truncated: func() { truncated++ }}}
	if f := carried(t, cfg, fits); len(f.log[0].Data) != minMaxEvent || truncated != 0 {
		t.Errorf("got %.80s of %d bytes, %d truncated", f.log[0].Data, len(f.log[0].Data), truncated)
	}
	if f := carried(t, cfg, strings.Replace(fits, "x", "xx", 1)); !strings.Contains(string(f.log[0].Data), "_truncated") || truncated != 1 {
		t.Errorf("got %.80s, %d truncated", f.log[0].Data, truncated)
	}
}

// Nothing that a placeholder takes along can make it large, or tell a secret.
func TestPlaceholderStaysSmall(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	f := carried(t, Config{}, `{"_id":{"_jwt":"canary"},"_type":"`+big+`","_corr":"eyJcanary.eyJ.x","_command":["canary"],"_seq":12345678901234567890,"_error":true,"_statusCode":403,"_jwt":{"sub":"ann"}}`)
	got := string(f.log[0].Data)
	if !strings.HasPrefix(got, `{"_seq":12345678901234567890,"_error":true,"_statusCode":403,"_truncated":true,`) || !json.Valid([]byte(got)) {
		t.Errorf("got %.300s", got)
	}
}
