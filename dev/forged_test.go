package dev_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
)

// TestForgedSub: who hears of a command is who sent it, and nothing that she
// writes into it makes it another's (S34, S35).
func TestForgedSub(t *testing.T) {
	s := start(t, t.TempDir())
	ann, bob := s.login("ann"), s.login("bob")
	anns, bobs := ann.open(""), bob.open("")
	anns.own("ebb.hello")
	bobs.own("ebb.hello")
	path := "/api/board/task/" + uuid.NewString()
	for _, forged := range []message{
		{"_subscriptions": []string{"bob"}}, {"_acl": message{"get": []string{"bob"}}},
		{"_sub": "bob"}, {"_outcome": "applied"}, {"_error": true}, {"_before": message{}}, {"__proto__": message{"_jwt": "bob"}},
	} {
		forged["_command"], forged["title"] = "create", "forged"
		if resp := ann.do("POST", ann.api(path), forged, ann.header()); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%v: %s %s", forged, resp.Status, resp.body)
		}
	}
	// Claims are the gateway's, whatever a client says they are.
	for _, claims := range []any{message{"sub": "bob"}, "bob", nil} {
		forged := ann.send(uuid.NewString(), message{"_command": "create", "title": "hers", "_jwt": claims})
		if got := anns.reply(forged.Corr); got["owner"] != "ann" {
			t.Errorf("with claims %v: got %v", claims, got)
		}
	}
	// Fields of other names are the application's, and say nothing about users.
	id := uuid.NewString()
	created := ann.send(id, message{"_command": "create", "title": "bob", "sub": "bob", "jwt": message{"sub": "bob"}, "user": "bob", "owner": "bob"})
	anns.reply(created.Corr)
	if got := bob.list(); len(got) != 0 {
		t.Errorf("bob sees %v", got)
	}
	// Nor does another's command with her _corr come to her, or as hers.
	stolen := bob.send(id, message{"_command": "rename", "title": "mine", "_corr": created.Corr})
	if got := bobs.reply(stolen.Corr); got["_outcome"] != "forbidden" {
		t.Errorf("bob's command on ann's task: %v", got)
	}
	renamed := ann.send(id, message{"_command": "rename", "title": "hers"})
	anns.reply(renamed.Corr) // with nothing of bob's before it
	task := bob.send(uuid.NewString(), message{"_command": "create", "title": "his"})
	bobs.reply(task.Corr) // with nothing of ann's before it
}
