package edge

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strings"
)

// maxSetups is how many set-up calls are under way at a time. More than that
// wait: an origin that is slow is not helped by being asked more.
const maxSetups = 256

// setUp asks the origin about a stream, and holds it, or passes the answer on.
// It does what the proxy does, without what a stream's request never has.
func (e *Edge) setUp(w http.ResponseWriter, r *http.Request, l *leg) {
	resp, err := e.askOrigin(r, l)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	pass := httputil.ReverseProxy{
		Rewrite:       func(*httputil.ProxyRequest) {},
		Transport:     answered{resp},
		FlushInterval: -1,
		ErrorHandler:  e.fail,
		ErrorLog:      l.route.proxy.ErrorLog,
	}
	pass.ServeHTTP(w, r)
}

// askOrigin returns the origin's answer for the client, or *held.
func (e *Edge) askOrigin(r *http.Request, l *leg) (*http.Response, error) {
	ctx := r.Context()
	select {
	case e.setups <- struct{}{}:
		defer func() { <-e.setups }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil { // perhaps both
		return nil, ctx.Err()
	}
	out := e.outgoing(r, l.route)
	answered := l.opening.asks(out)
	resp, err := e.cfg.Transport.RoundTrip(out)
	if err != nil {
		answered(0)
		return nil, err
	}
	answered(resp.StatusCode)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		err = errors.New("edge: the origin switches protocols unasked")
	} else {
		removeHops(resp.Header)
		err = e.modify(resp)
	}
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// outgoing is a client's request as it goes to the origin.
func (e *Edge) outgoing(r *http.Request, to *route) *http.Request {
	out := *r
	url := *r.URL
	out.URL = &url
	out.Header = make(http.Header, len(r.Header)+6)
	maps.Copy(out.Header, r.Header) // values are replaced, never changed
	out.Body, out.Close, out.Trailer = nil, false, nil
	removeHops(out.Header)
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		delete(out.Header, name)
	}
	e.rewrite(&httputil.ProxyRequest{In: r, Out: &out}, to)
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = []string{""} // or net/http says that it is Go
	}
	return &out
}

// hops are headers that concern one connection.
var hops = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

func removeHops(h http.Header) {
	for _, field := range h["Connection"] {
		for name := range strings.SplitSeq(field, ",") {
			if name = textproto.TrimString(name); name != "" {
				h.Del(name)
			}
		}
	}
	for _, name := range hops {
		delete(h, name)
	}
}

// answered is a way to the origin on which the answer has come already.
type answered struct{ resp *http.Response }

func (a answered) RoundTrip(*http.Request) (*http.Response, error) { return a.resp, nil }
