package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// problem is an answer that says no: what the client is told (RFC 9457),
// beside the cause, which it is not.
type problem struct {
	status int
	detail string
	cause  error
	reason string // for metrics, of who is turned away

	retry         time.Duration // after which it may be tried again; said where it is not zero
	user, session string        // whose request it was, where that is known; for the audit
}

func (p *problem) Error() string {
	return fmt.Sprintf("%d: %s: %v", p.status, p.detail, p.cause)
}

// retryAfter is in seconds.
const retryAfter = "1"

func (p *problem) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	switch p.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfter)
	}
	if p.retry > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((p.retry+time.Second-1)/time.Second), 10))
	}
	writeJSON(w, p.status, struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{"about:blank", http.StatusText(p.status), p.status, p.detail})
}

var notFound = &problem{status: http.StatusNotFound, detail: "There is nothing here."}

// noType is for a path whose service nobody has heard of.
func noType(at place) error {
	return &problem{status: http.StatusNotFound, detail: fmt.Sprintf("There is no type %.80q: its service has not run yet, or the gateway is not to serve it.", at.typ)}
}

func bad(format string, args ...any) error {
	return &problem{status: http.StatusBadRequest, detail: fmt.Sprintf(format, args...)}
}

func away(detail string, cause error) error {
	return &problem{status: http.StatusServiceUnavailable, detail: detail, cause: cause}
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	if h := w.Header(); h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	b.WriteTo(w) // an error: the client has gone
	return nil
}
