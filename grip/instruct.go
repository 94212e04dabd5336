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

// Instruct is what an edge shall do with a request.
type Instruct struct {
	Hold     *Hold    `json:"hold,omitempty"` // nil: answer and be done
	Response Response `json:"response"`       // of a JSON instruct
}

// Hold says how a request is held.
type Hold struct {
	Mode      string            `json:"mode"`
	Channels  []Channel         `json:"channels"`
	KeepAlive *KeepAlive        `json:"keep-alive,omitempty"` // nil: the edge's own
	Meta      map[string]string `json:"meta,omitempty"`
}

// Channel is one that a held request hears.
type Channel struct {
	Name   string `json:"name"`
	PrevID string `json:"prev-id,omitempty"`
}

// Response is what the client gets, of a JSON instruct.
type Response struct {
	Code   int               `json:"code,omitempty"` // 200 if zero
	Header map[string]string `json:"headers,omitempty"`
	Body   string            `json:"body,omitempty"`
}

// UnmarshalJSON reads headers as an object or a list of pairs, and a body as
// text or base64.
func (r *Response) UnmarshalJSON(b []byte) error {
	type plain Response
	j := struct {
		*plain
		Header  json.RawMessage `json:"headers"`
		BodyBin *string         `json:"body-bin"`
	}{plain: (*plain)(r)}
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	if j.BodyBin != nil {
		var err error
		if r.Body, err = decode64(*j.BodyBin); err != nil {
			return err
		}
	}
	if r.Code != 0 && (r.Code < 200 || r.Code > 999) {
		return fmt.Errorf("grip: response code %d, want 200 to 999", r.Code)
	}
	if len(j.Header) == 0 {
		return nil
	}
	if j.Header[0] != '[' {
		return json.Unmarshal(j.Header, &r.Header)
	}
	var pairs [][]string
	if err := json.Unmarshal(j.Header, &pairs); err != nil {
		return err
	}
	r.Header = map[string]string{}
	for _, pair := range pairs {
		if len(pair) != 2 {
			return fmt.Errorf("grip: response header %q, want a name and a value", pair)
		}
		name, value := pair[0], pair[1]
		if first, again := r.Header[name]; again {
			value = first + ", " + value
		}
		r.Header[name] = value
	}
	return nil
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

// ParseInstruct reads the instructions of a response for which [IsInstruct].
// Its body matters for a JSON instruct alone.
func ParseInstruct(status int, h http.Header, body []byte) (Instruct, error) {
	if !IsJSON(h) {
		hold, err := parseHeader(h)
		return Instruct{Hold: hold}, err
	}
	var in Instruct
	if status != http.StatusOK {
		return in, fmt.Errorf("grip: a JSON instruct with status %d, want 200", status)
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return in, fmt.Errorf("grip: JSON instruct: %w", err)
	}
	if in.Hold != nil && in.Hold.Mode == "" {
		in.Hold.Mode = ModeResponse
	}
	return in, check(in.Hold)
}

// IsJSON tells whether a response is a JSON instruct, by its media type.
func IsJSON(h http.Header) bool {
	t, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return t == InstructType
}

func check(h *Hold) error {
	switch {
	case h == nil:
		return nil
	case h.Mode != ModeStream && h.Mode != ModeResponse:
		return fmt.Errorf("grip: hold mode %q, want %q or %q", h.Mode, ModeStream, ModeResponse)
	case slices.ContainsFunc(h.Channels, func(c Channel) bool { return c.Name == "" }):
		return errors.New("grip: a channel without a name")
	}
	return nil
}

func parseHeader(h http.Header) (*Hold, error) {
	mode := h.Get("Grip-Hold")
	if mode == "" {
		return nil, nil
	}
	hold := &Hold{Mode: mode}
	for _, field := range h.Values("Grip-Channel") {
		for one := range strings.SplitSeq(field, ",") {
			name, params := parseParams(one)
			if name != "" {
				hold.Channels = append(hold.Channels, Channel{name, params["prev-id"]})
			}
		}
	}
	if v := h.Get("Grip-Keep-Alive"); v != "" {
		keepAlive, err := parseKeepAlive(v)
		if err != nil {
			return nil, err
		}
		hold.KeepAlive = keepAlive
	}
	for _, field := range h.Values("Grip-Set-Meta") {
		for one := range strings.SplitSeq(field, ",") {
			if name, value, ok := strings.Cut(one, "="); ok {
				if hold.Meta == nil {
					hold.Meta = map[string]string{}
				}
				hold.Meta[strings.TrimSpace(name)] = strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
	}
	return hold, check(hold)
}

// parseParams splits "value; name=value; ...".
func parseParams(s string) (value string, params map[string]string) {
	f := strings.Split(s, ";")
	params = map[string]string{}
	for _, one := range f[1:] {
		name, v, _ := strings.Cut(one, "=")
		params[strings.TrimSpace(name)] = strings.TrimSpace(v)
	}
	return strings.TrimSpace(f[0]), params
}
