package edge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/dial"
)

// Route says which requests are for an origin beside Config's own. Of several
// that fit, the one with the most exact host counts, then the longest path.
type Route struct {
	Host   string   // of the request, without a port; *.example.com is all hosts below; any if empty
	Path   string   // begins the request's path, whole segments of it; any if empty
	Origin *url.URL // required

	// Prefix keeps the origin's channels apart from those of others, and is
	// required: letters, digits and hyphens. What the origin calls x is x of
	// that prefix, for its streams and for those who publish with its key.
	Prefix string

	GripKey    grip.Key // signs requests to it; Config's if zero
	GripIssuer string   // Config's if empty
	PublishKey grip.Key // who has it may publish on its channels; nobody else than with Config's if zero
	NoStreams  bool     // proxy only: the origin can hold nothing
}

// route is a Route in use.
type route struct {
	Route
	signer signer
	proxy  *httputil.ReverseProxy
	told   atomic.Int64 // when trouble with the origin was logged, in ns since 1970
}

// troubled tells whether it is time to log trouble with the origin again.
func (r *route) troubled(now time.Time) bool {
	last := r.told.Load()
	return now.UnixNano()-last > int64(10*time.Second) && r.told.CompareAndSwap(last, now.UnixNano())
}

// SetRoutes puts other routes into use, for requests from now on; streams stay.
// What is wrong with them leaves the former in use.
func (e *Edge) SetRoutes(routes []Route) error {
	var made []*route
	origins := map[string]string{} // by prefix
	places := map[string]bool{}
	for _, r := range routes {
		if r.GripKey.IsZero() {
			r.GripKey = e.cfg.GripKey
		}
		if r.GripIssuer == "" {
			r.GripIssuer = e.cfg.GripIssuer
		}
		r.Host = strings.ToLower(strings.TrimSuffix(r.Host, "."))
		place := r.Host + r.Path
		if err := r.check(); err != nil {
			return fmt.Errorf("edge: route %q: %w", place, err)
		}
		if places[place] {
			return fmt.Errorf("edge: route %q: there is another one for it", place)
		}
		if other, ok := origins[r.Prefix]; ok && other != r.Origin.String() {
			return fmt.Errorf("edge: routes to two origins have the prefix %q: give each its own", r.Prefix)
		}
		places[place], origins[r.Prefix] = true, r.Origin.String()
		made = append(made, e.newRoute(r))
	}
	if e.cfg.Origin != nil {
		own := Route{Origin: e.cfg.Origin, GripKey: e.cfg.GripKey, GripIssuer: e.cfg.GripIssuer}
		if err := own.checkOrigin(); err != nil {
			return fmt.Errorf("edge: %w", err)
		}
		made = append(made, e.newRoute(own))
	}
	e.routes.Store(&made)
	return nil
}

func (e *Edge) newRoute(r Route) *route {
	made := &route{Route: r, signer: signer{key: r.GripKey, issuer: r.GripIssuer}}
	made.proxy = e.newProxy(made)
	return made
}

func (r Route) check() error {
	if name := strings.TrimPrefix(r.Host, "*."); strings.ContainsAny(name, "*/ ") || strings.Contains(name, ":") && net.ParseIP(name) == nil {
		return errors.New("want a host without scheme and port, or *.host")
	}
	if r.Path != "" && r.Path[0] != '/' {
		return errors.New("a path begins with /")
	}
	if !channel.ValidPrefix(r.Prefix) {
		return fmt.Errorf("the channel prefix is %q, want letters, digits and hyphens, 32 at most", r.Prefix)
	}
	if !r.NoStreams && !signs(r.GripKey) {
		return errors.New("the grip key cannot sign: it is a public one, or there is none")
	}
	return r.checkOrigin()
}

func (r Route) checkOrigin() error {
	u := r.Origin
	if u == nil {
		return errors.New("no origin, want http://host:port or https://host:port")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("origin %q, want http://host:port or https://host:port", u.Redacted())
	}
	return nil
}

// routeOf returns the route of a request, nil if there is none.
func (e *Edge) routeOf(r *http.Request) *route {
	routes := *e.routes.Load()
	if len(routes) == 1 && routes[0].Host == "" && routes[0].Path == "" {
		return routes[0]
	}
	host := hostOf(r)
	var best *route
	for _, one := range routes {
		if one.fits(host, r.URL.Path) && (best == nil || one.before(best)) {
			best = one
		}
	}
	return best
}

// hostOf is the host that a request is for, without a port.
func hostOf(r *http.Request) string {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

func (r *route) fits(host, path string) bool {
	if below, ok := strings.CutPrefix(r.Host, "*"); ok {
		if !strings.HasSuffix(host, below) || host == below {
			return false
		}
	} else if r.Host != "" && r.Host != host {
		return false
	}
	rest, ok := strings.CutPrefix(path, r.Path)
	return ok && (rest == "" || r.Path == "" || strings.HasSuffix(r.Path, "/") || rest[0] == '/')
}

// before tells whether r is the more exact one of two that fit.
func (r *route) before(other *route) bool {
	if a, b := r.exactness(), other.exactness(); a != b {
		return a > b
	}
	return len(r.Path) > len(other.Path)
}

// exactness of a host: none, then all below one, the longer the more, then one.
func (r *route) exactness() int {
	if strings.HasPrefix(r.Host, "*") {
		return len(r.Host)
	}
	return len(r.Host) * 1000
}

// publisher is who publishes: the id of the key, and the prefix of the channels.
type publisher struct{ key, prefix string }

// publisher tells by which key a request may publish.
func (e *Edge) publisher(r *http.Request, now time.Time) (publisher, error) {
	err := grip.ErrUnauthorized
	if !e.cfg.PublishKey.IsZero() {
		if err = e.cfg.PublishKey.Authorize(r, now); err == nil {
			return publisher{key: e.cfg.PublishKey.ID()}, nil
		}
	}
	for _, one := range *e.routes.Load() {
		if !one.PublishKey.IsZero() && one.PublishKey.Authorize(r, now) == nil {
			return publisher{one.PublishKey.ID(), one.Prefix}, nil
		}
	}
	return publisher{}, err
}

// mayPublish tells whether anybody may.
func (e *Edge) mayPublish() bool {
	if !e.cfg.PublishKey.IsZero() {
		return true
	}
	for _, one := range *e.routes.Load() {
		if !one.PublishKey.IsZero() {
			return true
		}
	}
	return false
}

// newTransport is the way to the origins, and to nowhere else. Idle connections
// are not kept for long: each is memory that a hundred streams could have, and
// what runs for it keeps the memory of a burst from being given back.
func (e *Edge) newTransport() *http.Transport {
	t := dial.Transport(dial.Dialer{Known: e.isOrigin})
	t.MaxIdleConns = 4 * maxSetups
	t.MaxIdleConnsPerHost = maxSetups
	t.IdleConnTimeout = 3 * time.Second
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	t.ResponseHeaderTimeout = 30 * time.Second
	t.ReadBufferSize = 4 << 10
	t.WriteBufferSize = 4 << 10
	return t
}

// isOrigin tells whether a route leads to host:port.
func (e *Edge) isOrigin(hostPort string) bool {
	return slices.ContainsFunc(*e.routes.Load(), func(r *route) bool { return dial.HostPort(r.Origin) == hostPort })
}
