package aggregate

import (
	"encoding/json"

	"github.com/ebb-events/ebb"
)

// breaksGlass tells whether cmd passes an _acl that refuses it, because its
// user says so and the type allows it. The log line is what an audit goes by;
// it comes again when a transaction fails and cmd is executed again.
func (s *service) breaksGlass(cmd Command) bool {
	var claims ebb.Message
	if !s.breakGlass || json.Unmarshal(cmd.fields[ebb.FieldJWT], &claims) != nil || !claims.Bool("breakingTheGlass") {
		return false
	}
	s.Logger.Warn("glass broken: a command passes _acl", "user", cmd.User.Name, "command", cmd.Name, "id", cmd.ID, "corr", cmd.Corr)
	return true
}
