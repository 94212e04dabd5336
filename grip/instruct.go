// Package grip has what travels between a back end and an edge in the Generic
// Realtime Intermediary Protocol, as Pushpin and Fastly Fanout speak it
// (https://pushpin.org/docs/protocols/grip/): hold instructions, published
// items, the signature of a request, and the keys for it.
package grip

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// InstructType is the media type of instructions in a body.
const InstructType = "application/grip-instruct"

// HeaderPrefix begins every header of the protocol, in canonical form.
const HeaderPrefix = "Grip-"

// Hold modes.
const (
	ModeStream   = "stream"
	ModeResponse = "response"
)

// Names of a hold's meta that Ebb's own gateway gives to the edge. They have a
// prefix, because every back end has names of its own.
const (
	MetaSession = "ebb-session" // the session's id
	MetaProof   = "ebb-proof"   // stands in the ids of its events
	MetaTTL     = "ebb-ttl"     // seconds until it ends
	MetaBegan   = "ebb-began"   // where among what becomes of sessions it began
)

// Filters are the names of the filters that a channel may have.
var Filters = []string{FilterSkipSelf, FilterSkipUsers, FilterRequireSub, FilterBuildID, FilterVarSubst}

// The filters. The first three keep an item from a client, the others change
// its content.
const (
	FilterSkipSelf   = "skip-self"
	FilterSkipUsers  = "skip-users"
	FilterRequireSub = "require-sub"
	FilterBuildID    = "build-id"
	FilterVarSubst   = "var-subst"
)

const (
	maxFilters  = 5 // of a channel
	maxChannels = 1000
)

// Instruct is what an edge shall do with a request.
type Instruct struct {
	Hold     *Hold    `json:"hold,omitempty"` // nil: answer and be done
	Response Response `json:"response"`       // of a JSON instruct
	Status   int      `json:"-"`              // what the client gets; 0: the response's own
	Expose   []string `json:"-"`              // headers that the client gets; all if none
}

// Hold says how a request is held.
type Hold struct {
	Mode      string            `json:"mode"`
	Channels  []Channel         `json:"channels"`
	Timeout   int               `json:"timeout,omitempty"`    // of mode response: seconds, at least 5
	KeepAlive *KeepAlive        `json:"keep-alive,omitempty"` // nil: the edge's own
	Meta      map[string]string `json:"meta,omitempty"`
}

// Channel is one that a held request hears.
type Channel struct {
	Name    string   `json:"name"`
	PrevID  string   `json:"prev-id,omitempty"` // the item that the client has already
	Filters []string `json:"filters,omitempty"`
}

// IsInstruct tells whether a response asks for the edge: by its media type, or
// by any header of the protocol.
func IsInstruct(h http.Header) bool {
	if IsJSON(h) {
		return true
	}
	for name := range h {
		if strings.HasPrefix(name, HeaderPrefix) {
			return true
		}
	}
	return false
}

// IsJSON tells whether a response is a JSON instruct, by its media type.
func IsJSON(h http.Header) bool {
	t, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return t == InstructType
}

// ParseInstruct reads the instructions of a response for which [IsInstruct].
// Its body matters for a JSON instruct alone, whose hold then counts and not
// that of the header.
func ParseInstruct(status int, h http.Header, body []byte) (Instruct, error) {
	in, err := parseHeader(h)
	if err != nil {
		return Instruct{}, err
	}
	if IsJSON(h) {
		if status != http.StatusOK {
			return Instruct{}, fmt.Errorf("grip: a JSON instruct with status %d, want 200", status)
		}
		if err := json.Unmarshal(body, &in); err != nil {
			return Instruct{}, fmt.Errorf("grip: JSON instruct: %w", err)
		}
	}
	return in, check(in.Hold)
}

// UnmarshalJSON reads a hold, of mode response if it says nothing else.
func (h *Hold) UnmarshalJSON(b []byte) error {
	type plain Hold
	j := plain{Mode: ModeResponse, Timeout: defaultTimeout}
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*h = Hold(j)
	return nil
}

// check refuses a hold that makes no sense, and minds its limits.
func check(h *Hold) error {
	switch {
	case h == nil:
		return nil
	case h.Mode != ModeStream && h.Mode != ModeResponse:
		return fmt.Errorf("grip: hold mode %q, want %q or %q", h.Mode, ModeStream, ModeResponse)
	case h.Timeout < 0:
		return fmt.Errorf("grip: time-out of %d s", h.Timeout)
	case len(h.Channels) > maxChannels:
		return fmt.Errorf("grip: %d channels, want at most %d", len(h.Channels), maxChannels)
	}
	for _, c := range h.Channels {
		if c.Name == "" {
			return errors.New("grip: a channel without a name")
		}
		if len(c.Filters) > maxFilters {
			return fmt.Errorf("grip: %d filters of channel %q, want at most %d", len(c.Filters), c.Name, maxFilters)
		}
		for _, f := range c.Filters { // to send what it would have kept back is a leak
			if !slices.Contains(Filters, f) {
				return fmt.Errorf("grip: filter %q of channel %q, want one of %s", f, c.Name, strings.Join(Filters, ", "))
			}
		}
	}
	if h.Mode == ModeStream {
		h.Timeout = 0
	} else {
		h.Timeout = min(max(h.Timeout, minTimeout), int(maxTimeout/time.Second))
	}
	return nil
}
