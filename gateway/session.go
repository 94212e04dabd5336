package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/internal/audit"
	"github.com/ebb-events/ebb/session"
)

// errUnread is why nothing can be said of sessions for now.
var errUnread = errors.New("gateway: reading the sessions")

// Ready is nil once what became of sessions was read.
func (g *Gateway) Ready() error {
	if g.book != nil && !g.book.Read() {
		return errUnread
	}
	return nil
}

// follow reads what becomes of sessions until ctx ends.
func (g *Gateway) follow(ctx context.Context) {
	session.Follow(ctx, g.cfg.Sessions, func(b session.Batch) { g.book.Apply(b, nil) }, func(err error) {
		g.cfg.Log.Warn("reading the sessions anew", "cause", err)
	})
}

// unread refuses where a revoked session could pass for a good one.
func (g *Gateway) unread() error {
	if err := g.Ready(); err != nil {
		return away("Sessions cannot be judged yet.", err)
	}
	return nil
}

// began is the place where sessions begin now.
func (g *Gateway) began() string {
	if g.book == nil {
		return ""
	}
	return g.book.At().String()
}

// judge returns when a ticket's session ends, or an error if it was revoked.
func (g *Gateway) judge(t ticket) (ends int64, err error) {
	if g.book == nil {
		return t.Ends, nil
	}
	began, _ := session.ParsePlace(t.Began) // or what begins before everything
	if g.book.Revoked(t.User, t.Session, began) {
		return 0, errors.New("the session was revoked")
	}
	if later, ok := g.book.Ends(t.User, t.Session); ok {
		return max(t.Ends, later.UnixMilli()), nil
	}
	return t.Ends, nil
}

// renew extends a session, which its last event's id names, as far as a fresh
// token of its user goes.
func (g *Gateway) renew(w http.ResponseWriter, r *http.Request, _ place) error {
	who, ends, err := g.admit(r)
	if err != nil {
		return err
	}
	name, err := g.named(r, who.user.Name)
	if err != nil {
		return err
	}
	if name == "" {
		return bad("The header Last-Event-ID is needed: the id of the stream's last event.")
	}
	if g.book.Revoked(who.user.Name, name, g.book.At()) {
		return notYours
	}
	if later, ok := g.book.Ends(who.user.Name, name); ok && later.After(ends) {
		ends = later
	}
	if err := g.tell(r, session.Record{Kind: session.Renew, User: who.user.Name, Session: name, Ends: ends.UnixMilli()}); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		Expires int64 `json:"expires"`
	}{ends.Unix()})
}

// logOut ends the session that an event's id names, or else all sessions of the
// user that have begun.
func (g *Gateway) logOut(w http.ResponseWriter, r *http.Request, _ place) error {
	who, err := g.identify(r)
	if err != nil {
		return err
	}
	if err := g.ownPage(r, who); err != nil {
		return err
	}
	name, err := g.named(r, who.user.Name)
	if err != nil {
		return err
	}
	if err := g.tell(r, session.Record{Kind: session.Revoke, User: who.user.Name, Session: name}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// notYours is for a session that is over, or another user's.
var notYours = &problem{status: http.StatusForbidden, detail: "This is no session of yours that goes on.", reason: "session"}

// named returns the session of the event that a request names, "" if it names
// none. The id counts in its header alone: it must not get into logs.
func (g *Gateway) named(r *http.Request, user ebb.Username) (name string, err error) {
	ids := r.Header.Values("Last-Event-ID")
	if len(ids) == 0 {
		return "", nil
	}
	c, err := channel.ParseCursor(one(ids))
	if err != nil || c.Proof == "" {
		return "", bad("The header Last-Event-ID is not the id of an event of a stream.")
	}
	if !g.tickets.proves(c.Proof, user) {
		return "", notYours
	}
	return session.NameOf(c.Proof), nil
}

// applyWait is how long an answer waits until this gateway, too, goes by it.
const applyWait = time.Second

// tell tells all gateways and edges what becomes of a session.
func (g *Gateway) tell(r *http.Request, rec session.Record) error {
	at, err := g.cfg.Sessions.Append(r.Context(), rec)
	if err != nil {
		return away("The session cannot be changed now.", err)
	}
	g.cfg.Metrics.Session(string(rec.Kind))
	g.audit.Write(audit.Event{
		Action: string(rec.Kind), Outcome: audit.Accepted, User: rec.User, Session: rec.Session, From: r.RemoteAddr,
		Always: rec.Kind == session.Revoke,
	})
	ctx, cancel := context.WithTimeout(r.Context(), applyWait)
	defer cancel()
	_ = g.book.Wait(ctx, at) // it is told, whatever comes of this
	return nil
}

const maxRevoke = 4 << 10 // bytes

// Revoke ends a user's session, or all of them, as an operator asks by
// {"user": ..., "session": ...}. It is for a listener that the public cannot
// reach.
func (g *Gateway) Revoke(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if err := g.revoke(w, r); err != nil {
		g.refuse(w, r, "revoke", err)
	}
}

func (g *Gateway) revoke(w http.ResponseWriter, r *http.Request) error {
	switch {
	case g.book == nil:
		return notFound
	case r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != "":
		return &problem{status: http.StatusForbidden, detail: "This is not for browsers.", reason: "origin"}
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"): // which no foreign page's form can send
		return &problem{status: http.StatusUnsupportedMediaType, detail: "The body must be application/json."}
	}
	var who struct {
		User    string `json:"user"`
		Session string `json:"session"`
	}
	d := json.NewDecoder(io.LimitReader(r.Body, maxRevoke))
	d.DisallowUnknownFields()
	if err := d.Decode(&who); err != nil {
		return bad(`The body must be {"user": ...}, and maybe "session".`)
	}
	if !ebb.ValidUser(who.User) {
		return bad("The user is not a name.")
	}
	if who.Session != "" && (len(who.Session) != channel.ProofLen || !channel.ValidProof(who.Session)) {
		return bad("The session is not a name.")
	}
	if err := g.tell(r, session.Record{Kind: session.Revoke, User: who.User, Session: who.Session}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
