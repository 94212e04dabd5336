package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ebb-events/ebb"
)

// read answers one instance. What the user may not see does not exist.
func (g *Gateway) read(w http.ResponseWriter, r *http.Request, at place) error {
	var state json.RawMessage
	var resolved bool
	err := g.reading(r, at, func(ctx context.Context, q ebb.Query, params url.Values) error {
		seq, err := oneParams(params)
		if err != nil {
			return err
		}
		resolved = q.Resolve != nil
		state, err = g.cfg.Reader.Get(ctx, q, at.id, seq)
		return err
	})
	if err != nil {
		return err
	}
	if state == nil {
		return notFound
	}
	if tag := etag(state); tag != "" && !resolved { // others may have changed beside it
		w.Header().Set("ETag", tag)
		if matches(r.Header.Values("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	return writeJSON(w, http.StatusOK, state)
}

// list answers a page of the instances of a type that the user may see.
func (g *Gateway) list(w http.ResponseWriter, r *http.Request, at place) error {
	answer := struct {
		Items []json.RawMessage `json:"items"`
		Next  string            `json:"next,omitempty"` // path and query
	}{Items: []json.RawMessage{}}
	err := g.reading(r, at, func(ctx context.Context, q ebb.Query, params url.Values) error {
		page, err := manyParams(params)
		if err != nil {
			return err
		}
		found, err := g.cfg.Reader.List(ctx, q, page)
		if err != nil {
			return err
		}
		answer.Items = append(answer.Items, found.Items...)
		if found.Next != "" {
			params.Set("after", found.Next)
			answer.Next = strings.TrimSuffix(at.path, "/") + "?" + params.Encode()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, answer)
}

func (g *Gateway) reading(r *http.Request, at place, do func(context.Context, ebb.Query, url.Values) error) error {
	who, err := g.identify(r)
	if err != nil {
		return err
	}
	if err := g.allow(who, at.typ, ebb.ActionGet); err != nil {
		return err
	}
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return bad("The query cannot be read.")
	}
	q := ebb.Query{Type: at.typ, User: who.user}
	if q.Fresh, err = flag(params, "fresh"); err != nil {
		return err
	}
	resolve, err := flag(params, "resolve")
	if err != nil {
		return err
	}
	if resolve {
		q.Resolve = func(typ string) bool { return g.allow(who, typ, ebb.ActionGet) == nil }
	}
	ctx, cancel := context.WithTimeout(r.Context(), budget)
	defer cancel()
	var said *problem
	switch err := do(ctx, q, params); {
	case err == nil, errors.As(err, &said):
		return err
	case errors.Is(err, ebb.ErrUnknownType):
		return noType(at)
	default:
		return away("The latest state is not known now.", err)
	}
}

// etag is the state's _seq.
func etag(state json.RawMessage) string {
	m, err := ebb.ParseMessage(state)
	seq, ok := m.Int(ebb.FieldSeq)
	if err != nil || !ok {
		return ""
	}
	return strconv.Quote(strconv.FormatInt(seq, 10))
}

// matches tells whether an If-None-Match names a tag.
func matches(header []string, tag string) bool {
	for one := range strings.SplitSeq(strings.Join(header, ","), ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}
