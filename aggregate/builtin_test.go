package aggregate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ebb-events/ebb"
)

// note is a state with fields that its Go type does not know.
type note struct {
	Text string         `json:"text"`
	Tags []string       `json:"tags,omitempty"`
	Size map[string]int `json:"size,omitempty"`
	ACL  ebb.ACL        `json:"_acl,omitempty"`
}

var notes = Type[note]{
	Name: "test-counter",
	On: map[string]Reducer[note]{
		"put":    Put[note],
		"patch":  Patch[note],
		"delete": Delete[note],
		"loud": func(ctx context.Context, n note, cmd Command) (note, error) {
			n.Tags = append(n.Tags, "loud")
			n.ACL = ebb.ACL{"write": {cmd.User.Name}}
			return Put(ctx, n, cmd)
		},
	},
}

// commands sends some of ann's, each of its own correlation, and returns the
// answers.
func commands[T any](t testing.TB, b *broker, typ Type[T], cfg Config, sent ...string) []ebb.Message {
	t.Helper()
	before := len(b.topic(ebb.Replies))
	for i, c := range sent {
		b.send("%s", parseMerged(t, fmt.Sprintf(`{"_id":"i","_corr":"%d","_jwt":{"sub":"ann"}}`, before+i), "{"+c+"}").JSON())
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	if err := typ.Run(ctx, &member{broker: b, end: end}, cfg); err != nil {
		t.Fatal(err)
	}
	return b.topic(ebb.Replies)[before:]
}

// expect compares fields of a message; null means that it has none.
func expect(t testing.TB, got ebb.Message, want string) {
	t.Helper()
	for field, value := range parseMerged(t, "{"+want+"}") {
		if string(value) == "null" {
			value = nil
		}
		if string(got[field]) != string(value) {
			t.Errorf("got %s %.300s, want %s", field, got[field], value)
		}
	}
}

func TestPut(t *testing.T) {
	const was = `"_command":"put","text":"a","mine":9007199254740993,"_acl":{"get":["ann"]},"_subscriptions":["bob"]`
	tests := []struct {
		name    string
		before  []string
		command string
		want    string // fields of the reply
	}{
		{"anew", nil, `"_command":"put","text":"a","theirs":1e400,"more":{"n":1.50}`, `"_outcome":"applied","_seq":0,"text":"a","theirs":1e400,"more":{"n":1.50},"tags":null,"_acl":null`},
		{"over", []string{was}, `"_command":"put","text":"b","tags":["x"]`, `"_outcome":"applied","_seq":1,"text":"b","tags":["x"],"mine":null,"_acl":{"get":["ann"]},"_subscriptions":["bob"]`},
		{"the same", []string{was}, `"_command":"put","text":"a","mine":9007199254740993`, `"_outcome":"unchanged","_seq":0`},
		{"access", []string{was}, `"_command":"put","text":"a","mine":9007199254740993,"_acl":{"write":["ann"]},"_subscriptions":[{"sub":"eve","time":1}]`,
			`"_outcome":"applied","_acl":{"write":["ann"]},"_subscriptions":[{"sub":"eve","time":1}]`},
		{"no access", []string{was}, `"_command":"put","text":"a","_acl":null,"_subscriptions":null`, `"_outcome":"applied","_acl":null,"_subscriptions":null`},
		{"after delete", []string{was, `"_command":"delete"`}, `"_command":"put","text":"b"`, `"_outcome":"applied","_seq":2,"_deleted":null,"_acl":null`},
		{"other reserved fields", nil, `"_command":"put","text":"a","_deleted":true,"_outcome":"x","_error":true,"_languages":["nl"],"_before":1`,
			`"_outcome":"applied","_deleted":null,"_error":null,"_languages":null,"_before":null`},
		{"wrong type", nil, `"_command":"put","text":7`, `"_outcome":"rejected","errors":[{"location":"/text","code":"TYPE","message":"This cannot be a number."}]`},
		{"wrong access", nil, `"_command":"put","_acl":{"get":"ann"}`, `"_outcome":"rejected","errors":[{"location":"/_acl","code":"TYPE","message":"This is an object with lists of roles and users."}]`},
		{"wrong subscriptions", nil, `"_command":"put","_subscriptions":["ann",7]`, `"_outcome":"rejected","errors":[{"location":"/_subscriptions","code":"TYPE","message":"This is a list of users."}]`},
		{"from another reducer", []string{`"_command":"put","text":"a","_acl":{"get":["ann"]}`}, `"_command":"loud","text":"b"`, `"_outcome":"applied","text":"b","tags":null,"_acl":{"write":["ann"]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := commands(t, newBroker(), notes, Config{}, append(tt.before, tt.command)...)
			expect(t, all[len(tt.before)], tt.want)
		})
	}
}

func TestPatch(t *testing.T) {
	const was = `"_command":"put","text":"a","tags":["x","y"],"more":{"n":9007199254740993,"":{"~/":1.0}},"_acl":{"get":["ann"]}`
	fails := func(i int, member, code, message string) string {
		return fmt.Sprintf(`"_outcome":"rejected","errors":[{"location":"/_ops/%d%s","code":%q,"message":%q}]`, i, member, code, message)
	}
	const text = `{"op":"replace","path":"/text","value":"b"}`
	tests := []struct{ name, ops, want string }{
		{"replace", text, `"_outcome":"applied","_seq":1,"text":"b","more":{"":{"~/":1.0},"n":9007199254740993}`},
		{"add", `{"op":"add","path":"/size","value":{"a":1}}`, `"size":{"a":1}`},
		{"add over", `{"op":"add","path":"/text","value":"b"}`, `"text":"b"`},
		{"add what is not known", `{"op":"add","path":"/new","value":12345678901234567890.10}`, `"new":12345678901234567890.10`},
		{"add to a list", `{"op":"add","path":"/tags/1","value":"n"}`, `"tags":["x","n","y"]`},
		{"append", `{"op":"add","path":"/tags/-","value":"z"},{"op":"add","path":"/tags/3","value":"!"}`, `"tags":["x","y","z","!"]`},
		{"remove", `{"op":"remove","path":"/more/n"},{"op":"remove","path":"/tags/0"}`, `"more":{"":{"~/":1.0}},"tags":["y"]`},
		{"odd names", `{"op":"replace","path":"/more//~0~1","value":null}`, `"more":{"":{"~/":null},"n":9007199254740993}`},
		{"move", `{"op":"move","from":"/tags/0","path":"/text"}`, `"text":"x","tags":["y"]`},
		{"move in a list", `{"op":"move","from":"/tags/0","path":"/tags/1"}`, `"tags":["y","x"]`},
		{"copy", `{"op":"copy","from":"/more","path":"/twin"},{"op":"add","path":"/twin/n","value":0}`, `"more":{"":{"~/":1.0},"n":9007199254740993},"twin":{"":{"~/":1.0},"n":0}`},
		{"copy into itself", `{"op":"copy","from":"/more","path":"/more/in"},{"op":"remove","path":"/more/in/n"},{"op":"remove","path":"/more/"}`, `"more":{"in":{"":{"~/":1.0}},"n":9007199254740993}`},
		{"test", `{"op":"test","path":"/tags","value":["x","y"]},{"op":"test","path":"/more","value":{"n":9007199254740993e0,"":{"~/":10e-1}}},` + text, `"text":"b"`},
		{"access", `{"op":"add","path":"/_acl/write","value":["bob"]},{"op":"add","path":"/_subscriptions","value":["bob"]}`, `"_acl":{"get":["ann"],"write":["bob"]},"_subscriptions":["bob"]`},
		{"nothing", `{"op":"test","path":"/text","value":"a"}`, `"_outcome":"unchanged","_seq":0`},

		{"failed test", text + `,{"op":"test","path":"/more/n","value":9007199254740992}`, fails(1, "", "TEST", "The value is another one.")},
		{"test of nothing", `{"op":"test","path":"/none","value":null}`, fails(0, "", "PATCH", "There is no such place.")},
		{"replace nothing", text + `,` + text + `,{"op":"replace","path":"/none","value":1}`, fails(2, "", "PATCH", "There is no such place.")},
		{"remove nothing", `{"op":"remove","path":"/tags/2"}`, fails(0, "", "PATCH", "There is no such place.")},
		{"remove behind the end", `{"op":"remove","path":"/tags/-"}`, fails(0, "", "PATCH", "There is no such place.")},
		{"from below", `{"op":"remove","path":"/tags/-1"}`, fails(0, "", "PATCH", "There is no such place.")},
		{"odd index", `{"op":"remove","path":"/tags/01"}`, fails(0, "", "PATCH", "There is no such place.")},
		{"beyond the end", `{"op":"add","path":"/tags/3","value":1}`, fails(0, "", "PATCH", "There is no such place.")},
		{"within a text", `{"op":"add","path":"/text/x","value":1}`, fails(0, "", "PATCH", "There is no such place.")},
		{"below nothing", `{"op":"add","path":"/none/x","value":1}`, fails(0, "", "PATCH", "There is no such place.")},
		{"copy nothing", `{"op":"copy","from":"/none","path":"/x"}`, fails(0, "/from", "PATCH", "There is no such place.")},
		{"move into itself", `{"op":"move","from":"/more","path":"/more/x"}`, fails(0, "/from", "PATCH", "Nothing can be moved into itself.")},
		{"whole", `{"op":"replace","path":"","value":{}}`, fails(0, "/path", "RESERVED", "The whole state is not for patches.")},
		{"copy whole", `{"op":"copy","from":"","path":"/x"}`, fails(0, "/from", "RESERVED", "The whole state is not for patches.")},
		{"reserved", `{"op":"add","path":"/_deleted","value":true}`, fails(0, "/path", "RESERVED", "This field is not the state's.")},
		{"below reserved", `{"op":"test","path":"/_jwt/sub","value":"ann"}`, fails(0, "/path", "RESERVED", "This field is not the state's.")},
		{"move from reserved", `{"op":"move","from":"/_seq","path":"/x"}`, fails(0, "/from", "RESERVED", "This field is not the state's.")},
		{"no pointer", `{"op":"remove","path":"text"}`, fails(0, "/path", "TYPE", "This is a JSON pointer.")},
		{"half a pointer", `{"op":"remove","path":"/a~2"}`, fails(0, "/path", "TYPE", "This is a JSON pointer.")},
		{"no path", `{"op":"remove"}`, fails(0, "/path", "TYPE", "This is a JSON pointer.")},
		{"path that is a number", `{"op":"remove","path":7}`, fails(0, "/path", "TYPE", "This is a JSON pointer.")},
		{"no value", `{"op":"add","path":"/x"}`, fails(0, "", "TYPE", "An operation add has a value.")},
		{"no operation", `{"op":"sub","path":"/x"}`, fails(0, "/op", "TYPE", "This is add, remove, replace, move, copy or test.")},
		{"no fit", text + `,{"op":"add","path":"/tags","value":7}`, `"_outcome":"rejected","errors":[{"location":"/tags","code":"TYPE","message":"This cannot be a number."}]`},
		{"no access list", `{"op":"add","path":"/_acl/write","value":"ann"}`, `"_outcome":"rejected","errors":[{"location":"/_acl","code":"TYPE","message":"This is an object with lists of roles and users."}]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBroker()
			got := commands(t, b, notes, Config{}, was, `"_command":"patch","_ops":[`+tt.ops+`]`)
			expect(t, got[1], tt.want)
			if !strings.Contains(tt.want, "rejected") && !strings.Contains(tt.want, "unchanged") {
				expect(t, got[1], `"_outcome":"applied"`)
			} else if n := len(b.topic(ebb.Events)); n != 1 {
				t.Errorf("got %d events, want the first alone", n)
			}
		})
	}
}

