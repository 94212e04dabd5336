package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ebb-events/ebb"
)

// everybody stands for all users in a rule.
const everybody = "*"

// allow refuses what the rules do not let somebody do with a type: a command,
// or get. It does not say which role it takes.
func (g *Gateway) allow(who identity, typ, action string) error {
	roles, ruled := g.cfg.Roles[typ+"."+action]
	switch {
	case !ruled && !g.cfg.DenyByDefault:
		return nil
	case slices.Contains(roles, everybody):
		return nil
	case slices.ContainsFunc(who.user.Roles, func(role string) bool { return role != everybody && slices.Contains(roles, role) }):
		return nil
	}
	return &problem{status: http.StatusForbidden, detail: "You may not do this.", cause: errors.New("no role that allows " + typ + "." + action), reason: "role", user: who.user.Name}
}

// rules checks the form of the rules.
func (g *Gateway) rules() error {
	for rule, roles := range g.cfg.Roles {
		typ, command, _ := strings.Cut(rule, ".")
		if !ebb.ValidType(typ) || command == "" {
			return fmt.Errorf("rule %q, want <app>-<type>.<command>", rule)
		}
		for _, role := range roles { // "=" is of another rule, which would not hold
			if role == "" || role != strings.TrimSpace(role) || strings.Contains(role, "=") {
				return fmt.Errorf("rule %q has the role %q, want names without spaces around and =", rule, role)
			}
		}
	}
	return nil
}
