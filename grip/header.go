package grip

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// parseHeader reads instructions out of a response's header.
func parseHeader(h http.Header) (in Instruct, err error) {
	if in.Status, err = parseStatus(h.Get("Grip-Status")); err != nil {
		return in, err
	}
	for _, field := range h.Values("Grip-Expose-Headers") {
		for _, name := range split(field, ',') {
			if name = strings.TrimSpace(name); name != "" {
				in.Expose = append(in.Expose, http.CanonicalHeaderKey(name))
			}
		}
	}
	if mode := h.Get("Grip-Hold"); mode != "" {
		in.Hold = &Hold{Mode: mode, Timeout: defaultTimeout, Channels: parseChannels(h), Meta: parseMeta(h)}
		if v := h.Get("Grip-Timeout"); v != "" {
			if in.Hold.Timeout, err = parseSeconds(v); err != nil {
				return in, err
			}
		}
		if _, ok := h["Grip-Keep-Alive"]; ok {
			in.Hold.KeepAlive, err = parseKeepAlive(h.Get("Grip-Keep-Alive"))
		}
	}
	return in, err
}

// parseStatus reads "404" or "404 Not here", whose reason has no place in HTTP/2.
func parseStatus(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	code, _, _ := strings.Cut(s, " ")
	n, err := strconv.Atoi(code)
	if err != nil || !validStatus(n) {
		return 0, fmt.Errorf("grip: Grip-Status %q, want 200 to 999", s)
	}
	return n, nil
}

// parseSeconds reads whole seconds.
func parseSeconds(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("grip: time-out %q, want seconds", s)
	}
	return int(n), nil
}

func parseChannels(h http.Header) (list []Channel) {
	for _, field := range h.Values("Grip-Channel") {
		for _, one := range split(field, ',') {
			name, params := parseParams(one)
			if name == "" {
				continue
			}
			c := Channel{Name: name}
			for _, p := range params {
				switch p.name {
				case "prev-id":
					c.PrevID = p.value
				case "filter":
					c.Filters = append(c.Filters, p.value)
				}
			}
			list = append(list, c)
		}
	}
	return list
}

func parseMeta(h http.Header) (meta map[string]string) {
	for _, field := range h.Values("Grip-Set-Meta") {
		for _, one := range split(field, ',') {
			if name, value, ok := strings.Cut(one, "="); ok {
				if meta == nil {
					meta = map[string]string{}
				}
				meta[strings.TrimSpace(name)] = unquote(value)
			}
		}
	}
	return meta
}

type param struct{ name, value string }

// parseParams splits "value; name=value; ...".
func parseParams(s string) (value string, params []param) {
	f := split(s, ';')
	for _, one := range f[1:] {
		name, v, _ := strings.Cut(one, "=")
		params = append(params, param{strings.TrimSpace(name), unquote(v)})
	}
	return unquote(f[0]), params
}

// split cuts s at each sep that does not stand in quotes.
func split(s string, sep byte) (parts []string) {
	begin, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			parts = append(parts, s[begin:i])
			begin = i + 1
		}
	}
	return append(parts, s[begin:])
}

// unquote takes spaces off, then quotes with their escapes.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i, in := 0, s[1:len(s)-1]; i < len(in); i++ {
		if in[i] == '\\' && i+1 < len(in) {
			i++
		}
		b.WriteByte(in[i])
	}
	return b.String()
}
