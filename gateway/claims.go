package gateway

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/ebb-events/ebb"
)

const leeway = time.Minute // between our clock and the issuer's

var errNotPlain = errors.New("claims are no plain JSON object")

// identity judges the payload of a token whose signature is good.
func (t *trusted) identity(payload []byte, now time.Time) (identity, error) {
	m, err := ebb.ParseMessage(payload)
	if err != nil || plain(payload) != nil {
		return identity{}, errNotPlain
	}
	if err := checkNames(m); err != nil {
		return identity{}, err
	}
	var std jwt.Claims
	var user ebb.User
	if json.Unmarshal(payload, &std) != nil || json.Unmarshal(payload, &user) != nil {
		return identity{}, errors.New("a claim of the wrong type")
	}
	if err := t.valid(std, now); err != nil {
		return identity{}, err
	}
	if isOther(m) {
		return identity{}, errors.New("an ID, refresh or logout token")
	}
	if t.Namespace != "" {
		user = t.qualify(user, m)
		payload = m.JSON()
	}
	if std.Subject == "" || !ebb.ValidUser(user.Name) {
		return identity{}, errors.New("sub is empty, too long, or has control characters")
	}
	return identity{user: user, claims: payload, ends: std.Expiry.Time()}, nil
}

// checkNames refuses claims that one reader takes for others, and the next
// one does not.
func checkNames(m ebb.Message) error {
	for name := range m {
		for _, known := range []string{"sub", "roles", "iss", "aud", "exp", "nbf", "iat", "jti"} {
			if name != known && strings.EqualFold(name, known) {
				return errors.New("a claim in unusual case")
			}
		}
	}
	return nil
}

// valid tells whether a token is by the issuer, for us, and of now.
func (t *trusted) valid(c jwt.Claims, now time.Time) error {
	if c.Expiry == nil {
		return errors.New("no exp")
	}
	want := jwt.Expected{Issuer: t.Name, AnyAudience: t.Audiences, Time: now}
	if err := c.ValidateWithLeeway(want, leeway); err != nil {
		return err
	}
	if t.MaxLife > 0 && c.Expiry.Time().Sub(now) > t.MaxLife+leeway {
		return errors.New("exp is too far away")
	}
	return nil
}

// isOther tells whether the claims are those of another kind of token, which
// issuers sign with the same keys: what only ID and logout tokens have, and
// how Keycloak says what is none of access.
func isOther(m ebb.Message) bool {
	for _, name := range []string{"at_hash", "c_hash", "s_hash"} {
		if m[name] != nil {
			return true
		}
	}
	var events ebb.Message
	if json.Unmarshal(m["events"], &events) == nil && events["http://schemas.openid.net/event/backchannel-logout"] != nil {
		return true
	}
	switch m.String("typ") {
	case "ID", "Refresh", "Offline", "Logout":
		return true
	}
	return false
}

// qualify puts a user and the roles into the issuer's namespace, in the claims
// too: whoever reads them gets no user of another issuer's, whatever he knows
// about issuers.
func (t *trusted) qualify(u ebb.User, claims ebb.Message) ebb.User {
	q := ebb.User{Name: t.Namespace + ":" + u.Name}
	claims.Set("sub", q.Name)
	for _, role := range u.Roles {
		q.Roles = append(q.Roles, t.Namespace+":"+role)
	}
	if q.Roles != nil {
		claims.Set("roles", q.Roles)
	}
	return q
}
