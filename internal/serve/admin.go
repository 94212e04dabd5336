package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Admin answers what operators and orchestrators ask: /metrics, /healthz,
// /readyz and /debug/pprof/. It is for a listener of its own, which the public
// cannot reach.
type Admin struct {
	Metrics
	mux http.ServeMux

	mu     sync.Mutex
	checks []check
}

type check struct {
	name  string
	ready func() error
}

// NewAdmin returns an Admin that is ready until a check says otherwise.
func NewAdmin() *Admin {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a := &Admin{Metrics: Metrics{registry}}
	a.mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	a.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	a.mux.HandleFunc("GET /readyz", a.readyz)
	a.debug("/debug/pprof/", pprof.Index)
	a.debug("/debug/pprof/cmdline", pprof.Cmdline)
	a.debug("/debug/pprof/profile", pprof.Profile)
	a.debug("/debug/pprof/symbol", pprof.Symbol)
	a.debug("/debug/pprof/trace", pprof.Trace)
	return a
}

// debug adds what is for this machine alone, as what shows the memory of the
// process.
func (a *Admin) debug(path string, h http.HandlerFunc) {
	a.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if !addrOf(r.RemoteAddr).IsLoopback() {
			http.Error(w, "for this machine alone", http.StatusForbidden)
			return
		}
		h(w, r)
	})
}

// Handle adds what an operator on this machine may do.
func (a *Admin) Handle(pattern string, h http.HandlerFunc) { a.debug(pattern, h) }

// Run serves operators on ln until ctx ends.
func (a *Admin) Run(ctx context.Context, ln net.Listener, log *slog.Logger) error {
	warnUnlessLoopback(ln.Addr(), log)
	return Server{Handler: a, Log: log}.Run(ctx, ln)
}

// Check adds what must be ready: a func that returns why it is not, or nil. A
// context's Err is one, for a process that is about to end.
func (a *Admin) Check(name string, ready func() error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.checks = append(a.checks, check{name, ready})
}

// ServeHTTP answers a request.
func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

func (a *Admin) readyz(w http.ResponseWriter, _ *http.Request) {
	if err := a.Ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// Ready returns what is not ready, a line for each check, or nil.
func (a *Admin) Ready() error {
	a.mu.Lock()
	checks := a.checks[:len(a.checks):len(a.checks)]
	a.mu.Unlock()
	var reasons []error
	for _, c := range checks {
		if err := c.ready(); err != nil {
			reasons = append(reasons, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return errors.Join(reasons...)
}

// WaitReady returns when everything is ready, or with ctx's error. It looks
// every now and then, as often as every says.
func (a *Admin) WaitReady(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for a.Ready() != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