func TestPatchWithoutOperations(t *testing.T) {
	for _, ops := range []string{``, `,"_ops":null`, `,"_ops":[]`, `,"_ops":{}`, `,"_ops":[1]`, `,"_ops":"x"`} {
		got := commands(t, newBroker(), notes, Config{}, `"_command":"patch"`+ops)
		expect(t, got[0], `"_outcome":"rejected","errors":[{"location":"/_ops","code":"TYPE","message":"This is a list of at least one operation."}]`)
	}
}

func TestPatchMakesAnInstance(t *testing.T) {
	b := newBroker()
	got := commands(t, b, notes, Config{}, `"_command":"patch","_ops":[{"op":"add","path":"/tags","value":["x"]}]`)
	expect(t, got[0], `"_outcome":"applied","_seq":0,"tags":["x"],"text":null`)
	expect(t, b.topic(ebb.Events)[0], `"_ops":[{"op":"add","path":"/tags","value":["x"]}]`)
}

func TestPatchesStayWithinBounds(t *testing.T) {
	const seed = `"_command":"put","more":[["xxxxxxxxxx","xxxxxxxxxx"]]`
	double := strings.Repeat(`{"op":"copy","from":"/more","path":"/more/-"},`, 5_000)
	deeper := strings.Repeat(`{"op":"copy","from":"/more","path":"/more/0/0"},`, 5_000)
	large := strings.Repeat(`{"op":"copy","from":"/text","path":"/size"},`, 20_000)
	nested := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	tests := []struct{ name, first, ops, want string }{
		{"copies of copies", seed, double, `"code":"TOO_LARGE"`},
		{"deeper and deeper", seed, deeper, `"code":"TOO_`},
		{"deeper than commands are", seed, `{"op":"add","path":"/size","value":` + nested + `},{"op":"copy","from":"/size","path":"/size` + strings.Repeat("/0", 40) + `"},`,
			`{"location":"/_ops/1","code":"TOO_DEEP"`},
		{"many copies of much", `"_command":"put","text":"` + strings.Repeat("x", 400_000) + `"`, large, `"code":"TOO_LARGE"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			got := commands(t, newBroker(), notes, Config{}, tt.first, `"_command":"patch","_ops":[`+strings.TrimSuffix(tt.ops, ",")+`]`)
			if e := string(got[1][ebb.FieldErrors]); !strings.Contains(e, tt.want) {
				t.Errorf("got %.300s, want %s", e, tt.want)
			}
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestSlowPatchEndsWithItsContext has one that no bound of size ends: it would
// take ten seconds.
func TestSlowPatchEndsWithItsContext(t *testing.T) {
	list := make([]any, 300_000)
	ops := strings.Repeat(`{"op":"add","path":"/list/0","value":1},{"op":"remove","path":"/list/0"},`, 15_000)
	cmd := Command{fields: ebb.Message{ebb.FieldOps: []byte("[" + strings.TrimSuffix(ops, ",") + "]")}}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := applyPatch(ctx, tree{"list": list}, cmd, 1_000_000); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestNumbersAreEqualWhateverTheyLookLike(t *testing.T) {
	for _, same := range [][2]string{
		{"1", "1.0"}, {"100", "1e2"}, {"1E+2", "100.00"}, {"0", "-0.0e99"}, {"0.001", "1e-3"}, {"-1.50", "-15e-1"}, {"1e999999999999", "10e999999999998"},
	} {
		var a, b any
		_, _ = decode([]byte(same[0]), &a), decode([]byte(same[1]), &b)
		if !equal(a, b) {
			t.Errorf("%s is not %s", same[0], same[1])
		}
	}
	for _, other := range [][2]string{
		{"1", "2"}, {"1", "-1"}, {"9007199254740993", "9007199254740992"}, {"1e1", "1e2"}, {"1", `"1"`}, {"0", "null"}, {"0", "false"}, {"[1]", "[1,1]"}, {"{}", "[]"},
	} {
		var a, b any
		_, _ = decode([]byte(other[0]), &a), decode([]byte(other[1]), &b)
		if equal(a, b) {
			t.Errorf("%s is %s", other[0], other[1])
		}
	}
}
