package aws

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"
)

// Front makes events of payload 2.0 out of requests, as a function URL does.
type Front struct {
	Invoke     func(ctx context.Context, event []byte) ([]byte, error) // required
	Stage      string                                                  // of an HTTP API, in front of paths; a function URL's $default if empty
	CloudFront bool                                                    // is in front, with origin access control
}

// event is payload 2.0.
type event struct {
	Version   string            `json:"version"`
	RouteKey  string            `json:"routeKey"`
	RawPath   string            `json:"rawPath"`
	RawQuery  string            `json:"rawQueryString"`
	Cookies   []string          `json:"cookies,omitempty"`
	Headers   map[string]string `json:"headers"`
	Context   eventContext      `json:"requestContext"`
	Body      string            `json:"body,omitempty"`
	IsBase64  bool              `json:"isBase64Encoded"`
	PathParam map[string]string `json:"pathParameters,omitempty"`
}

type eventContext struct {
	AccountID  string    `json:"accountId"`
	APIID      string    `json:"apiId"`
	DomainName string    `json:"domainName"`
	HTTP       eventHTTP `json:"http"`
	RequestID  string    `json:"requestId"`
	RouteKey   string    `json:"routeKey"`
	Stage      string    `json:"stage"`
	Time       string    `json:"time"`
	TimeEpoch  int64     `json:"timeEpoch"`
}

type eventHTTP struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// Domain is what functions are called; browsers behind CloudFront never see it.
const Domain = "function.lambda-url." + region + ".on.aws"

// maxBody is Lambda's limit of a request.
const maxBody = 6 << 20

// ServeHTTP has the function answer a request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "Request Too Long")
		return
	}
	h := r.Header.Clone()
	if f.CloudFront && !sign(h, r, body) {
		refuse(w, http.StatusForbidden, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
		return
	}
	in, err := json.Marshal(f.event(r, h, body))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	answer, err := f.Invoke(r.Context(), in)
	if err != nil { // the log has it
		refuse(w, http.StatusBadGateway, "Internal Server Error")
		return
	}
	write(w, answer)
}

// event writes a request down.
func (f *Front) event(r *http.Request, h http.Header, body []byte) event {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	if f.CloudFront {
		host = "130.176.0.1" // one of CloudFront's
	}
	now := time.Now()
	in := event{
		Version: "2.0", RouteKey: "$default", RawPath: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Headers: map[string]string{},
		Context: eventContext{
			AccountID: "anonymous", APIID: "function", DomainName: r.Host, RequestID: newID(), RouteKey: "$default", Stage: "$default",
			Time: now.UTC().Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
			HTTP: eventHTTP{Method: r.Method, Protocol: r.Proto, SourceIP: host, UserAgent: r.UserAgent()},
		},
	}
	if f.CloudFront {
		in.Context.DomainName = Domain
	}
	if f.Stage != "" {
		in.RawPath, in.Context.Stage = "/"+f.Stage+in.RawPath, f.Stage
	}
	in.Context.HTTP.Path = in.RawPath
	for _, line := range h["Cookie"] {
		for one := range strings.SplitSeq(line, "; ") {
			in.Cookies = append(in.Cookies, one)
		}
	}
	for name, values := range h {
		if name != "Cookie" || f.Stage == "" { // an HTTP API takes it out
			in.Headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	in.Headers["host"] = in.Context.DomainName
	in.Headers["x-forwarded-for"] = strings.TrimPrefix(in.Headers["x-forwarded-for"]+", "+host, ", ")
	in.Headers["x-forwarded-port"], in.Headers["x-forwarded-proto"] = "443", "https"
	if in.Body = string(body); len(body) > 0 && !isText(h.Get("Content-Type")) {
		in.Body, in.IsBase64 = base64.StdEncoding.EncodeToString(body), true
	}
	return in
}

// isText tells which bodies are not in base64.
func isText(contentType string) bool {
	t, _, _ := mime.ParseMediaType(contentType)
	return strings.HasPrefix(t, "text/") || t == "application/json" || t == "application/xml" || t == "application/javascript"
}

// sign does what CloudFront does with origin access control that always signs:
// Authorization is its own, and a body must come with its hash.
func sign(h http.Header, r *http.Request, body []byte) bool {
	sum := sha256.Sum256(body)
	if given := h.Get("X-Amz-Content-Sha256"); r.Method == http.MethodPost || r.Method == http.MethodPut || len(body) > 0 {
		if given != hex.EncodeToString(sum[:]) {
			return false
		}
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	h.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	h.Set("Authorization", "AWS4-HMAC-SHA256 Credential=CLOUDFRONT/20000101/"+region+"/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=0")
	h.Set("X-Forwarded-For", strings.TrimPrefix(h.Get("X-Forwarded-For")+", "+host, ", "))
	h.Set("CloudFront-Viewer-Address", strings.NewReplacer("[", "", "]", "").Replace(r.RemoteAddr))
	h.Set("Via", "2.0 0.cloudfront.net (CloudFront)")
	return true
}

// write sends what a function answered.
func write(w http.ResponseWriter, answer []byte) {
	var out struct {
		StatusCode int               `json:"statusCode"`
		Headers    map[string]string `json:"headers"`
		Cookies    []string          `json:"cookies"`
		Body       string            `json:"body"`
		IsBase64   bool              `json:"isBase64Encoded"`
	}
	if json.Unmarshal(answer, &out) != nil || out.StatusCode < 100 {
		refuse(w, http.StatusBadGateway, "Internal Server Error")
		return
	}
	body := []byte(out.Body)
	if out.IsBase64 {
		var err error
		if body, err = base64.StdEncoding.DecodeString(out.Body); err != nil {
			refuse(w, http.StatusBadGateway, "Internal Server Error")
			return
		}
	}
	for name, value := range out.Headers {
		w.Header().Set(name, value)
	}
	for _, cookie := range out.Cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
	w.WriteHeader(out.StatusCode)
	_, _ = w.Write(body)
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"Message": message})
}
