package gateway_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/gateway"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestCommandGoesOutComplete(t *testing.T) {
	w := newWorld(t)
	a := w.as("ann", "POST", "/api/board/task/"+strings.ToUpper(id), `{
		"_command": "create", "_corr": "c1", "_seq": 4, "_id": "`+strings.ToUpper(id)+`", "_type": "board-task",
		"title": "a <b> & c", "n": 12345678901234567890.10, "nested": {"_acl": {"get": []}}
	}`, "Content-Type", "application/json; charset=UTF-8")
	if want := `{"_corr":"c1","_id":"` + id + `"}` + "\n"; a.Code != http.StatusAccepted || a.Body.String() != want {
		t.Errorf("got %d %s, want 202 %s", a.Code, a.Body, want)
	}
	if got := a.Header().Get("Location"); got != instance {
		t.Errorf("got Location %q, want %q", got, instance)
	}
	want := fmt.Sprintf(`{"_command":"create","_corr":"c1","_id":%q,"_jwt":{"sub":"ann","exp":1800003600},"_seq":4,"_timestamp":1800000000000,"_type":"board-task",`+
		`"n":12345678901234567890.10,"nested":{"_acl":{"get":[]}},"title":"a <b> & c"}`, id)
	if got := string(w.sent.all[0]); got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
	if w.sent.typ != "board-task" || w.sent.key != id {
		t.Errorf("sent to %s, %s", w.sent.typ, w.sent.key)
	}
}

func TestMethodsAreCommands(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		method, body string
		status       int
		command      string
	}{
		{"POST", `{"_command":"rename"}`, 202, "rename"},
		{"POST", `{}`, 400, ""},
		{"POST", ``, 415, ""},
		{"PUT", `{"title":"x"}`, 202, "put"},
		{"PUT", `{"_command":"put"}`, 202, "put"},
		{"PUT", `{"_command":"delete"}`, 400, ""},
		{"PUT", ``, 415, ""},
		{"PATCH", `[{"op":"add","path":"/title","value":"x"}]`, 202, "patch"},
		{"PATCH", `{"_ops":[{"op":"remove","path":"/title"}],"_seq":3}`, 202, "patch"},
		{"PATCH", `{"_command":"patch","_ops":[]}`, 202, "patch"},
		{"PATCH", `{"_command":"put","_ops":[]}`, 400, ""},
		{"PATCH", `{"title":"x"}`, 400, ""},
		{"PATCH", `7`, 400, ""},
		{"PATCH", ``, 415, ""},
		{"DELETE", ``, 202, "delete"},
		{"DELETE", `{"_seq":3}`, 202, "delete"},
		{"DELETE", `{"_command":"put"}`, 400, ""},
		{"DELETE", `[]`, 400, ""},
	}
	for _, tt := range tests {
		header := []string{"Content-Type", "application/json"}
		if tt.body == "" {
			header = nil
		}
		a := w.as("ann", tt.method, instance, tt.body, header...)
		if a.Code != tt.status {
			t.Errorf("%s %s: got %d %s, want %d", tt.method, tt.body, a.Code, a.Body, tt.status)
		}
		if tt.status != 202 {
			isProblem(t, a, tt.status)
			continue
		}
		var made struct {
			Corr string `json:"_corr"`
		}
		json.Unmarshal(a.Body.Bytes(), &made)
		m := w.sent.last(t)
		if m.String("_command") != tt.command || m.String("_corr") != made.Corr || !uuid.MatchString(made.Corr) {
			t.Errorf("%s %s: sent %s, answered %s", tt.method, tt.body, m.JSON(), a.Body)
		}
	}
}

