package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/internal/audit"
)

// place is what a path names: an aggregate type, and maybe an instance.
type place struct {
	path, typ, id string
}

type handler func(w http.ResponseWriter, r *http.Request, at place) error

// methods are the handlers of one route.
type methods map[string]handler

// routes are the shapes of paths.
type routes struct {
	fixed             map[string]methods
	instance, listing methods
}

func (g *Gateway) newRoutes() routes {
	rs := routes{
		fixed:    map[string]methods{"health": {http.MethodGet: health}},
		instance: methods{},
		listing:  methods{},
	}
	if g.tickets != nil && g.tokens != nil {
		rs.fixed["sse"] = methods{http.MethodGet: g.redirect, http.MethodPost: g.ticketURL}
		if g.book != nil {
			rs.fixed["sse"][http.MethodDelete] = g.logOut
			rs.fixed["sse/renew"] = methods{http.MethodPost: g.renew}
		}
	}
	if g.tickets != nil && len(g.cfg.GripKeys) > 0 {
		rs.fixed["sse-setup"] = methods{http.MethodGet: g.setUp, http.MethodOptions: setUpPreflight}
	}
	if g.cfg.Sender != nil && g.tokens != nil {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			rs.instance[method] = g.command
		}
	}
	if g.cfg.Reader != nil && g.tokens != nil {
		rs.instance[http.MethodGet] = g.read
		rs.listing[http.MethodGet] = g.list
	}
	return rs
}

// find returns what a path names. Nothing is redirected to a cleaner path.
func (rs routes) find(r *http.Request) (name string, m methods, at place, err error) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/api/")
	if !ok || r.URL.RawPath != "" { // the latter: a slash was escaped
		return "none", nil, at, nil
	}
	if m = rs.fixed[rest]; m != nil {
		return rest, m, at, nil
	}
	part := strings.Split(rest, "/")
	switch len(part) {
	case 2:
		name, m = "listing", rs.listing
	case 3:
		name, m = "instance", rs.instance
	default:
		return "none", nil, at, nil
	}
	at.typ = part[0] + "-" + part[1]
	if part[0] == "" || part[1] == "" || !ebb.ValidType(at.typ) {
		return name, nil, at, nil
	}
	if len(part) == 3 {
		at.id = strings.ToLower(part[2])
		if !uuid.MatchString(at.id) {
			return name, m, at, bad("The id in the path is not a UUID.")
		}
	}
	at.path = "/api/" + part[0] + "/" + part[1] + "/" + at.id
	return name, m, at, nil
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// ServeHTTP answers a request under /api.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := g.cfg.Now()
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")

	a := &answer{ResponseWriter: w}
	name, m, at, err := g.routes.find(r)
	r, span := g.trace(r, name)
	defer func() { endTrace(span, a.status) }()
	if name == "instance" && g.waits(r) {
		name = "waiting" // or its time would be among the others
	}
	if err = g.serve(a, r, m, at, err); err != nil {
		g.refuse(a, r, name, err)
	}
	g.cfg.Metrics.Answered(name, a.status, g.cfg.Now().Sub(began))
}

func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, m methods, at place, err error) (failed error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v)
		default:
			// Not v itself, which may quote the request.
			g.cfg.Log.Error("gateway panicked", "value", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
			failed = &problem{status: http.StatusInternalServerError, detail: "Something went wrong here."}
		}
	}()
	_, own := m[http.MethodOptions] // has rules of its own for other origins
	if !own && g.cors(w, r) {
		return nil
	}
	if len(m) == 0 {
		return notFound
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	do, ok := m[method]
	if !ok {
		w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(m)), ", "))
		return &problem{status: http.StatusMethodNotAllowed, detail: "There is no such method here."}
	}
	if err != nil {
		return err
	}
	return do(w, r, at)
}

// refuse answers what went wrong and tells who ought to know.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, route string, err error) {
	p := &problem{status: http.StatusInternalServerError, detail: "Something went wrong here.", cause: err}
	errors.As(err, &p)
	if p.reason != "" {
		g.cfg.Metrics.Refused(p.reason)
		g.cfg.Log.Debug("request refused", "route", route, "status", p.status, "reason", p.reason, "cause", p.cause)
		if p.status != http.StatusTooManyRequests { // who is let in, but not so often: that is for metrics
			g.audit.Write(audit.Event{
				Action: route, Outcome: audit.Refused, Reason: p.reason,
				User: p.user, Session: p.session, From: r.RemoteAddr, Status: p.status,
			})
		}
	}
	if p.status >= 500 && r.Context().Err() == nil {
		g.trouble.Do(func() {
			g.cfg.Log.Warn("requests cannot be served", "route", route, "status", p.status, "cause", p.cause)
		})
	}
	p.write(w)
}

func health(w http.ResponseWriter, _ *http.Request, _ place) error {
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// answer remembers the status that was sent.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}
