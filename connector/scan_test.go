package connector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ebb-events/ebb"
)

// payload carries one reply to ann and returns what she gets.
func payload(t *testing.T, value string) string {
	t.Helper()
	f := carried(t, Config{}, value)
	if len(f.log) != 1 {
		t.Fatalf("%.100s: put aside as %q", value, f.dead[0].reason)
	}
	return string(f.log[0].Data)
}

func TestJSONFidelity(t *testing.T) {
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	deeper := strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)
	for _, fields := range []string{
		`"a":1`,
		`"a":1,"a":2,"A":3`,
		`"a":` + deep,
		`"a":` + deeper,
		`"a":9007199254740993,"b":123456789012345678901234567890`,
		`"a":1e9999,"b":-1E-9999,"c":1.10,"d":-0,"e":0.1e+1,"f":1E5`,
		`"a":"<script>&amp;\u003c\/\u2028"`,
		"\"a\":\"\u2028\ufeff\u00e9\x7f\"",
		`"a":"\ud800","b":"\u0000\r\n"`,
		"\"a\":\"\xff\xfe\"",
		`"":"","z":[],"y":{},"x":[null,true,false,[{}]],"_unknown":{"_id":1}`,
		`"_seq":1,"_subscriptions":["ann"],"_acl":{"get":["x"]},"errors":[{"location":"/a"}],"_timestamp":1760000000042`,
		`"\u0061":1`,
		`"jwt":1,"__jwt":2,"_jwt_":3,"_JWT":4,"a":"_jwt"`,
		`"a":"eyJ","b":"eyJ.b","c":"x.y.z","d":"eyJa.b c.d","e":"eyJ.b.c.d","f":"eyJa.b.c: see"`,
	} {
		want := "{" + fields + "}"
		for _, value := range []string{
			`{` + fields + `,"_jwt":{"sub":"ann"}}`,
			`{"_jwt":{"sub":"ann","a":[1,{}]},` + fields + `}`,
			"\r\n{ \"_jwt\"\t:\n{\"sub\":\"ann\"}\n,\n" + fields + "\n}\n",
		} {
			if got := payload(t, value); got != want {
				t.Errorf("got %.200q, want %.200q", got, want)
			}
		}
	}
	if got := payload(t, "{ \"a\" : [ 1 ,\n2 , { } ] ,\t\"b\" : \" \" , \"_jwt\":{\"sub\":\"ann\"} }"); got != `{"a":[1,2,{}],"b":" "}` {
		t.Errorf("got %q", got)
	}
}

func TestNoJwtInStream(t *testing.T) {
	const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.canary"
	for name, hidden := range map[string]string{
		"claims":                 `"_jwt":{"sub":"canary"}`,
		"claims, first escaped":  `"\u005fjwt":{"sub":"canary"}`,
		"claims, last escaped":   `"_jw\u0074":"canary"`,
		"claims, all escaped":    `"\u005F\u006A\u0077\u0074":["canary"]`,
		"claims twice":           `"_jwt":1,"_jwt":"canary"`,
		"claims in claims":       `"_jwt":{"_jwt":{"_jwt":"canary"}}`,
		"token":                  `"t":"` + token + `"`,
		"token without a sign":   `"t":"eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ."`,
		"token, escaped":         `"t":"\u0065yJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.\u0063anary"`,
		"encrypted token":        `"t":"eyJhbGciOiJkaXIifQ..canary.canary.canary"`,
		"bearer":                 `"authorization":"Bearer ` + token + `"`,
		"bearer in other case":   `"authorization":"bearer  ` + token + `\n"`,
		"token as a key":         `"` + token + `":1`,
		"token in a list":        `"t":["` + token + `"]`,
		"tokens in a list":       `"t":["` + token + `",{"x":"` + token + `"},"` + token + `"]`,
		"token that is the type": `"_type":"` + token + `"`,
	} {
		for depth := range 20 {
			open, shut := strings.Repeat(`{"d":[0,`, depth), strings.Repeat(`,1],"e":{}}`, depth)
			value := `{"_jwt":{"sub":"ann","jti":"canary"},"x":` + open + `{"k":1,` + hidden + `,"l":2}` + shut + `,` + hidden + `}`
			if strings.HasPrefix(name, "claims") {
				value = strings.TrimSuffix(value, `,`+hidden+`}`) + "}" // at the top it would name the recipient
			}
			got := payload(t, value)
			if strings.Contains(strings.ToLower(got), "canary") || strings.Contains(got, `"_jwt"`) || strings.Contains(got, "u005") {
				t.Errorf("%s at depth %d: %s", name, depth, got)
			}
			if !json.Valid([]byte(got)) || !strings.Contains(got, `{"k":1,`) || !strings.Contains(got, `"l":2}`) {
				t.Errorf("%s at depth %d spoils the rest: %s", name, depth, got)
			}
		}
	}
}

