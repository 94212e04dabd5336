package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/ebb-events/ebb"
)

// budget is how long a request waits for the broker.
const budget = 5 * time.Second

// command puts a command on its topic and answers 202 once it is there.
func (g *Gateway) command(w http.ResponseWriter, r *http.Request, at place) error {
	who, err := g.identify(r)
	if err != nil {
		return err
	}
	if err := g.ownPage(r, who); err != nil {
		return err
	}
	m, err := g.body(w, r)
	if err != nil {
		return err
	}
	if err := g.complete(m, r, at, who); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), budget)
	defer cancel()
	switch err := g.cfg.Sender.Send(ctx, at.typ, at.id, m.JSON()); {
	case errors.Is(err, ebb.ErrUnknownType):
		return noType(at)
	case errors.Is(err, ebb.ErrTooLarge):
		return tooLarge(err)
	case err != nil:
		return away("It is not known whether the command arrived. Send it again with the same _corr.", err)
	}
	w.Header().Set("Location", at.path)
	return writeJSON(w, http.StatusAccepted, struct {
		Corr json.RawMessage `json:"_corr"`
		ID   string          `json:"_id"`
	}{m[ebb.FieldCorr], at.id})
}

func tooLarge(cause error) error {
	return &problem{status: http.StatusRequestEntityTooLarge, detail: "The command is too large: it has at most 1 MiB, together with the claims of its sender.", cause: cause}
}

func notJSON(detail string) error {
	return &problem{status: http.StatusUnsupportedMediaType, detail: detail}
}

// body reads the JSON object that a request carries. A DELETE needs none.
func (g *Gateway) body(w http.ResponseWriter, r *http.Request) (ebb.Message, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, notJSON("The body must not be compressed.")
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, g.cfg.MaxBody))
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return nil, tooLarge(err)
	}
	if err != nil {
		return nil, bad("The body could not be read.")
	}
	if len(b) == 0 && r.Method == http.MethodDelete {
		return ebb.Message{}, nil
	}
	t, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || t != "application/json" || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return nil, notJSON("The body must be application/json.")
	}
	m, err := ebb.ParseMessage(b)
	if err != nil {
		return nil, bad("The body is not a JSON object.")
	}
	if err := plain(b); err != nil {
		return nil, bad("The body is refused: %v.", err)
	}
	return m, nil
}
