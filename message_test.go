package ebb_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/ebb-events/ebb"
)

func TestMessageKeepsValuesAsTheyWereWritten(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                 `{}`,
		" {\n\"b\" : 1 ,\t\"a\":[ 1, 2 ] } ": `{"a":[1,2],"b":1}`,
		`{"a":9007199254740993,"b":1e9999,"c":1.10,"d":-0,"e":1E+2}`: `{"a":9007199254740993,"b":1e9999,"c":1.10,"d":-0,"e":1E+2}`,
		`{"a":"<b>&\u003c\/\ud800","b":"` + "\u2028" + `"}`:          `{"a":"<b>&\u003c\/\ud800","b":"` + "\u2028" + `"}`,
		`{"a":null,"b":{"z":1,"y":{"a":1,"a":2}}}`:                   `{"a":null,"b":{"z":1,"y":{"a":1,"a":2}}}`,
		`{"a":1,"a":2}`:          `{"a":2}`,
		`{"<&>":1,"\u0061\"":2}`: `{"<&>":1,"a\"":2}`,
	} {
		m, err := ebb.ParseMessage([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := string(m.JSON()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestWhatIsNoMessageIsRefused(t *testing.T) {
	for _, text := range []string{
		"", " ", "null", "[]", `"{}"`, "7", "{", "{}{}", "{} x", `{"a":01}`, `{"a":NaN}`, `{a:1}`, "\ufeff{}", "{\"a\":\"\n\"}",
		`{"a":` + strings.Repeat("[", 100_000), strings.Repeat(`{"a":`, 100_000),
	} {
		if m, err := ebb.ParseMessage([]byte(text)); err == nil || m != nil {
			t.Errorf("%.40q: got %v, %v", text, m, err)
		}
	}
}

func TestMessageFields(t *testing.T) {
	m, err := ebb.ParseMessage([]byte(`{"s":"a\"b","e":"","n":7,"m":-9223372036854775808,"big":9223372036854775808,"f":1.0,"x":1e2,"t":true,"u":false,"z":null,"o":{},"q":"7"}`))
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{"s": `a"b`, "e": "", "n": "", "z": "", "o": "", "t": "", "missing": ""} {
		if got := m.String(field); got != want {
			t.Errorf("String(%s): got %q, want %q", field, got, want)
		}
	}
	for field, want := range map[string]int64{"n": 7, "m": -9223372036854775808} {
		if got, ok := m.Int(field); !ok || got != want {
			t.Errorf("Int(%s): got %d, %v", field, got, ok)
		}
	}
	for _, field := range []string{"missing", "big", "f", "x", "z", "q", "o", "t"} {
		if got, ok := m.Int(field); ok || got != 0 {
			t.Errorf("Int(%s): got %d, %v", field, got, ok)
		}
	}
	for field, want := range map[string]bool{"t": true, "u": false, "z": false, "n": false, "missing": false} {
		if got := m.Bool(field); got != want {
			t.Errorf("Bool(%s): got %v", field, got)
		}
	}
	var none ebb.Message
	if n, ok := none.Int("a"); none.String("a") != "" || ok || n != 0 || none.Bool("a") || none.User().Name != "" {
		t.Error("an empty message has fields")
	}
}

func TestMessageSet(t *testing.T) {
	m := ebb.Message{}
	m.Set("a", "<&>\u2028")
	m.Set("b", int64(1<<62))
	m.Set("c", []ebb.Error{{Location: "/a", Code: "X"}})
	m.Set("d", nil)
	if got, want := string(m.JSON()), `{"a":"<&>\u2028","b":4611686018427387904,"c":[{"location":"/a","code":"X"}],"d":null}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMessageUser(t *testing.T) {
	for text, want := range map[string]ebb.User{
		`{"_jwt":{"sub":"ann","roles":["clerk","boss"],"exp":1}}`: {Name: "ann", Roles: []string{"clerk", "boss"}},
		`{"_jwt":{"sub":"a,b;c \u00e9"}}`:                         {Name: "a,b;c é"},
		`{"_jwt":{"sub":"ann","roles":null}}`:                     {Name: "ann"},
		`{"_jwt":{"SUB":"eve","sub":"ann","Roles":["boss"]}}`:     {Name: "ann"},
		`{"_jwt":{"sub":"ann","roles":"boss"}}`:                   {},
		`{"_jwt":{"sub":7}}`:                                      {},
		`{"_jwt":"ann"}`:                                          {},
		`{"_jwt":null}`:                                           {},
		`{"sub":"ann"}`:                                           {},
	} {
		m, err := ebb.ParseMessage([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.User(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

func TestTypeOf(t *testing.T) {
	tests := []struct {
		topic       string
		purpose     ebb.Purpose
		environment string
		typ         string // "" if it is none
	}{
		{"board-task-reply", ebb.Replies, "", "board-task"},
		{"board-task-reply-prod", ebb.Replies, "prod", "board-task"},
		{"board-sub-task-command", ebb.Commands, "", "board-sub-task"},
		{"board-task-reply-reply", ebb.Replies, "", "board-task-reply"},
		{"board-task-reply", ebb.Replies, "prod", ""},
		{"board-task-reply-prod", ebb.Replies, "", ""},
		{"board-task-reply-test", ebb.Replies, "prod", ""},
		{"board-task-reply-preprod", ebb.Replies, "prod", ""},
		{"board-task-reply-pre-prod", ebb.Replies, "prod", ""},
		{"board-task-reply-dead", ebb.Replies, "", ""},
		{"board-task-reply-prod-dead", ebb.Replies, "prod", ""},
		{"board-task-command", ebb.Replies, "", ""},
		{"board-task-replyx", ebb.Replies, "", ""},
		{"board-taskreply", ebb.Replies, "", ""},
		{"board-reply", ebb.Replies, "", ""},
		{"-task-reply", ebb.Replies, "", ""},
		{"reply", ebb.Replies, "", ""},
		{"-reply", ebb.Replies, "", ""},
		{"", ebb.Replies, "", ""},
		{"ebb-channels", ebb.Replies, "", ""},
		{"board-task-event-full", ebb.Events, "", ""},
	}
	for _, tt := range tests {
		typ, ok := ebb.TypeOf(tt.topic, tt.purpose, tt.environment)
		if ok != (tt.typ != "") || ok && typ != tt.typ {
			t.Errorf("%s in %q: got %q, %v, want %q", tt.topic, tt.environment, typ, ok, tt.typ)
		}
		if ok && ebb.Topic(typ, tt.purpose, tt.environment) != tt.topic {
			t.Errorf("%s does not come back", tt.topic)
		}
	}
}

func TestValidType(t *testing.T) {
	for typ, want := range map[string]bool{
		"board-task": true, "Board-Task_1.x": true, "a-b": true, "a-b-c": true,
		"": false, "board": false, "-task": false, "board-": false, "board-ta/sk": false, "board-ta sk": false, "board-tâche": false,
		"board-task\n": false, "a-" + strings.Repeat("x", 198): true, "a-" + strings.Repeat("x", 199): false,
	} {
		if got := ebb.ValidType(typ); got != want {
			t.Errorf("%q: got %v", typ, got)
		}
	}
}

func TestRecordHeader(t *testing.T) {
	r := ebb.Record{Headers: []ebb.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}, {Key: "b"}}}
	if got := string(r.Header("a")); got != "1" {
		t.Errorf("got %q, want the first", got)
	}
	if r.Header("b") != nil || r.Header("c") != nil {
		t.Error("got a header that is not there")
	}
}
