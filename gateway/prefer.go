package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longestWait is how long a request may wait for the reply to its command.
const longestWait = 30 * time.Second

// preferredWait returns how long a client prefers to wait (RFC 7240), 0 if it
// does not say so. The first word counts, and what cannot be read does not.
func preferredWait(h http.Header) time.Duration {
	for preference := range strings.SplitSeq(strings.Join(h.Values("Prefer"), ","), ",") {
		preference, _, _ = strings.Cut(preference, ";") // parameters
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
		if err != nil {
			return 0
		}
		return min(longestWait, time.Duration(n)*time.Second)
	}
	return 0
}
