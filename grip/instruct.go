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
	"strconv"
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

// KeepAlive is what to send on a stream that is otherwise silent.
type KeepAlive struct {
	Content string        `json:"content"`
	Timeout time.Duration `json:"-"` // whole seconds, at least one
}

// Response is what the client gets, of a JSON instruct.
type Response struct {
	Code   int               `json:"code,omitempty"` // 200 if zero
	Header map[string]string `json:"headers,omitempty"`
	Body   string            `json:"body,omitempty"`
}

// IsInstruct tells whether a response asks for the edge: by its media type, or
// by any header of the protocol.
func IsInstruct(h http.Header) bool {
	if isJSON(h) {
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
	if !isJSON(h) {
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

func isJSON(h http.Header) bool {
	t, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return t == InstructType
}

func check(h *Hold) error {
	if h == nil || h.Mode == ModeStream || h.Mode == ModeResponse {
		return nil
	}
	return fmt.Errorf("grip: hold mode %q, want %q or %q", h.Mode, ModeStream, ModeResponse)
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

// parseKeepAlive reads Grip-Keep-Alive, whose data may end in spaces.
func parseKeepAlive(s string) (*KeepAlive, error) {
	content, rest, _ := strings.Cut(s, ";")
	_, params := parseParams(";" + rest)
	k := &KeepAlive{Content: content, Timeout: 55 * time.Second}
	if v, ok := params["timeout"]; ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("grip: keep-alive timeout %q, want seconds", v)
		}
		k.Timeout = max(time.Duration(n)*time.Second, time.Second)
	}
	var err error
	switch params["format"] {
	case "", "raw":
	case "cstring":
		k.Content, err = unescape(content)
	case "base64":
		k.Content, err = decode64(content)
	default:
		err = fmt.Errorf("grip: keep-alive format %q, want raw, cstring or base64", params["format"])
	}
	return k, err
}

// unescape reads \\, \r, \n and \xHH.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch {
		case i < len(s) && s[i] == '\\':
			b.WriteByte('\\')
		case i < len(s) && s[i] == 'r':
			b.WriteByte('\r')
		case i < len(s) && s[i] == 'n':
			b.WriteByte('\n')
		case i+2 < len(s) && s[i] == 'x':
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", fmt.Errorf("grip: keep-alive escape \\%s", s[i:i+3])
			}
			b.WriteByte(byte(n))
			i += 2
		default:
			return "", errors.New(`grip: keep-alive escape, want \\ \r \n or \xHH`)
		}
	}
	return b.String(), nil
}

type keepAliveJSON struct {
	Content    string `json:"content,omitempty"`
	ContentBin string `json:"content-bin,omitempty"`
	Timeout    int64  `json:"timeout"`
}

// MarshalJSON writes the time-out in seconds.
func (k KeepAlive) MarshalJSON() ([]byte, error) {
	return json.Marshal(keepAliveJSON{Content: k.Content, Timeout: int64(k.Timeout / time.Second)})
}

// UnmarshalJSON reads content or content-bin, and the time-out in seconds.
func (k *KeepAlive) UnmarshalJSON(b []byte) error {
	j := keepAliveJSON{Timeout: 55}
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	k.Content = j.Content
	k.Timeout = max(time.Duration(j.Timeout)*time.Second, time.Second)
	if j.ContentBin != "" {
		var err error
		k.Content, err = decode64(j.ContentBin)
		return err
	}
	return nil
}
