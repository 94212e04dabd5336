package grip

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// KeepAlive is what to send on a stream that is otherwise silent.
type KeepAlive struct {
	Content  string
	Timeout  time.Duration // whole seconds, at least one
	Interval bool          // also where the stream is not silent
}

const (
	defaultTimeout = 55 // seconds, of a keep-alive and of a held response
	minTimeout     = 5  // seconds, of a held response
	maxTimeout     = 365 * 24 * time.Hour
)

// seconds returns n seconds, at least one and at most a year.
func seconds(n uint64) time.Duration {
	return time.Duration(min(max(n, 1), uint64(maxTimeout/time.Second))) * time.Second
}

// parseKeepAlive reads Grip-Keep-Alive, whose data may end in spaces.
func parseKeepAlive(s string) (*KeepAlive, error) {
	content, rest, _ := strings.Cut(s, ";")
	if content == "" {
		return nil, errors.New("grip: keep-alive without data")
	}
	k := &KeepAlive{Content: content, Timeout: seconds(defaultTimeout)}
	format := ""
	_, params := parseParams(";" + rest)
	for _, p := range params {
		switch p.name {
		case "timeout":
			n, err := parseSeconds(p.value)
			if err != nil {
				return nil, err
			}
			k.Timeout = seconds(uint64(n))
		case "mode":
			if p.value != "" && p.value != "idle" && p.value != "interval" {
				return nil, fmt.Errorf("grip: keep-alive mode %q, want idle or interval", p.value)
			}
			k.Interval = p.value == "interval"
		case "format":
			format = p.value
		}
	}
	var err error
	switch format {
	case "", "raw":
	case "cstring":
		k.Content, err = unescape(content)
	case "base64":
		k.Content, err = decode64(content)
	default:
		err = fmt.Errorf("grip: keep-alive format %q, want raw, cstring or base64", format)
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
	Timeout    uint64 `json:"timeout"`
}

// MarshalJSON writes the time-out in seconds.
func (k KeepAlive) MarshalJSON() ([]byte, error) {
	return json.Marshal(keepAliveJSON{Content: k.Content, Timeout: uint64(k.Timeout / time.Second)})
}

// UnmarshalJSON reads content or content-bin, and the time-out in seconds.
func (k *KeepAlive) UnmarshalJSON(b []byte) error {
	j := keepAliveJSON{Timeout: defaultTimeout}
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	k.Content, k.Timeout = j.Content, seconds(j.Timeout)
	if j.ContentBin != "" {
		var err error
		k.Content, err = decode64(j.ContentBin)
		return err
	}
	return nil
}
