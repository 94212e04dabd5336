package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// TokenHeader has the user's token where Authorization is CloudFront's.
const TokenHeader = "Ebb-Authorization"

// front answers events of payload 2.0 with an HTTP handler.
type front struct {
	handler http.Handler
	host    string        // what browsers call us; whatever the event says if empty
	viewer  string        // header with the browser's address; the event's own word if empty
	hsts    time.Duration // how long browsers shall stay with TLS; not told if zero
}

// request is an event of payload 2.0, of a function URL or an HTTP API.
type request struct {
	Version  string            `json:"version"`
	RawPath  string            `json:"rawPath"`
	RawQuery string            `json:"rawQueryString"`
	Cookies  []string          `json:"cookies"`
	Headers  map[string]string `json:"headers"`
	Body     string            `json:"body"`
	Base64   bool              `json:"isBase64Encoded"`
	Context  struct {
		DomainName string `json:"domainName"`
		Stage      string `json:"stage"`
		HTTP       struct {
			Method   string `json:"method"`
			SourceIP string `json:"sourceIp"`
		} `json:"http"`
	} `json:"requestContext"`
}

// response is the answer to one.
type response struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers,omitempty"`
	Cookies    []string          `json:"cookies,omitempty"`
	Body       string            `json:"body"`
	Base64     bool              `json:"isBase64Encoded"`
}

// errNotHTTP is for whoever invokes the function by itself, or has the API
// send payload 1.0.
var errNotHTTP = errors.New("lambda: the event is no HTTP request of payload 2.0")

func (f front) serve(ctx context.Context, event []byte) ([]byte, error) {
	var in request
	if err := json.Unmarshal(event, &in); err != nil || in.Version != "2.0" || in.Context.HTTP.Method == "" {
		return nil, errNotHTTP
	}
	r, err := f.request(ctx, in)
	if err != nil {
		return nil, err
	}
	w := &recorder{header: http.Header{}}
	if f.hsts > 0 && r.Header.Get("X-Forwarded-Proto") == "https" {
		w.header.Set("Strict-Transport-Security", fmt.Sprintf("max-age=%d", int64(f.hsts/time.Second)))
	}
	f.handler.ServeHTTP(w, r)
	return json.Marshal(w.response(r))
}

// request makes what net/http would have read.
func (f front) request(ctx context.Context, in request) (*http.Request, error) {
	body := []byte(in.Body)
	if in.Base64 {
		var err error
		if body, err = base64.StdEncoding.DecodeString(in.Body); err != nil {
			return nil, errNotHTTP
		}
	}
	r := (&http.Request{
		Method: in.Context.HTTP.Method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		URL: target(in), Header: http.Header{},
		Body: http.NoBody, ContentLength: int64(len(body)), Host: in.Context.DomainName,
	}).WithContext(ctx)
	if len(body) > 0 {
		r.Body = readCloser{bytes.NewReader(body)}
	}
	for name, value := range in.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Del("Host")
	if len(in.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(in.Cookies, "; "))
	}
	if f.host != "" {
		r.Host = f.host
	}
	r.RemoteAddr = f.remote(in, r.Header)
	takeToken(r.Header)
	return r, nil
}

// target is the path, without an HTTP API's stage before it, and the query.
func target(in request) *url.URL {
	path := in.RawPath
	if stage := in.Context.Stage; stage != "" && stage != "$default" {
		if rest, ok := strings.CutPrefix(path, "/"+stage); ok && strings.HasPrefix(rest, "/") {
			path = rest
		}
	}
	u := &url.URL{Path: path}
	if parsed, err := url.ParseRequestURI(path); err == nil && parsed.Host == "" && !strings.Contains(path, "?") {
		u.Path, u.RawPath = parsed.Path, parsed.RawPath
	}
	u.RawQuery = in.RawQuery
	return u
}

// takeToken puts the user's token where the gateway looks for it. What
// CloudFront has signed is not the user's.
func takeToken(h http.Header) {
	if strings.HasPrefix(h.Get("Authorization"), "AWS4-") {
		h.Del("Authorization")
	}
	if token, ok := h[TokenHeader]; ok {
		h["Authorization"] = token
		delete(h, TokenHeader)
	}
}

// remote is who asks, as host:port.
func (f front) remote(in request, h http.Header) string {
	if at := addrPort(h.Get(f.viewer), strings.EqualFold(f.viewer, cloudFrontViewer)); f.viewer != "" && at.IsValid() {
		return at.String()
	}
	return net.JoinHostPort(in.Context.HTTP.SourceIP, "0")
}

// cloudFrontViewer is the header in which CloudFront itself says who asks.
const cloudFrontViewer = "CloudFront-Viewer-Address"

// addrPort reads an address with or without a port. CloudFront puts no brackets
// around IPv6, so bare tells that what is behind its last colon is the port.
func addrPort(s string, bare bool) netip.AddrPort {
	if at, err := netip.ParseAddrPort(s); err == nil {
		return at
	}
	if i := strings.LastIndexByte(s, ':'); bare && i > 0 {
		if at, err := netip.ParseAddrPort("[" + s[:i] + "]" + s[i:]); err == nil {
			return at
		}
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, 0)
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// response writes the answer down. Pages elsewhere may send what only functions
// read.
func (w *recorder) response(r *http.Request) response {
	w.WriteHeader(http.StatusOK)
	out := response{StatusCode: w.status, Headers: map[string]string{}, Cookies: w.header["Set-Cookie"]}
	for name, values := range w.header {
		if name != "Set-Cookie" {
			out.Headers[name] = strings.Join(values, ", ")
		}
	}
	const allowed = "Access-Control-Allow-Headers"
	if list := out.Headers[allowed]; strings.Contains(list, "Authorization") {
		out.Headers[allowed] = list + ", " + TokenHeader + ", X-Amz-Content-Sha256"
	}
	switch b := w.body.Bytes(); {
	case r.Method == http.MethodHead:
	case utf8.Valid(b):
		out.Body = string(b)
	default:
		out.Body, out.Base64 = base64.StdEncoding.EncodeToString(b), true
	}
	return out
}
