package edge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

// features is what of GRIP there is here. Recovery by Grip-Link is not. Back
// ends split it at comma and space.
var features = "status, filter:" + strings.Join(grip.Filters, ", filter:")

// leg is a request's way to the origin.
type leg struct {
	route    *route
	begun    time.Time
	cancel   context.CancelCauseFunc
	timer    *time.Timer // ends the wait for a stream's set-up; nil otherwise
	answered bool        // the answer was counted
	held     *held       // the answer, where it is to be held
	opening  *opening    // the trace of a stream's request
}

type legKey struct{}

var errWait = errors.New("edge: the origin takes too long")

// ServeHTTP proxies a request, and holds its response where the origin says so.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := e.routeOf(r)
	if to == nil {
		http.Error(w, "this edge has no route for the host and path", http.StatusNotFound)
		return
	}
	body := keepBody(r)
	for {
		h := e.forward(w, r, to)
		switch {
		case h == nil:
			return
		case h.instruct.Hold.Mode == grip.ModeStream:
			e.hold(w, r, h)
			return
		case !e.wait(w, r, h, body):
			return
		}
		body.rewind(r)
	}
}

// forward proxies a request. It returns a response that is to be held, when all
// that was needed to get it is gone: held responses may be very many.
func (e *Edge) forward(w http.ResponseWriter, r *http.Request, to *route) *held {
	w.Header()["Content-Type"] = nil // what the origin gives no type, net/http shall not guess at
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	l := &leg{route: to, begun: time.Now(), cancel: cancel}
	asks := wantsStream(r) && !to.NoStreams
	if asks {
		if reason := e.shuts(e.gate.addresses.Of(r.RemoteAddr)); reason != "" {
			e.sendAway(w, reason)
			return nil
		}
		l.opening = e.opens(r)
		l.timer = time.AfterFunc(e.cfg.Wait, func() { cancel(errWait) })
		defer l.timer.Stop()
	}
	r = r.WithContext(context.WithValue(ctx, legKey{}, l))
	if asks && r.ContentLength == 0 && r.Header.Get("Upgrade") == "" {
		e.setUp(w, r, l)
	} else {
		to.proxy.ServeHTTP(w, r)
	}
	if l.held == nil {
		l.opening.fails("nothing to hold")
	} else {
		l.held.opening = l.opening
	}
	return l.held
}

// wantsStream tells an EventSource, which takes nothing but a stream, from
// other requests.
func wantsStream(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return r.Method == http.MethodGet && isStream(accept) && !strings.Contains(accept, ",")
}

// isStream tells whether a media type is that of an event stream.
func isStream(mediaType string) bool {
	t, _, _ := strings.Cut(mediaType, ";")
	return strings.EqualFold(strings.TrimSpace(t), sse.ContentType)
}

func (e *Edge) newProxy(to *route) *httputil.ReverseProxy {
	p := &httputil.ReverseProxy{
		Rewrite:        func(p *httputil.ProxyRequest) { e.rewrite(p, to) },
		Transport:      e.cfg.Transport,
		FlushInterval:  -1,
		BufferPool:     pieces{},
		ModifyResponse: e.modify,
		ErrorHandler:   e.fail,
		ErrorLog:       slog.NewLogLogger(e.cfg.Logger.Handler(), slog.LevelWarn),
	}
	if to.NoStreams {
		p.ModifyResponse = e.modifyPlain
	}
	return p
}

// pieces are the buffers through which answers pass. They are small, for who
// takes an answer slowly has one for long.
type pieces struct{}

var pieceBuffers = sync.Pool{New: func() any { return new([8 << 10]byte) }}

func (pieces) Get() []byte  { return pieceBuffers.Get().(*[8 << 10]byte)[:] }
func (pieces) Put(b []byte) { pieceBuffers.Put((*[8 << 10]byte)(b)) }

// rewrite makes the request to the origin: a client's word on GRIP is dropped.
func (e *Edge) rewrite(p *httputil.ProxyRequest, to *route) {
	p.Out.URL.RawQuery = p.In.URL.RawQuery // also what Go cannot parse
	p.SetURL(to.Origin)
	p.Out.Host = p.In.Host
	if prior := p.In.Header["X-Forwarded-For"]; len(prior) > 0 {
		p.Out.Header["X-Forwarded-For"] = prior // to be added to
	}
	p.SetXForwarded()
	if proto := p.In.Header.Get("X-Forwarded-Proto"); p.In.TLS == nil && (proto == "https" || proto == "http") {
		p.Out.Header.Set("X-Forwarded-Proto", proto) // what is in front of us speaks TLS
	}
	p.Out.Header.Del("Accept-Encoding")
	stripGrip(p.Out.Header)
	stripGrip(p.Out.Trailer)
	if to.NoStreams {
		return
	}
	if sig := to.signer.sign(time.Now()); sig != "" {
		p.Out.Header[grip.SigHeader] = []string{sig}
	}
	p.Out.Header["Grip-Feature"] = offered
}

// offered is the value of Grip-Feature.
var offered = []string{features}

// modifyPlain lets every response through, without a word of GRIP.
func (e *Edge) modifyPlain(resp *http.Response) error {
	e.count(resp.Request.Context().Value(legKey{}).(*leg), resp.StatusCode)
	stripGrip(resp.Header)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		stripGrip(resp.Trailer)
		resp.Body = trailed{resp.Body, resp}
	}
	return nil
}

// count tells, once, how the origin answered and after what time.
func (e *Edge) count(l *leg, status int) {
	if f := e.cfg.Metrics.Origin; f != nil && !l.answered {
		f(status, time.Since(l.begun))
	}
	l.answered = true
}

// fail gets what modify took out of the proxy's hands, and its errors.
func (e *Edge) fail(w http.ResponseWriter, r *http.Request, err error) {
	l := r.Context().Value(legKey{}).(*leg)
	if h, ok := errors.AsType[*held](err); ok {
		h.prefix = l.route.Prefix
		isPoll := h.instruct.Hold.Mode == grip.ModeResponse
		if l.timer != nil && (!l.timer.Stop() || isPoll && !h.isStream()) {
			e.count(l, 0)
			e.sendAway(w, reasonUnavailable)
		} else {
			l.held = h
		}
		return
	}
	if cause := context.Cause(r.Context()); cause == errWait {
		err = errWait
	} else if cause != nil {
		return // the client is gone
	}
	e.count(l, 0)
	if l.route.troubled(l.begun) {
		e.cfg.Logger.Warn("the origin gives no usable answer; more such answers are counted, not told, for 10 s",
			"part", "edge", "origin", l.route.Origin.Redacted(), "path", r.URL.Path, "cause", err)
	}
	if l.timer != nil {
		e.sendAway(w, reasonUnavailable)
		return
	}
	http.Error(w, "the origin gives no usable answer", http.StatusBadGateway)
}

// stripGrip removes all of the protocol's headers, also as those name them who
// take an underscore for a hyphen.
func stripGrip(h http.Header) {
	for name := range h {
		if strings.HasPrefix(strings.ReplaceAll(name, "_", "-"), grip.HeaderPrefix) {
			delete(h, name)
		}
	}
}
