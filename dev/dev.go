// Package dev is what a developer's machine has beside the boxes: a login that
// asks for no password, the page of the demonstration, buttons that break
// something, and keys that are made at the first start.
//
// Nothing of it belongs in front of strangers. Its test is the system's test.
package dev

import (
	"io/fs"
	"net/http"
	"net/url"
)

// Issuer is who has issued the tokens of a dev login, and whom they are for.
const Issuer = "ebb-dev"

// Config says what to serve.
type Config struct {
	API     http.Handler // required: answers everything under /api/
	Page    fs.FS        // required
	Keys    Keys         // required
	EdgeURL *url.URL     // required: where the page may open streams
	Buttons Buttons      // required
	Spans   *Spans       // of all boxes; required
}

// New returns what is served to the browser.
func New(cfg Config) http.Handler {
	mux := http.NewServeMux()
	own := http.NewCrossOriginProtection() // no other site logs somebody in here
	mux.Handle("/api/", cfg.API)
	mux.Handle("POST /dev/login", own.Handler(login(cfg.Keys)))
	cfg.Buttons.handle(mux, own.Handler)
	mux.HandleFunc("GET /dev/trace", cfg.Spans.trace)
	mux.Handle("/", page(cfg.Page, cfg.EdgeURL))
	return mux
}

// page serves files that load nothing from elsewhere and talk to the API and
// the edge alone.
func page(files fs.FS, edge *url.URL) http.Handler {
	policy := "default-src 'self'; connect-src 'self' " + edge.Scheme + "://" + edge.Host + "; frame-ancestors 'none'"
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			problem(w, http.StatusMethodNotAllowed, "The API is under /api/.")
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}
