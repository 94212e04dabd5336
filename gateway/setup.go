package gateway

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/tracing"
)

// streamHeader goes out on every stream. Any origin may read one without
// credentials: the ticket is what opens it, and a redirect makes it null.
var streamHeader = http.Header{
	"Content-Type":                 {"text/event-stream"},
	"Cache-Control":                {"no-store"},
	"X-Accel-Buffering":            {"no"},
	"Access-Control-Allow-Origin":  {"*"},
	"X-Content-Type-Options":       {"nosniff"},
	"Referrer-Policy":              {"no-referrer"},
	"Cross-Origin-Resource-Policy": {"cross-origin"},
}

// setUp tells the edge which channel to hold a stream on: the ticket's user.
func (g *Gateway) setUp(w http.ResponseWriter, r *http.Request, _ place) error {
	w.Header().Set("Access-Control-Allow-Origin", "*") // of a refusal, that a page can read
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	now := g.cfg.Now()
	if g.edges.Verify(one(r.Header.Values(grip.SigHeader)), now) != nil {
		return refusedTicket("signature", errors.New("no valid Grip-Sig"), ticket{})
	}
	span := g.traceSetUp(r)
	failed := "refused"
	defer func() { tracing.End(span, failed) }()
	if navigates(r) {
		return refusedTicket("navigation", nil, ticket{})
	}
	if err := g.unread(); err != nil {
		return err
	}
	t, err := g.usable(r, now)
	if err != nil {
		return refusedTicket("ticket", err, t)
	}
	traceTicket(span, t)
	failed = ""
	left := (t.Ends - now.UnixMilli() + 999) / 1000 // rounded up: 0 could mean for ever
	meta := map[string]string{
		grip.MetaSession: t.Session,
		grip.MetaProof:   t.Proof,
		grip.MetaTTL:     strconv.FormatInt(left, 10),
	}
	if t.Began != "" {
		meta[grip.MetaBegan] = t.Began
	}
	instruct := grip.Instruct{
		Hold:     &grip.Hold{Mode: grip.ModeStream, Channels: []grip.Channel{{Name: t.User}}, Meta: meta},
		Response: grip.Response{Code: http.StatusOK, Header: streamHeader},
	}
	if g.cfg.KeepAlive > 0 {
		instruct.Hold.KeepAlive = &grip.KeepAlive{Content: ":\n\n", Timeout: g.cfg.KeepAlive}
	}
	w.Header().Set("Content-Type", grip.InstructType)
	return writeJSON(w, http.StatusOK, instruct)
}

// refusedTicket is the same to the client whatever the cause.
func refusedTicket(reason string, cause error, t ticket) error {
	return &problem{
		status: http.StatusForbidden, detail: "This ticket opens nothing. Get a new one.", cause: cause,
		reason: reason, user: t.User, session: t.Session,
	}
}

// usable returns the ticket of a request. Once its first minute has passed it
// takes the cursor of an event of the same session to use it again.
func (g *Gateway) usable(r *http.Request, now time.Time) (ticket, error) {
	t, err := g.tickets.open(one(r.URL.Query()["u"]))
	if err != nil {
		return t, err
	}
	if t.Ends, err = g.judge(t); err != nil {
		return t, err
	}
	if now.UnixMilli() >= t.Ends {
		return t, errors.New("the session has ended")
	}
	if now.UnixMilli() <= t.FirstUse {
		return t, nil
	}
	last, err := channel.ParseCursor(r.Header.Get("Last-Event-ID"))
	if err != nil || subtle.ConstantTimeCompare([]byte(last.Proof), []byte(t.Proof)) != 1 {
		return t, errors.New("used late without a proof")
	}
	return t, nil
}

// setUpPreflight lets pages send Last-Event-ID themselves.
func setUpPreflight(w http.ResponseWriter, _ *http.Request, _ place) error {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET")
	h.Set("Access-Control-Allow-Headers", "Last-Event-ID")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return nil
}
