package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ebb-events/ebb/gateway"
)

func TestRolesDecide(t *testing.T) {
	rules := map[string][]string{
		"board-task.create": {"clerk", "boss"},
		"board-task.put":    {"boss"},
		"board-task.patch":  {"boss"},
		"board-task.delete": {},
		"board-task.get":    {"clerk"},
		"board-task.note":   {"*"},
		"board-other.list":  {"clerk"},
	}
	tests := []struct {
		method, path, body string
		roles              string
		open, closed       bool // whether it is allowed, without and with DenyByDefault
	}{
		{"POST", instance, `{"_command":"create"}`, `["clerk"]`, true, true},
		{"POST", instance, `{"_command":"create"}`, `["guest","boss"]`, true, true},
		{"POST", instance, `{"_command":"create"}`, `["guest"]`, false, false},
		{"POST", instance, `{"_command":"create"}`, `[]`, false, false},
		{"POST", instance, `{"_command":"create"}`, `["Clerk","*"]`, false, false},
		{"POST", instance, `{"_command":"note"}`, `[]`, true, true},
		{"POST", instance, `{"_command":"rename"}`, `["boss"]`, true, false},
		{"POST", instance, `{"_command":"Create"}`, `["boss"]`, true, false}, // is another command
		{"PUT", instance, `{}`, `["clerk"]`, false, false},
		{"PUT", instance, `{}`, `["boss"]`, true, true},
		{"POST", instance, `{"_command":"put"}`, `["clerk"]`, false, false}, // the command, not the method
		{"POST", instance, `{"_command":"put"}`, `["boss"]`, true, true},
		{"PATCH", instance, `[]`, `["clerk"]`, false, false},
		{"PATCH", instance, `[]`, `["boss"]`, true, true},
		{"POST", instance, `{"_command":"patch","_ops":[]}`, `["clerk"]`, false, false},
		{"DELETE", instance, ``, `["boss"]`, false, false},
		{"POST", instance, `{"_command":"delete"}`, `["boss"]`, false, false},
		{"GET", instance, ``, `["boss"]`, false, false},
		{"HEAD", instance, ``, `["boss"]`, false, false},
		{"GET", instance, ``, `["clerk"]`, true, true},
		{"GET", "/api/board/task", ``, `["boss"]`, false, false},
		{"GET", "/api/board/task", ``, `["clerk"]`, true, true},
		{"GET", "/api/board/other", ``, `[]`, true, false}, // it is get, also of many
		{"POST", "/api/board/other/" + id, `{"_command":"create"}`, `[]`, true, false},
		{"GET", "/api/sse", ``, `[]`, true, true},
	}
	for _, deny := range []bool{false, true} {
		var refused []string
		w := newWorld(t, func(c *gateway.Config) {
			c.Roles, c.DenyByDefault = rules, deny
			c.Metrics.Refused = func(reason string) { refused = append(refused, reason) }
		})
		w.read.state = []byte(`{"_seq":1}`)
		for _, tt := range tests {
			refused, w.sent.all = nil, nil
			header := []string{"Authorization", "Bearer " + w.token("ann", `,"roles":`+tt.roles)}
			if tt.body != "" {
				header = append(header, "Content-Type", "application/json")
			}
			a := w.ask(tt.method, tt.path, tt.body, header...)
			want := tt.open && !deny || tt.closed && deny
			if (a.Code < 400) != want {
				t.Errorf("deny %v: %s %s %s as %s: got %d %s, want it: %v", deny, tt.method, tt.path, tt.body, tt.roles, a.Code, a.Body, want)
			}
			if want {
				continue
			}
			isProblem(t, a, http.StatusForbidden)
			if strings.Contains(a.Body.String(), "clerk") || strings.Contains(a.Body.String(), "boss") || len(w.sent.all) != 0 {
				t.Errorf("%s %s: got %s", tt.method, tt.body, a.Body)
			}
			if strings.Join(refused, " ") != "role" {
				t.Errorf("%s %s: told %q", tt.method, tt.body, refused)
			}
		}
	}
}

// TestRolesHoldForWhatIsResolved: an href opens no type that is closed.
func TestRolesHoldForWhatIsResolved(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) {
		c.Roles = map[string][]string{"shop-order.get": {"clerk"}, "shop-item.get": {"*"}}
	})
	w.as("ann", "GET", instance+"?resolve", "")
	for typ, want := range map[string]bool{"shop-order": false, "shop-item": true, "board-task": true} {
		if got := w.read.query.Resolve(typ); got != want {
			t.Errorf("%s: got %v, want %v", typ, got, want)
		}
	}
}
