package ebb

import (
	"encoding/json"
	"slices"
)

// Username is what a token calls its subject, byte for byte. Of several
// issuers each has a namespace, which comes first: staff:ann.
type Username = string

// User is who sends a command or reads: the claims that decide.
type User struct {
	Name  Username `json:"sub"`
	Roles []string `json:"roles,omitempty"`
}

// Actions of an ACL that are no command's name.
const (
	ActionGet   = "get"   // reading an instance
	ActionWrite = "write" // every command without an entry of its own
)

// ACL says which roles or users may do what: get, write, or a command's name.
type ACL map[string][]string

// ParseACL reads the _acl of a state. None at all allows everybody; one that
// cannot be read allows nobody.
func ParseACL(state Message) ACL {
	raw, ok := state[FieldACL]
	if !ok || string(raw) == "null" {
		return nil
	}
	var acl ACL
	if json.Unmarshal(raw, &acl) != nil {
		return ACL{ActionGet: nil, ActionWrite: nil}
	}
	return acl
}

// Allows tells whether u may do action. A command without an entry falls back
// to write, and what has no entry at all is allowed.
func (a ACL) Allows(u User, action string) bool {
	who, ok := a[action]
	if !ok && action != ActionGet {
		who, ok = a[ActionWrite]
	}
	if !ok {
		return true
	}
	if u.Name == "" {
		return false
	}
	return slices.Contains(who, u.Name) || slices.ContainsFunc(u.Roles, func(role string) bool {
		return slices.Contains(who, role)
	})
}
