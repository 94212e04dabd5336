package edge

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/audit"
)

// maxPublish is the largest publish request, in bytes.
const maxPublish = 1 << 20

// Control returns the handler for publishers: POST /publish/, also below
// /realm/<realm> and /service/<id> as hosted services have it.
func (e *Edge) Control() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asJSON, acceptable := answersJSON(r.Header.Values("Accept"))
		status, text := http.StatusNotAcceptable, "answers are text/plain or application/json"
		if acceptable {
			status, text = e.publish(r)
		}
		if status != http.StatusOK {
			call1(e.cfg.Metrics.Refused, status)
		}
		if status == http.StatusUnauthorized || status == http.StatusForbidden {
			e.audit.Write(audit.Event{Action: "publish", Outcome: audit.Refused, Reason: "key", From: r.RemoteAddr, Status: status})
		}
		switch status {
		case http.StatusMethodNotAllowed:
			w.Header().Set("Allow", http.MethodPost)
		case http.StatusUnauthorized:
			w.Header().Set("WWW-Authenticate", `Basic realm="publish"`)
		case http.StatusServiceUnavailable:
			w.Header().Set("Retry-After", "1")
		}
		if asJSON {
			w.Header().Set("Content-Type", "application/json")
			b, _ := json.Marshal(map[string]string{"message": text}) // strings alone: cannot fail
			text = string(b)
		} else {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text+"\n")
	})
}

// answersJSON tells in which form a publisher wants its answer: as JSON if it
// names that, else as text if it takes any. ok is false if it wants neither.
func answersJSON(accept []string) (asJSON, ok bool) {
	ok = len(accept) == 0
	for one := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		switch t, _, _ := mime.ParseMediaType(one); t {
		case "application/json":
			return true, true
		case "text/plain", "text/*", "*/*":
			asJSON, ok = false, true
		case "application/*":
			asJSON, ok = !ok, true
		}
	}
	return asJSON, ok
}

// isPublish tells whether a path is one that publishers use. They double slashes.
func isPublish(path string) bool {
	f := strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
	switch len(f) {
	case 1:
		return f[0] == "publish"
	case 3:
		return (f[0] == "realm" || f[0] == "service") && f[2] == "publish"
	}
	return false
}

// publish answers 200 only when every item is durable. Clients of the protocol
// count on exactly that number.
func (e *Edge) publish(r *http.Request) (status int, text string) {
	switch {
	case !isPublish(r.URL.Path):
		return http.StatusNotFound, "publish with POST /publish/, /realm/<realm>/publish/ or /service/<id>/publish/"
	case r.Method != http.MethodPost:
		return http.StatusMethodNotAllowed, "publish with POST"
	case !e.mayPublish():
		return http.StatusForbidden, "publishing is off: this edge has no publish key"
	}
	by, err := e.publisher(r, time.Now())
	if err != nil {
		if strings.HasPrefix(r.Header.Get("Authorization"), "Basic b'") {
			e.cfg.Logger.Warn("a publisher writes its Basic credentials as Python 3 prints bytes; give it iss and key, or bearer tokens", "part", "edge", "from", r.RemoteAddr)
			return http.StatusUnauthorized, "these Basic credentials are as Python 3 prints bytes (b'...'); use iss and key, or a bearer token"
		}
		return http.StatusUnauthorized, "publishing needs the edge's publish key, as a bearer token, a JWT signed with it, the password of Basic, or Fastly-Key"
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxPublish))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge, "a publish request has at most 1 MiB"
	} else if err != nil {
		return http.StatusBadRequest, "the body ended early"
	}
	items, err := grip.ParseItems(body)
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	var records []channel.Record
	for _, item := range items {
		records = append(records, by.records(item)...)
	}
	if len(records) == 0 { // nothing of it is for HTTP
		return http.StatusOK, "Published"
	}
	if err := e.cfg.Publisher.Append(r.Context(), records); err != nil {
		e.cfg.Logger.Warn("published items were not taken", "part", "edge", "cause", err)
		return http.StatusServiceUnavailable, "the channel log is away; nothing is promised, publish again"
	}
	call1(e.cfg.Metrics.Published, len(records))
	return http.StatusOK, "Published"
}

// records returns what an item is in the channel log: a record for each of its
// formats that concerns HTTP. A hint means nothing to streams.
func (p publisher) records(item grip.Item) (list []channel.Record) {
	base := channel.Record{
		Channel: channel.Foreign(p.prefix, item.Channel),
		Src:     channel.Src{Publisher: p.key, Item: item.ID},
		Meta:    item.Meta,
	}
	if s := item.Stream; s != nil && s.Action != grip.ActionHint {
		r := base
		r.Kind, r.Filters = channel.Raw, s.Filters
		if s.Action == grip.ActionClose {
			r.Kind = channel.Close
			list = append(list, r)
		} else {
			for i, block := range blocks(s.Content) { // or a cut between them would repeat the first
				r.Src.Block, r.Data = i, block
				list = append(list, r)
			}
		}
	}
	if a := item.Answer; a != nil {
		r := base
		r.Kind, r.Filters = channel.Answer, a.Filters
		if a.Action == grip.ActionHint {
			r.Kind = channel.Hint
		} else {
			r.Data, _ = json.Marshal(a.Response) // strings and a number: cannot fail
		}
		list = append(list, r)
	}
	return list
}
