package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"

	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/sse"
)

const (
	maxInstruct = 100_000 // bytes of a JSON instruct
	maxBody     = 1 << 20 // bytes of the body that a stream begins with
)

// features is what of GRIP there is here. Recovery by Grip-Link is not.
const features = "status, session"

// leg is a request's way to the origin.
type leg struct {
	begun  time.Time
	cancel context.CancelCauseFunc
	timer  *time.Timer // ends the wait for a stream's set-up; nil otherwise
}

type legKey struct{}

var errWait = errors.New("edge: the origin takes too long")

// held is how a response that is to be held leaves the proxy.
type held struct {
	instruct grip.Instruct
	status   int
	header   http.Header
	body     []byte
}

func (*held) Error() string { return "edge: held" }

// ServeHTTP proxies a request, and holds its response where the origin says so.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	l := &leg{begun: time.Now(), cancel: cancel}
	if wantsStream(r) {
		l.timer = time.AfterFunc(e.cfg.Wait, func() { cancel(errWait) })
		defer l.timer.Stop()
	}
	e.proxy.ServeHTTP(w, r.WithContext(context.WithValue(ctx, legKey{}, l)))
}

// wantsStream tells an EventSource from other requests.
func wantsStream(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), sse.ContentType)
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
	}
}

// rewrite makes the request to the origin: a client's word on GRIP is dropped.
func (e *Edge) rewrite(p *httputil.ProxyRequest) {
	p.SetURL(e.cfg.Origin)
	p.Out.Host = p.In.Host
	p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"] // to be added to
	p.SetXForwarded()
	p.Out.Header.Del("Accept-Encoding")
	stripGrip(p.Out.Header)
	if sig, err := e.cfg.GripKey.Sign(e.cfg.GripIssuer, time.Now()); err == nil { // a key that cannot sign is refused at the door
		p.Out.Header.Set(grip.SigHeader, sig)
	}
	p.Out.Header.Set("Grip-Feature", features)
}

// modify lets an ordinary response through, without a word of GRIP, and takes
// out one that is to be held.
func (e *Edge) modify(resp *http.Response) error {
	l := resp.Request.Context().Value(legKey{}).(*leg)
	if f := e.cfg.Metrics.Origin; f != nil {
		f(resp.StatusCode, time.Since(l.begun))
	}
	if !grip.IsInstruct(resp.Header) {
		if l.timer != nil {
			if resp.StatusCode >= 500 {
				return fmt.Errorf("edge: the origin answered %s", resp.Status)
			}
			l.timer.Stop()
		}
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return fmt.Errorf("edge: reading the origin's answer: %w", err)
	}
	instruct, err := grip.ParseInstruct(resp.StatusCode, resp.Header, body)
	if err != nil {
		return err
	}
	h := &held{instruct: instruct, status: resp.StatusCode, header: resp.Header, body: body}
	if grip.IsJSON(resp.Header) {
		if len(body) > maxInstruct {
			return fmt.Errorf("edge: a JSON instruct of over %d bytes", maxInstruct)
		}
		h.unpack()
	}
	if len(body) > maxBody {
		return fmt.Errorf("edge: a stream that begins with over %d bytes", maxBody)
	}
	stripGrip(h.header)
	if instruct.Hold == nil {
		resp.StatusCode, resp.Header = h.status, h.header
		resp.Body = io.NopCloser(strings.NewReader(string(h.body)))
		resp.ContentLength = int64(len(h.body))
		resp.Header.Del("Content-Length")
		return nil
	}
	if instruct.Hold.Mode != grip.ModeStream {
		return fmt.Errorf("edge: hold mode %q; this edge holds streams", instruct.Hold.Mode)
	}
	return h
}

// unpack takes status, headers and body out of a JSON instruct.
func (h *held) unpack() {
	in := h.instruct.Response
	h.status = in.Code
	if h.status == 0 {
		h.status = http.StatusOK
	}
	h.header = http.Header{}
	for name, value := range in.Header {
		h.header.Set(name, value)
	}
	h.body = []byte(in.Body)
}

// fail gets what modify took out of the proxy's hands, and its errors.
func (e *Edge) fail(w http.ResponseWriter, r *http.Request, err error) {
	l := r.Context().Value(legKey{}).(*leg)
	if h, ok := errors.AsType[*held](err); ok {
		if l.timer == nil || l.timer.Stop() {
			e.hold(w, r, h)
		} else {
			sendBack(w, "unavailable")
		}
		return
	}
	if cause := context.Cause(r.Context()); cause == errWait {
		err = errWait
	} else if cause != nil {
		return // the client is gone
	}
	if f := e.cfg.Metrics.Origin; f != nil {
		f(0, time.Since(l.begun))
	}
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

// stripGrip removes all of the protocol's headers.
func stripGrip(h http.Header) {
	for name := range h {
		if strings.HasPrefix(name, grip.HeaderPrefix) {
			h.Del(name)
		}
	}
}
