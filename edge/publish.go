package edge

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/grip"
)

// maxPublish is the largest publish request, in bytes.
const maxPublish = 1 << 20

// Control returns the handler for publishers: POST /publish/.
func (e *Edge) Control() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, text := e.publish(r)
		if status != http.StatusOK {
			call1(e.cfg.Metrics.Refused, status)
		}
		switch status {
		case http.StatusMethodNotAllowed:
			w.Header().Set("Allow", http.MethodPost)
		case http.StatusUnauthorized:
			w.Header().Set("WWW-Authenticate", `Basic realm="publish"`)
		case http.StatusServiceUnavailable:
			w.Header().Set("Retry-After", "1")
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text+"\n")
	})
}

// publish answers 200 only when every item is durable. Clients of the protocol
// count on exactly that number.
func (e *Edge) publish(r *http.Request) (status int, text string) {
	switch {
	case strings.Trim(r.URL.Path, "/") != "publish": // clients double slashes
		return http.StatusNotFound, "publish with POST /publish/"
	case r.Method != http.MethodPost:
		return http.StatusMethodNotAllowed, "publish with POST"
	case !e.mayPublish():
		return http.StatusForbidden, "publishing is off: this edge has no publish key"
	}
	by, err := e.publisher(r, time.Now())
	if err != nil {
		return http.StatusUnauthorized, "publishing needs the edge's publish key, as a bearer token, a JWT signed with it, or the password of Basic"
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
		if record, ok := by.record(item); ok {
			records = append(records, record)
		}
	}
	if len(records) == 0 { // nothing of it concerns streams
		return http.StatusOK, "Published"
	}
	if err := e.cfg.Publisher.Append(r.Context(), records); err != nil {
		e.cfg.Logger.Warn("published items were not taken", "part", "edge", "cause", err)
		return http.StatusServiceUnavailable, "the channel log is away; nothing is promised, publish again"
	}
	call1(e.cfg.Metrics.Published, len(records))
	return http.StatusOK, "Published"
}

// record returns what an item is in the channel log, if it concerns streams.
func (p publisher) record(item grip.Item) (channel.Record, bool) {
	if item.Stream == nil || item.Stream.Action == grip.ActionHint {
		return channel.Record{}, false
	}
	r := channel.Record{
		Channel: channel.Foreign(p.prefix, item.Channel),
		Kind:    channel.Raw,
		Data:    item.Stream.Content,
		Src:     channel.Src{Publisher: p.key, Item: item.ID},
	}
	if item.Stream.Action == grip.ActionClose {
		r.Kind, r.Data = channel.Close, nil
	}
	return r, true
}
