package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/internal/tracing"
)

// budget is how long a request waits for the broker.
const budget = 5 * time.Second

// command puts a command on its topic and answers 202 once it is there, or
// with the reply if the client prefers to wait for it.
func (g *Gateway) command(w http.ResponseWriter, r *http.Request, at place) error {
	if err := g.fromAddress(g.counters.commands, r); err != nil {
		return err
	}
	who, err := g.identify(r)
	if err != nil {
		return err
	}
	if err := g.ownPage(r, who); err != nil {
		return err
	}
	if err := g.ofUser(g.counters.commands, who.user.Name); err != nil {
		return err
	}
	m, err := g.body(w, r)
	if err != nil {
		return err
	}
	if err := g.complete(m, r, at, who); err != nil {
		return err
	}
	noteCommand(r.Context(), m, at, who)
	if err := g.allow(who, at.typ, m.String(ebb.FieldCommand)); err != nil {
		return err
	}
	cursor := g.cursor(r.Context(), who.user.Name) // before sending, or it could be behind the reply
	wait := g.expect(r, m, who.user.Name)          // as well
	defer wait.end()
	if err := g.send(r.Context(), at, m); err != nil {
		return err
	}
	w.Header().Set("Location", at.path)
	if wait.heard() {
		w.Header().Set("Preference-Applied", wait.applied())
		if status, reply, ok := wait.reply(r.Context()); ok {
			return writeJSON(w, status, reply)
		}
	}
	return writeJSON(w, http.StatusAccepted, struct {
		Corr   json.RawMessage `json:"_corr"`
		ID     string          `json:"_id"`
		Cursor string          `json:"cursor,omitempty"`
	}{m[ebb.FieldCorr], at.id, cursor})
}

// send returns once the broker has the command.
func (g *Gateway) send(ctx context.Context, at place, m ebb.Message) error {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	ctx, span := tracing.Start(ctx, g.cfg.Tracer, tracing.Send, trace.WithSpanKind(trace.SpanKindProducer))
	err := g.cfg.Sender.Send(ctx, at.typ, at.id, m.JSON())
	endSend(span, err)
	switch {
	case errors.Is(err, ebb.ErrUnknownType):
		return noType(at)
	case errors.Is(err, ebb.ErrTooLarge):
		return g.tooLarge(err)
	case err != nil:
		return away("It is not known whether the command arrived. Send it again with the same _corr.", err)
	}
	return nil
}

// cursor is a position of the user's channel that has the answer behind it, ""
// if it is not known now.
func (g *Gateway) cursor(ctx context.Context, user ebb.Username) string {
	if g.cfg.Tail == nil {
		return ""
	}
	c, ok := g.cfg.Tail.Cursor(ctx, user)
	if !ok {
		return ""
	}
	c.Proof = "" // is no page's to store
	return c.String()
}

func (g *Gateway) tooLarge(cause error) error {
	return &problem{status: http.StatusRequestEntityTooLarge, detail: fmt.Sprintf("The command is too large: it has at most %d KiB, together with the claims of its sender.", g.cfg.MaxBody>>10), cause: cause}
}

func notJSON(detail string) error {
	return &problem{status: http.StatusUnsupportedMediaType, detail: detail}
}

// body reads the JSON object that a request carries. A DELETE needs none. The
// list of a PATCH becomes its _ops.
func (g *Gateway) body(w http.ResponseWriter, r *http.Request) (ebb.Message, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, notJSON("The body must not be compressed.")
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, g.cfg.MaxBody))
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return nil, g.tooLarge(err)
	}
	if err != nil {
		return nil, bad("The body could not be read.")
	}
	if len(b) == 0 && r.Method == http.MethodDelete {
		return ebb.Message{}, nil
	}
	patch, err := isPatch(r)
	if err != nil {
		return nil, err
	}
	if list := bytes.TrimLeft(b, " \t\r\n"); patch || r.Method == http.MethodPatch && bytes.HasPrefix(list, []byte("[")) {
		if !json.Valid(b) {
			return nil, bad("The body is not JSON.")
		}
		if err := plain(b); err != nil {
			return nil, bad("The body is refused: %v.", err)
		}
		return ebb.Message{ebb.FieldOps: bytes.TrimRight(list, " \t\r\n")}, nil
	}
	m, err := ebb.ParseMessage(b)
	if err != nil {
		return nil, bad("The body is not a JSON object.")
	}
	if err := plain(b); err != nil {
		return nil, bad("The body is refused: %v.", err)
	}
	if r.Method == http.MethodPatch && m[ebb.FieldOps] == nil {
		return nil, bad("A PATCH is a JSON Patch, or an object that has it in _ops.")
	}
	return m, nil
}

// isPatch tells a JSON Patch from other JSON by its type, and refuses what is
// neither.
func isPatch(r *http.Request) (bool, error) {
	t, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	utf8 := params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8")
	switch {
	case err == nil && utf8 && t == "application/json":
		return false, nil
	case err == nil && utf8 && t == "application/json-patch+json" && r.Method == http.MethodPatch:
		return true, nil
	case r.Method == http.MethodPatch:
		return false, notJSON("The body must be application/json-patch+json or application/json.")
	}
	return false, notJSON("The body must be application/json.")
}
