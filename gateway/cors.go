package gateway

import (
	"net/http"
	"slices"
)

// cors lets pages of allowed origins read the answer. It answers preflights
// itself and says so. Origins are compared as they are, never matched.
func (g *Gateway) cors(w http.ResponseWriter, r *http.Request) (answered bool) {
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	allowed := slices.Contains(g.cfg.Origins, origin)
	if allowed {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Expose-Headers", "ETag, Location, Preference-Applied, Retry-After, WWW-Authenticate")
	}
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	if allowed {
		h.Set("Access-Control-Allow-Methods", "DELETE, GET, PATCH, POST, PUT")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, Traceparent")
		h.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// ownPage refuses what a page of a foreign origin makes a browser do with its
// cookies. Who sends a bearer token has it, and needs no cookie.
func (g *Gateway) ownPage(r *http.Request, who identity) error {
	if !who.cookie {
		return nil
	}
	// A GET that hands out a ticket is judged like a POST.
	judged := r.WithContext(r.Context())
	judged.Method = http.MethodPost
	if err := g.origins.Check(judged); err != nil {
		return &problem{status: http.StatusForbidden, detail: "This origin may not use the cookie.", cause: err, reason: "origin", user: who.user.Name}
	}
	return nil
}
