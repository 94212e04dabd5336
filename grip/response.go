package grip

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Response is what a client gets: of a JSON instruct, or published.
type Response struct {
	Code   int // 200 if zero
	Header http.Header
	Body   string
}

type responseJSON struct {
	Code    int             `json:"code,omitempty"`
	Header  json.RawMessage `json:"headers,omitempty"`
	Body    *string         `json:"body,omitempty"`
	BodyBin *string         `json:"body-bin,omitempty"`
}

// MarshalJSON writes headers as pairs where one name has several values.
func (r Response) MarshalJSON() ([]byte, error) { return json.Marshal(r.json()) }

func (r Response) json() responseJSON {
	j := responseJSON{Code: r.Code, Header: formatHeader(r.Header)}
	j.Body, j.BodyBin = format(r.Body)
	return j
}

// UnmarshalJSON reads headers as an object or a list of pairs, and a body as
// text or base64.
func (r *Response) UnmarshalJSON(b []byte) error {
	var j responseJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	return r.take(j)
}

func (r *Response) take(j responseJSON) (err error) {
	if j.Code != 0 && !validStatus(j.Code) {
		return fmt.Errorf("response code %d, want 200 to 999", j.Code)
	}
	r.Code = j.Code
	switch {
	case j.BodyBin != nil:
		r.Body, err = decode64(*j.BodyBin)
	case j.Body != nil:
		r.Body = *j.Body
	}
	if err == nil {
		r.Header, err = parsePairs(j.Header)
	}
	return err
}

// validStatus leaves out those that only announce a response.
func validStatus(code int) bool { return code >= 200 && code <= 999 }

// parsePairs reads {"name": "value"} or [["name", "value"]].
func parsePairs(b json.RawMessage) (http.Header, error) {
	if len(b) == 0 || string(b) == "null" {
		return nil, nil
	}
	var pairs [][]string
	if b[0] == '[' {
		if err := json.Unmarshal(b, &pairs); err != nil {
			return nil, err
		}
	} else {
		var object map[string]string
		if err := json.Unmarshal(b, &object); err != nil {
			return nil, err
		}
		for name, value := range object {
			pairs = append(pairs, []string{name, value})
		}
	}
	h := http.Header{}
	for _, pair := range pairs {
		if len(pair) != 2 {
			return nil, fmt.Errorf("header %q, want a name and a value", pair)
		}
		if !validHeader(pair[0], pair[1]) {
			return nil, fmt.Errorf("header %q has characters that no header can have", pair[0])
		}
		h.Add(pair[0], pair[1])
	}
	return h, nil
}

func formatHeader(h http.Header) json.RawMessage {
	if len(h) == 0 {
		return nil
	}
	object, pairs := map[string]string{}, [][2]string{}
	for name, values := range h {
		for _, value := range values {
			object[name] = value
			pairs = append(pairs, [2]string{name, value})
		}
	}
	var b []byte
	if len(pairs) == len(object) {
		b, _ = json.Marshal(object) // strings alone: cannot fail
	} else {
		b, _ = json.Marshal(pairs)
	}
	return b
}

// validHeader tells whether a header's name is a token and its value one line.
func validHeader(name, value string) bool {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return name != "" && strings.Trim(name, token) == "" && !strings.ContainsAny(value, "\r\n\x00")
}