// TestReservedFields: a client sets what it may, and nothing else (S34).
func TestReservedFields(t *testing.T) {
	tests := []struct {
		fields string
		want   int
	}{
		{`"_command":"c"`, 202},
		{`"_command":"` + strings.Repeat("c", 200) + `"`, 202},
		{`"_command":"` + strings.Repeat("c", 201) + `"`, 400},
		{`"_command":""`, 400},
		{`"_command":1`, 400},
		{`"_command":null`, 400},
		{`"_command":["c"]`, 400},
		{`"_command":"c","_corr":"` + strings.Repeat("x", 200) + `"`, 202},
		{`"_command":"c","_corr":"` + strings.Repeat("x", 201) + `"`, 400},
		{`"_command":"c","_corr":""`, 400},
		{`"_command":"c","_corr":7`, 400},
		{`"_command":"c","_corr":null`, 400},
		{`"_command":"c","_seq":0`, 202},
		{`"_command":"c","_seq":1.5`, 400},
		{`"_command":"c","_seq":"1"`, 400},
		{`"_command":"c","_seq":null`, 400},
		{`"_command":"c","_seq":9223372036854775808`, 400},
		{`"_command":"patch","_ops":[]`, 202},
		{`"_command":"patch","_ops":{}`, 400},
		{`"_command":"c","_ops":[]`, 400},
		{`"_command":"c","_id":"` + id + `"`, 202},
		{`"_command":"c","_id":"1d9c1c5a-7d5a-4f6e-9a57-0123456789ab"`, 400},
		{`"_command":"c","_id":7`, 400},
		{`"_command":"c","_id":null`, 400},
		{`"_command":"c","_type":"board-task"`, 202},
		{`"_command":"c","_type":"Board-task"`, 400},
		{`"_command":"c","_type":"other-task"`, 400},
		{`"_command":"c","_jwt":{"sub":"bob","roles":["admin"]}`, 202},
		{`"_command":"c","_timestamp":1`, 202},
		{`"_command":"c","errors":[]`, 202},
		{`"_command":"c","Sub":"bob"`, 202},
		{`"_command":"c","_acl":{}`, 400},
		{`"_command":"c","_subscriptions":["bob"]`, 400},
		{`"_command":"c","_error":true`, 400},
		{`"_command":"c","_outcome":"applied"`, 400},
		{`"_command":"c","_deleted":true`, 400},
		{`"_command":"c","_state":{}`, 400},
		{`"_command":"c","_":1`, 400},
		{`"_command":"c","_JWT":{"sub":"bob"}`, 400},
		{`"_command":"c","\u005facl":{}`, 400},
	}
	w := newWorld(t)
	for _, tt := range tests {
		a := w.command("{" + tt.fields + "}")
		if a.Code != tt.want {
			t.Errorf("%.80s: got %d %s, want %d", tt.fields, a.Code, a.Body, tt.want)
		}
		if tt.want != 202 {
			isProblem(t, a, tt.want)
			if len(w.sent.all) > 0 {
				t.Fatalf("%.80s: sent %s", tt.fields, w.sent.all[0])
			}
			continue
		}
		m := w.sent.last(t)
		if at, _ := m.Int("_timestamp"); m.User().Name != "ann" || m.User().Roles != nil || at != w.now.UnixMilli() {
			t.Errorf("%.80s: sent %s", tt.fields, m.JSON())
		}
	}
	own := newWorld(t, func(c *gateway.Config) { c.ACLTypes = []string{"board-task"} })
	if a := own.command(`{"_command":"c","_acl":{"get":["ann"]},"_subscriptions":["bob"]}`); a.Code != 202 {
		t.Errorf("got %d where the type allows it: %s", a.Code, a.Body)
	}
	if a := own.as("ann", "POST", "/api/board/other/"+id, `{"_command":"c","_acl":{}}`, "Content-Type", "application/json"); a.Code != 400 {
		t.Errorf("got %d for another type", a.Code)
	}
}