// TestOthersSeeNoACL: who may do what comes to the sender, at any depth, and to
// nobody else; the rest stays as it was written.
func TestOthersSeeNoACL(t *testing.T) {
	for _, value := range []string{
		`{"_acl":{"get":["canary"]},"a":1.10}`,
		`{"a":1.10,"_acl":{"get":["canary"]}}`,
		`{"_acl":["canary"],"a":1.10,"_acl":"canary"}`,
		`{"a":1.10,"\u005facl":{"_acl":"canary"}}`,
		`{"_after":{"_acl":{"write":["canary"]}},"a":1.10,"b":[{"_ac\u006c":"canary"}]}`,
	} {
		whole := strings.TrimSuffix(value, "}") + `,"_subscriptions":["bob"]}`
		f := carried(t, Config{}, strings.TrimSuffix(whole, "}")+`,"_jwt":{"sub":"ann"}}`)
		equal(t, "channels", f.channels(), []string{"ann", "bob"})
		ann, bob := string(f.log[0].Data), string(f.log[1].Data)
		if ann != whole {
			t.Errorf("ann gets %s, want %s", ann, whole)
		}
		if strings.Contains(bob, "canary") || !json.Valid([]byte(bob)) || !strings.Contains(bob, `"a":1.10`) || !strings.Contains(bob, `"_subscriptions":["bob"]`) {
			t.Errorf("bob gets %s", bob)
		}
	}
}

// hasSecret tells whether an object anywhere in b has the key _jwt.
func hasSecret(b []byte) bool {
	var walk func(d *json.Decoder) bool
	walk = func(d *json.Decoder) bool {
		token, err := d.Token()
		if err != nil {
			return false
		}
		delim, ok := token.(json.Delim)
		if !ok {
			return false
		}
		found := false
		for d.More() {
			if delim == '{' {
				key, _ := d.Token()
				found = found || key == ebb.FieldJWT
			}
			found = walk(d) || found
		}
		d.Token()
		return found
	}
	return walk(json.NewDecoder(bytes.NewReader(b)))
}

// FuzzParse: a reply is carried exactly if it is a JSON object, as one line of
// JSON without the key _jwt, and the same once more.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		annsReply, ``, `[]`, `{"a":1e9999,"a":[{"\u005fjwt":1}]}`, "{\n\"a\" : [ \"eyJ.eyJ.\" , 1 ]}", `{"a":"\ud800\"\\"}`,
		`{"_jwt":{"sub":"a"},"_subscriptions":["b",{"sub":"c"}],"_outcome":"applied"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		r, reason := parse(value, "kind")
		var object map[string]json.RawMessage
		isObject := json.Unmarshal(value, &object) == nil && object != nil
		if isObject != (reason == "") && reason != tooDeep {
			t.Fatalf("%q: reason %q", value, reason)
		}
		if reason != "" {
			return
		}
		if !json.Valid(r.payload) || bytes.ContainsAny(r.payload, "\r\n") || hasSecret(r.payload) {
			t.Fatalf("%q became %q", value, r.payload)
		}
		if again, reason := parse(r.payload, ""); reason != "" || !bytes.Equal(again.payload, r.payload) {
			t.Fatalf("%q became %q, %s", r.payload, again.payload, reason)
		}
		if !json.Valid(r.placeholder()) {
			t.Fatalf("%q has placeholder %q", value, r.placeholder())
		}
		r.recipients(nil, nil)
	})
}

// BenchmarkLoad is a batch of 2,000 replies of 1 kB, each for two users.
func BenchmarkLoad(b *testing.B) {
	value := fmt.Sprintf(`{"_id":"0d9c0000-0000-4000-8000-000000000000","_type":"board-task","_corr":"77aa0000-0000-4000-8000-000000000000","_command":"rename","_seq":4,"_timestamp":1760000000000,"_outcome":"applied","_jwt":{"iss":"x","sub":"ann","roles":["clerk"]},"_subscriptions":["bob"],"title":"to do","list":[1,2,3,{"a":true}],"text":%q}`, strings.Repeat("lorem ipsum ", 55))
	batch := ebb.Batch{}
	for i := range 2000 {
		batch.Records = append(batch.Records, ebb.Record{TopicID: [16]byte{1}, Offset: int64(i), Value: []byte(value)})
	}
	f := &fake{}
	c, err := New(Config{Source: f, Sink: f})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(value) * len(batch.Records)))
	b.ReportAllocs()
	for b.Loop() {
		if l := c.load(batch); len(l.records) != 4000 {
			b.Fatal(len(l.records))
		}
	}
}
