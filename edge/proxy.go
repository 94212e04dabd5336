package edge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"

	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

// features is what of GRIP there is here. Recovery by Grip-Link is not. Back
// ends split it at comma and space.
var features = "status, filter:" + strings.Join(grip.Filters, ", filter:")

// leg is a request's way to the origin.
type leg struct {
	begun    time.Time
	cancel   context.CancelCauseFunc
	timer    *time.Timer // ends the wait for a stream's set-up; nil otherwise
	answered bool        // the answer was counted
	held     *held       // the answer, where it is to wait for another
}

type legKey struct{}

var errWait = errors.New("edge: the origin takes too long")

// ServeHTTP proxies a request, and holds its response where the origin says so.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := keepBody(r)
	for h := e.forward(w, r); h != nil && e.wait(w, r, h, body); h = e.forward(w, r) {
		body.rewind(r)
	}
}

// forward proxies a request. It returns a response that is to wait until
// another is published.
func (e *Edge) forward(w http.ResponseWriter, r *http.Request) *held {
	w.Header()["Content-Type"] = nil // what the origin gives no type, net/http shall not guess at
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	l := &leg{begun: time.Now(), cancel: cancel}
	if wantsStream(r) {
		l.timer = time.AfterFunc(e.cfg.Wait, func() { cancel(errWait) })
		defer l.timer.Stop()
	}
	e.proxy.ServeHTTP(w, r.WithContext(context.WithValue(ctx, legKey{}, l)))
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

func (e *Edge) newProxy() *httputil.ReverseProxy {
	transport := e.cfg.Transport
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.Proxy = nil
		t.DisableCompression = true
		t.MaxIdleConnsPerHost = 256
		t.MaxResponseHeaderBytes = 64 << 10
		t.ResponseHeaderTimeout = 30 * time.Second
		transport = t
	}
	return &httputil.ReverseProxy{
		Rewrite:        e.rewrite,
		Transport:      transport,
		FlushInterval:  -1,
		ModifyResponse: e.modify,
		ErrorHandler:   e.fail,
		ErrorLog:       slog.NewLogLogger(e.cfg.Logger.Handler(), slog.LevelWarn),
	}
}

// rewrite makes the request to the origin: a client's word on GRIP is dropped.
func (e *Edge) rewrite(p *httputil.ProxyRequest) {
	p.Out.URL.RawQuery = p.In.URL.RawQuery // also what Go cannot parse
	p.SetURL(e.cfg.Origin)
	p.Out.Host = p.In.Host
	p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"] // to be added to
	p.SetXForwarded()
	if proto := p.In.Header.Get("X-Forwarded-Proto"); p.In.TLS == nil && (proto == "https" || proto == "http") {
		p.Out.Header.Set("X-Forwarded-Proto", proto) // what is in front of us speaks TLS
	}
	p.Out.Header.Del("Accept-Encoding")
	stripGrip(p.Out.Header)
	stripGrip(p.Out.Trailer)
	if sig, err := e.cfg.GripKey.Sign(e.cfg.GripIssuer, time.Now()); err == nil { // a key that cannot sign is refused at the door
		p.Out.Header.Set(grip.SigHeader, sig)
	}
	p.Out.Header.Set("Grip-Feature", features)
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
		isPoll := h.instruct.Hold.Mode == grip.ModeResponse
		switch {
		case l.timer != nil && (!l.timer.Stop() || isPoll && !h.isStream()):
			e.count(l, 0)
			sendBack(w, "unavailable")
		case isPoll:
			l.held = h
		default:
			e.hold(w, r, h)
		}
		return
	}
	if cause := context.Cause(r.Context()); cause == errWait {
		err = errWait
	} else if cause != nil {
		return // the client is gone
	}
	e.count(l, 0)
	e.cfg.Logger.Warn("the origin gives no usable answer", "part", "edge", "path", r.URL.Path, "cause", err)
	if l.timer != nil {
		sendBack(w, "unavailable")
		return
	}
	http.Error(w, "the origin gives no usable answer", http.StatusBadGateway)
}

// sendBack answers an EventSource so that it comes back by itself: any other
// status would close it for good.
func sendBack(w http.ResponseWriter, reason string) {
	h := w.Header()
	h.Set("Content-Type", sse.ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("X-Accel-Buffering", "no")
	b := appendRetry(nil)
	_, _ = w.Write(sse.Event{Name: eventBye, Data: []byte(`{"reason":"` + reason + `"}`)}.Append(b))
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