// TestNoBearerInTopics: claims go to Kafka, the token does not (S33).
func TestNoBearerInTopics(t *testing.T) {
	w := newWorld(t)
	token := w.token("ann", `,"roles":["clerk"],"n":1.10`)
	w.ask("POST", instance, `{"_command":"c"}`, "Content-Type", "application/json", "Authorization", "Bearer "+token)
	sent := w.sent.all[0]
	for _, part := range append(strings.Split(token, "."), token) {
		if bytes.Contains(sent, []byte(part)) {
			t.Errorf("%s has part of the token", sent)
		}
	}
	m := w.sent.last(t)
	if want := `{"sub":"ann","exp":1800003600,"roles":["clerk"],"n":1.10}`; string(m["_jwt"]) != want {
		t.Errorf("got _jwt %s, want %s", m["_jwt"], want)
	}
}

// TestRequestLimits: what is large, deep or ambiguous is refused (S52).
func TestRequestLimits(t *testing.T) {
	nested := func(n int) string {
		return `{"_command":"c","x":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}`
	}
	filled := func(size int) string {
		const frame = `{"_command":"c","x":""}`
		return `{"_command":"c","x":"` + strings.Repeat("y", size-len(frame)) + `"}`
	}
	tests := []struct {
		name, body string
		want       int
	}{
		{"64 deep", nested(64), 202},
		{"65 deep", nested(65), 400},
		{"100,000 deep", nested(100_000), 400},
		{"deep objects", strings.Repeat(`{"x":`, 65) + "1" + strings.Repeat("}", 65), 400},
		{"many lists, not deep", `{"_command":"c","x":[` + strings.Repeat("[[]],", 5000) + `1]}`, 202},
		{"a mebibyte", filled(1 << 20), 202},
		{"a byte more", filled(1<<20 + 1), 413},
		{"much more", filled(10 << 20), 413},
		{"not JSON", `{"_command":`, 400},
		{"a list", `[]`, 400},
		{"a string", `"x"`, 400},
		{"null", `null`, 400},
		{"spaces", `   `, 400},
		{"two objects", `{"_command":"c"}{}`, 400},
		{"a byte order mark", "\ufeff" + `{"_command":"c"}`, 400},
		{"spaces around", " \n{\"_command\":\"c\"}\r\n", 202},
		{"a name twice", `{"_command":"c","x":1,"x":2}`, 400},
		{"a name twice, escaped", `{"_command":"c","\u005fcommand":"d"}`, 400},
		{"a name twice, deeper", `{"_command":"c","x":[{"a":{"b":1,"c":"b","b":2}}]}`, 400},
		{"a name again elsewhere", `{"_command":"c","x":{"x":{"x":1}},"y":[{"x":1},{"x":"x"},"x","x"]}`, 202},
		{"hostile strings", `{"_command":"c","x":"\"{[,:\\","y\"":"}","z":"\\"}`, 202},
		{"not UTF-8", "{\"_command\":\"c\",\"x\":\"\xff\"}", 400},
		{"not UTF-8 in a name", "{\"_command\":\"c\",\"\xfe\":1,\"\xff\":1}", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			a := w.command(tt.body)
			if a.Code != tt.want || (len(w.sent.all) == 1) != (tt.want == 202) {
				t.Errorf("got %d %s, %d sent, want %d", a.Code, a.Body, len(w.sent.all), tt.want)
			}
			if tt.want != 202 {
				isProblem(t, a, tt.want)
			}
		})
	}
	w := newWorld(t, func(c *gateway.Config) { c.MaxBody = 30 })
	if a := w.command(filled(31)); a.Code != 413 {
		t.Errorf("got %d over MaxBody", a.Code)
	}
}

// TestGzipBomb: nothing is unpacked (S53).
func TestGzipBomb(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, `{"_command":"c","x":"`+strings.Repeat("y", 10<<20)+`"}`)
	z.Close()
	w := newWorld(t)
	for _, encoding := range []string{"gzip", "GZIP", "deflate", "br", "identity, gzip", "x"} {
		a := w.as("ann", "POST", instance, packed.String(), "Content-Type", "application/json", "Content-Encoding", encoding)
		isProblem(t, a, http.StatusUnsupportedMediaType)
	}
	a := w.as("ann", "POST", instance, `{"_command":"c"}`, "Content-Type", "application/json", "Content-Encoding", "identity")
	if a.Code != 202 {
		t.Errorf("got %d for what is not packed", a.Code)
	}
}

