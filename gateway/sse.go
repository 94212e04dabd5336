package gateway

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/internal/audit"
	"github.com/ebb-events/ebb/internal/tracing"
)

// redirect sends a browser to the edge with a ticket. It has to be a 307:
// browsers remember 301 and 308, and some would come back without asking us.
func (g *Gateway) redirect(w http.ResponseWriter, r *http.Request, _ place) error {
	to, _, err := g.admission(r)
	if p, ok := errors.AsType[*problem](err); ok && p.retry > 0 && isEventSource(r) {
		g.sendBack(w, p)
		return nil
	}
	if err != nil {
		return err
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusTemporaryRedirect)
	return nil
}

// ticketURL answers what redirect would redirect to, for pages that have to
// send a header. expires is the end of the session, in seconds since 1970.
func (g *Gateway) ticketURL(w http.ResponseWriter, r *http.Request, _ place) error {
	to, ends, err := g.admission(r)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		URL     string `json:"url"`
		Expires int64  `json:"expires"`
	}{to, ends.Unix()})
}

// admission opens a session and returns where its streams are and its end.
func (g *Gateway) admission(r *http.Request) (to string, ends time.Time, err error) {
	if navigates(r) {
		return "", ends, &problem{status: http.StatusForbidden, detail: "This is an event stream, not a page.", reason: "navigation"}
	}
	if err := g.fromAddress(g.counters.opens, r); err != nil {
		return "", ends, err
	}
	began := g.began() // before the token is judged: what is revoked meanwhile is this session, too
	who, ends, err := g.admit(r)
	if err != nil {
		return "", ends, err
	}
	ctx, span := tracing.Start(r.Context(), g.cfg.Tracer, tracing.Redirect)
	defer span.End()
	tracing.Note(r.Context(), tracing.User, who.user.Name)
	t := g.tickets.newTicket(who.user.Name, began, g.cfg.Now(), g.cfg.FirstUse, ends)
	if span.IsRecording() {
		t.Trace = tracing.Of(ctx)
	}
	g.audit.Write(audit.Event{Action: "sse", Outcome: audit.Accepted, User: t.User, Session: t.Session, From: r.RemoteAddr})
	query := url.Values{"u": {g.tickets.seal(t)}}
	if c, err := channel.ParseCursor(one(r.URL.Query()["cursor"])); err == nil {
		c.Proof = "" // counts in Last-Event-ID alone
		query.Set("cursor", c.String())
	}
	return g.cfg.EdgeURL + "/api/sse-setup?" + query.Encode(), ends, nil
}

// admit returns who asks for a session, and how long it may be.
func (g *Gateway) admit(r *http.Request) (who identity, ends time.Time, err error) {
	if err := g.unread(); err != nil {
		return who, ends, err
	}
	if who, err = g.identify(r); err != nil {
		return who, ends, err
	}
	if err := g.ownPage(r, who); err != nil {
		return who, ends, err
	}
	if err := g.ofUser(g.counters.opens, who.user.Name); err != nil {
		return who, ends, err
	}
	now := g.cfg.Now()
	ends = now.Add(g.cfg.MaxSession)
	if who.ends.Before(ends) {
		ends = who.ends
	}
	if !now.Before(ends) { // good for a request within the leeway, but not for a stream
		return who, ends, &problem{status: http.StatusUnauthorized, detail: "A valid access token is needed.", cause: errors.New("expired"), reason: "token"}
	}
	return who, ends, nil
}

// navigates tells whether a browser wants a page, not a stream: the URL would
// be in its history.
func navigates(r *http.Request) bool { return r.Header.Get("Sec-Fetch-Mode") == "navigate" }

// one returns the only value, or none.
func one(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}
