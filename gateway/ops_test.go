package gateway_test

import (
	"strings"
	"testing"

	"github.com/ebb-events/ebb/gateway"
)

// TestPatchTouchesNothingReserved: what a client cannot set by a field it can
// neither set nor read by an operation.
func TestPatchTouchesNothingReserved(t *testing.T) {
	const no, acl, yes = 0, 1, 2 // acl: only where the type allows it
	tests := []struct {
		op   string
		want int
	}{
		{`{"op":"add","path":"/a","value":1}`, yes},
		{`{"op":"add","path":"/a/_acl","value":1}`, yes},
		{`{"op":"add","path":"/a~1_acl","value":1}`, yes},
		{`{"op":"add","path":"/","value":null}`, yes},
		{`{"op":"add","path":"/tags/-","value":{"_acl":{}}}`, yes},
		{`{"op":"remove","path":"/a"}`, yes},
		{`{"op":"replace","path":"/a","value":1}`, yes},
		{`{"op":"move","path":"/a","from":"/b"}`, yes},
		{`{"op":"copy","path":"/a","from":"/b/c"}`, yes},
		{`{"op":"test","path":"/a","value":1}`, yes},
		{`{"op":"add","path":"/errors","value":1}`, yes},

		{`{"op":"add","path":"/_acl","value":{}}`, acl},
		{`{"op":"add","path":"/_acl/get/-","value":"eve"}`, acl},
		{`{"op":"add","path":"/\u005facl/get","value":[]}`, acl},
		{`{"op":"remove","path":"/_acl"}`, acl},
		{`{"op":"replace","path":"/_acl/write","value":[]}`, acl},
		{`{"op":"move","path":"/a","from":"/_acl"}`, acl},
		{`{"op":"copy","path":"/_acl","from":"/a"}`, acl},
		{`{"op":"test","path":"/_acl/get/0","value":"bob"}`, acl},
		{`{"op":"add","path":"/_subscriptions/-","value":"eve"}`, acl},

		{`{"op":"add","path":"/_jwt/sub","value":"eve"}`, no},
		{`{"op":"copy","path":"/a","from":"/_jwt"}`, no},
		{`{"op":"test","path":"/_seq","value":1}`, no},
		{`{"op":"replace","path":"/_id","value":"x"}`, no},
		{`{"op":"remove","path":"/_deleted"}`, no},
		{`{"op":"add","path":"/_","value":1}`, no},
		{`{"op":"add","path":"/_ACL","value":1}`, no},
		{`{"op":"add","path":"/_acl~0","value":1}`, no},
		{`{"op":"replace","path":"","value":{}}`, no},
		{`{"op":"test","path":"","value":{}}`, no},
		{`{"op":"copy","path":"/a","from":""}`, no},

		{`{"op":"add","Path":"/_acl","path":"/a","value":1}`, no},
		{`{"op":"copy","path":"/a","from":"/b","FROM":"/_jwt"}`, no},
		{`{"op":"add","path":"_acl","value":1}`, no},
		{`{"op":"add","path":"/a~2","value":1}`, no},
		{`{"op":"add","path":7,"value":1}`, no},
		{`{"op":"add","path":null,"value":1}`, no},
		{`{"op":"add","value":1}`, no},
		{`{"op":"add","path":"/a"}`, no},
		{`{"op":"move","path":"/a"}`, no},
		{`{"op":"move","path":"/a","from":["/b"]}`, no},
		{`{"op":"Add","path":"/a","value":1}`, no},
		{`{"path":"/a","value":1}`, no},
		{`{"op":["add"],"path":"/a","value":1}`, no},
		{`["add","/a",1]`, no},
		{`null`, no},
	}
	plain := newWorld(t)
	own := newWorld(t, func(c *gateway.Config) { c.ACLTypes = []string{"board-task"} })
	for _, tt := range tests {
		for _, w := range []*world{plain, own} {
			want := 400
			if tt.want == yes || tt.want == acl && w == own {
				want = 202
			}
			list := `[{"op":"remove","path":"/z"},` + tt.op + `]`
			patched := w.as("ann", "PATCH", instance, list, "Content-Type", "application/json-patch+json")
			posted := w.command(`{"_command":"patch","_ops":` + list + `}`)
			if patched.Code != want || posted.Code != want {
				t.Errorf("%s: got %d %s and %d, want %d", tt.op, patched.Code, patched.Body, posted.Code, want)
			}
			if sent := len(w.sent.all); sent != 0 && want != 202 {
				t.Fatalf("%s was sent", tt.op)
			}
			if want == 202 {
				if got := w.sent.last(t); strings.Join(strings.Fields(string(got["_ops"])), "") != list {
					t.Errorf("%s became %s", list, got["_ops"])
				}
			}
		}
	}
}

func TestPatchType(t *testing.T) {
	w := newWorld(t)
	const list = ` [{"op":"remove","path":"/a"}] `
	for _, tt := range []struct {
		method, contentType, body string
		want                      int
	}{
		{"PATCH", "application/json-patch+json", list, 202},
		{"PATCH", "Application/JSON-Patch+JSON; charset=utf-8", list, 202},
		{"PATCH", "application/json", list, 202},
		{"PATCH", "application/json-patch+json", `{"_ops":[]}`, 400},
		{"PATCH", "application/json-patch+json", `[`, 400},
		{"PATCH", "application/json-patch+json", `[{"op":"remove","path":"/a","path":"/b"}]`, 400},
		{"PATCH", "application/json-patch+json", strings.Repeat("[", 65) + strings.Repeat("]", 65), 400},
		{"PATCH", "application/json-patch+json; charset=latin1", list, 415},
		{"PATCH", "application/merge-patch+json", `{"a":null}`, 415},
		{"PATCH", "", list, 415},
		{"POST", "application/json-patch+json", list, 415},
		{"PUT", "application/json-patch+json", list, 415},
		{"POST", "application/json", list, 400},
	} {
		a := w.as("ann", tt.method, instance, tt.body, "Content-Type", tt.contentType)
		if a.Code != tt.want {
			t.Errorf("%s %s %s: got %d %s, want %d", tt.method, tt.contentType, tt.body, a.Code, a.Body, tt.want)
		}
	}
}
