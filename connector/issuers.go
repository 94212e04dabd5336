package connector

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ebb-events/ebb"
)

// issuers are those whose users there are, each with the namespace that its
// users' names begin with. If there are none, anybody is a user.
type issuers map[string]string

func (i issuers) check() error {
	by := map[string]string{}
	for issuer, namespace := range i {
		if !ebb.ValidNamespace(namespace) {
			return fmt.Errorf("the namespace of issuer %q is %q, want 1 to 16 of a-z and 0-9", issuer, namespace)
		}
		if other, twice := by[namespace]; twice {
			return fmt.Errorf("issuers %q and %q have the same namespace %q", min(issuer, other), max(issuer, other), namespace)
		}
		if issuer == "" {
			return errors.New("an issuer has no name")
		}
		by[namespace] = issuer
	}
	return nil
}

// vouch says why a sender cannot be one of iss's users, "" if it can. The
// gateway has put the namespace before the name, in the claims.
func (i issuers) vouch(iss string, sender ebb.Username) (reason string) {
	if len(i) == 0 {
		return ""
	}
	namespace, known := i[iss]
	switch {
	case !known:
		return unknownIssuer
	case !in(namespace, sender):
		return foreignUser
	}
	return ""
}

// has tells whether a name can be a user's of any issuer.
func (i issuers) has(user ebb.Username) bool {
	if len(i) == 0 {
		return true
	}
	for _, namespace := range i {
		if in(namespace, user) {
			return true
		}
	}
	return false
}

// in tells whether user is namespace, a colon and something.
func in(namespace string, user ebb.Username) bool {
	name, ok := strings.CutPrefix(user, namespace+":")
	return ok && name != ""
}
