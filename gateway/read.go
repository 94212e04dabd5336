package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/ebb-events/ebb"
)

// read answers one instance. What the user may not see does not exist.
func (g *Gateway) read(w http.ResponseWriter, r *http.Request, at place) error {
	var state json.RawMessage
	err := g.reading(r, at, func(ctx context.Context, u ebb.User, fresh bool) (err error) {
		state, err = g.cfg.Reader.Get(ctx, at.typ, at.id, u, fresh)
		return err
	})
	if err != nil {
		return err
	}
	if state == nil {
		return notFound
	}
	var seq struct {
		Seq int64 `json:"_seq"`
	}
	if json.Unmarshal(state, &seq) == nil {
		w.Header().Set("ETag", strconv.Quote(strconv.FormatInt(seq.Seq, 10)))
	}
	return writeJSON(w, http.StatusOK, state)
}

// list answers all instances of a type that the user may see.
func (g *Gateway) list(w http.ResponseWriter, r *http.Request, at place) error {
	items := []json.RawMessage{}
	err := g.reading(r, at, func(ctx context.Context, u ebb.User, fresh bool) error {
		found, err := g.cfg.Reader.List(ctx, at.typ, u, fresh)
		items = append(items, found...)
		return err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string][]json.RawMessage{"items": items})
}

func (g *Gateway) reading(r *http.Request, at place, do func(ctx context.Context, u ebb.User, fresh bool) error) error {
	who, err := g.identify(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), budget)
	defer cancel()
	switch err := do(ctx, who.user, r.URL.Query().Has("fresh")); {
	case errors.Is(err, ebb.ErrUnknownType):
		return noType(at)
	case err != nil:
		return away("The latest state is not known now.", err)
	}
	return nil
}