func TestContentType(t *testing.T) {
	w := newWorld(t)
	for contentType, want := range map[string]int{
		"application/json": 202, "Application/JSON": 202, "application/json;charset=utf-8": 202,
		"": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415, "multipart/form-data; boundary=x": 415,
		"application/jsonx": 415, "text/plain; application/json": 415, "application/json; charset=utf-16": 415, "application/json;": 202,
	} {
		if a := w.as("ann", "POST", instance, `{"_command":"c"}`, "Content-Type", contentType); a.Code != want {
			t.Errorf("%q: got %d, want %d", contentType, a.Code, want)
		}
	}
}

func TestNothingIsPromisedThatTheBrokerHasNot(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("kafka: %w", ebb.ErrUnknownType), 404},
		{fmt.Errorf("kafka: %w", ebb.ErrTooLarge), 413},
		{errors.New("no broker at 10.0.0.1"), 503},
	} {
		w := newWorld(t)
		w.sent.err = tt.err
		a := w.command(`{"_command":"c"}`)
		isProblem(t, a, tt.want)
		if strings.Contains(a.Body.String(), "10.0.0.1") || a.Header().Get("Location") != "" {
			t.Errorf("got %s %v", a.Body, a.Header())
		}
		if got := a.Header().Get("Retry-After"); (got != "") != (tt.want == 503) {
			t.Errorf("%v: got Retry-After %q", tt.err, got)
		}
	}
}

func TestBrokerHasFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.sent.hang, w.read.hang = true, true
		for name, ask := range map[string]func() *httptest.ResponseRecorder{
			"command": func() *httptest.ResponseRecorder { return w.command(`{"_command":"c"}`) },
			"read":    func() *httptest.ResponseRecorder { return w.as("ann", "GET", instance+"?fresh", "") },
		} {
			began := time.Now()
			isProblem(t, ask(), http.StatusServiceUnavailable)
			if took := time.Since(began); took != 5*time.Second {
				t.Errorf("%s took %v, want 5 s", name, took)
			}
		}
	})
}

func TestIdempotencyKeyIsTheCorrelationID(t *testing.T) {
	w := newWorld(t)
	for key, want := range map[string]string{"k-1": "k-1", `"k-2"`: "k-2", `"k-3`: `"k-3`} {
		w.as("ann", "POST", instance, `{"_command":"c"}`, "Content-Type", "application/json", "Idempotency-Key", key)
		if got := w.sent.last(t).String("_corr"); got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	w.as("ann", "POST", instance, `{"_command":"c","_corr":"mine"}`, "Content-Type", "application/json", "Idempotency-Key", "k")
	if got := w.sent.last(t).String("_corr"); got != "mine" {
		t.Errorf("got %q, want the body's", got)
	}
	if a := w.as("ann", "DELETE", instance, "", "Idempotency-Key", strings.Repeat("k", 201)); a.Code != 400 {
		t.Errorf("got %d for a long key", a.Code)
	}
}

func FuzzCommand(f *testing.F) {
	f.Add(`{"_command":"c","x":[{"a":1}]}`)
	f.Add(`{"_command":"c","\u005fx":1}`)
	w := newWorld(&testing.T{})
	token := "Bearer " + w.token("ann")
	f.Fuzz(func(t *testing.T, body string) {
		w.sent.all = nil
		a := w.ask("POST", instance, body, "Content-Type", "application/json", "Authorization", token)
		if (a.Code == 202) != (len(w.sent.all) == 1) || a.Code >= 500 {
			t.Fatalf("%q: got %d, %d sent", body, a.Code, len(w.sent.all))
		}
		if a.Code != 202 {
			return
		}
		if m := w.sent.last(t); m.User().Name != "ann" || m.String("_id") != id || m.String("_type") != "board-task" {
			t.Errorf("%q became %s", body, m.JSON())
		}
	})
}
