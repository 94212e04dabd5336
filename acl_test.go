package ebb_test

import (
	"testing"

	"github.com/ebb-events/ebb"
)

func TestACL(t *testing.T) {
	var (
		nobody = ebb.User{}
		ann    = ebb.User{Name: "ann"}
		boss   = ebb.User{Name: "bob", Roles: []string{"clerk", "boss"}}
		ghost  = ebb.User{Roles: []string{"boss"}} // roles without a name
	)
	all := []ebb.User{nobody, ann, boss, ghost}
	tests := []struct {
		name, state, action string
		allowed             []ebb.User
	}{
		{"none: get", `{}`, ebb.ActionGet, all},
		{"none: a command", `{}`, "rename", all},
		{"null", `{"_acl":null}`, "rename", all},
		{"empty", `{"_acl":{}}`, "rename", all},
		{"get by role", `{"_acl":{"get":["boss"]}}`, ebb.ActionGet, []ebb.User{boss}},
		{"get by name", `{"_acl":{"get":["ann"]}}`, ebb.ActionGet, []ebb.User{ann}},
		{"get leaves commands alone", `{"_acl":{"get":["boss"]}}`, "rename", all},
		{"write leaves get alone", `{"_acl":{"write":["boss"]}}`, ebb.ActionGet, all},
		{"a command's own entry", `{"_acl":{"rename":["ann"],"write":["boss"]}}`, "rename", []ebb.User{ann}},
		{"falls back to write", `{"_acl":{"rename":["ann"],"write":["boss"]}}`, "move", []ebb.User{boss}},
		{"an entry without write", `{"_acl":{"rename":["ann"]}}`, "move", all},
		{"nobody is listed", `{"_acl":{"rename":[]}}`, "rename", nil},
		{"null is listed", `{"_acl":{"rename":null}}`, "rename", nil},
		{"the empty name is nobody", `{"_acl":{"rename":[""]}}`, "rename", nil},
		{"names are exact", `{"_acl":{"rename":["Ann","BOSS"," boss"]}}`, "rename", nil},
		{"commands are exact", `{"_acl":{"Rename":["ann"],"write":["boss"]}}`, "rename", []ebb.User{boss}},
		{"unreadable: get", `{"_acl":"boss"}`, ebb.ActionGet, nil},
		{"unreadable: a command", `{"_acl":["boss"]}`, "rename", nil},
		{"unreadable in part", `{"_acl":{"get":["boss"],"write":"ann"}}`, ebb.ActionGet, nil},
		{"unreadable entry", `{"_acl":{"get":[{"sub":"ann"}]}}`, ebb.ActionGet, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state, err := ebb.ParseMessage([]byte(tt.state))
			if err != nil {
				t.Fatal(err)
			}
			acl := ebb.ParseACL(state)
			for _, user := range all {
				want := false
				for _, u := range tt.allowed {
					want = want || u.Name == user.Name && len(u.Roles) == len(user.Roles)
				}
				if got := acl.Allows(user, tt.action); got != want {
					t.Errorf("%+v may %s: %v, want %v", user, tt.action, got, want)
				}
			}
		})
	}
}
