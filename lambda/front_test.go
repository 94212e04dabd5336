package lambda

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// seen is a request as a handler gets it.
type seen struct {
	*http.Request
	body string
}

// through sends an event through a front, to a handler that answers with do.
func through(t *testing.T, f front, event string, do http.HandlerFunc) (seen, response) {
	t.Helper()
	var got seen
	f.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = seen{r, string(b)}
		if do != nil {
			do(w, r)
		}
	})
	answer, err := f.serve(t.Context(), []byte(event))
	if err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	var out response
	if err := json.Unmarshal(answer, &out); err != nil {
		t.Fatal(err)
	}
	return got, out
}

// ofURL is an event of a function URL.
func ofURL(method, path, query, headers, more string) string {
	return `{"version":"2.0","routeKey":"$default","rawPath":"` + path + `","rawQueryString":"` + query + `","headers":{` + headers + `},
		"requestContext":{"domainName":"f.lambda-url.eu-central-1.on.aws","stage":"$default","http":{"method":"` + method + `","path":"` + path + `","sourceIp":"198.51.100.7"}}` + more + `}`
}

func TestRequestOfAFunctionURL(t *testing.T) {
	got, _ := through(t, front{}, ofURL("POST", "/api/board/task/7", "a=1&a=%2F", `"content-type":"application/json","accept":"a,b"`,
		`,"cookies":["access_token=x","theme=dark"],"body":"{\"é\":1}","isBase64Encoded":false`), nil)
	if got.Method != "POST" || got.URL.Path != "/api/board/task/7" || got.URL.RawPath != "" || strings.Join(got.URL.Query()["a"], " ") != "1 /" {
		t.Errorf("%s %v", got.Method, got.URL)
	}
	if c, err := got.Cookie("theme"); err != nil || c.Value != "dark" || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Accept") != "a,b" {
		t.Errorf("headers %v", got.Header)
	}
	if got.body != `{"é":1}` || got.ContentLength != 8 {
		t.Errorf("body %q of %d", got.body, got.ContentLength)
	}
	if got.Host != "f.lambda-url.eu-central-1.on.aws" || got.RemoteAddr != "198.51.100.7:0" {
		t.Errorf("from %s to %s", got.RemoteAddr, got.Host)
	}
}

// TestRequestOfAnHTTPAPI has the stage in its path, and bodies in base64 more
// often.
func TestRequestOfAnHTTPAPI(t *testing.T) {
	event := func(stage, path string) string {
		return `{"version":"2.0","rawPath":"` + path + `","headers":{"cookie":"stale=1"},"cookies":["a=b"],"requestContext":{"domainName":"x.execute-api.eu-central-1.amazonaws.com",
			"stage":"` + stage + `","http":{"method":"PATCH","sourceIp":"2001:db8::7"}},"body":"W10=","isBase64Encoded":true}`
	}
	for _, tt := range []struct{ stage, path, want string }{
		{"prod", "/prod/api/sse", "/api/sse"},
		{"$default", "/api/sse", "/api/sse"},
		{"api", "/api/api/sse", "/api/sse"},
		{"prod", "/api/sse", "/api/sse"}, // by a domain of one's own, which hides the stage
		{"prod", "/production/x", "/production/x"},
		{"prod", "/prod", "/prod"},
	} {
		got, _ := through(t, front{}, event(tt.stage, tt.path), nil)
		if got.URL.Path != tt.want || got.body != "[]" || got.Header.Get("Cookie") != "a=b" || got.RemoteAddr != "[2001:db8::7]:0" {
			t.Errorf("%s of %s: got %s, %q, %v from %s", tt.path, tt.stage, got.URL.Path, got.body, got.Header, got.RemoteAddr)
		}
	}
}

func TestPathsAreWhatWasSent(t *testing.T) {
	for path, want := range map[string][2]string{
		"/api/a%2Fb/c": {"/api/a/b/c", "/api/a%2Fb/c"}, // an escaped slash stays one
		"/api/a b":     {"/api/a b", "/api/a b"},       // some fronts decode it
		"/api/%zz":     {"/api/%zz", ""},
		"/api/?x":      {"/api/?x", ""},
		"//evil/api":   {"//evil/api", ""},
		"":             {"", ""},
	} {
		got, _ := through(t, front{}, ofURL("GET", path, "", "", ""), nil)
		if got.URL.Path != want[0] || got.URL.RawPath != want[1] || got.URL.Host != "" || got.URL.RawQuery != "" {
			t.Errorf("%q became %#v", path, got.URL)
		}
	}
}

// TestTokenBehindCloudFront: with origin access control Authorization is
// CloudFront's, and the token is elsewhere.
func TestTokenBehindCloudFront(t *testing.T) {
	const signed = `"authorization":"AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=0"`
	for _, tt := range []struct{ headers, want string }{
		{`"authorization":"Bearer a.b.c"`, "Bearer a.b.c"},
		{signed, ""},
		{signed + `,"ebb-authorization":"Bearer a.b.c"`, "Bearer a.b.c"},
		{`"authorization":"Bearer d.e.f","Ebb-Authorization":"Bearer a.b.c"`, "Bearer a.b.c"},
	} {
		got, _ := through(t, front{}, ofURL("GET", "/api/sse", "", tt.headers, ""), nil)
		if token := got.Header.Get("Authorization"); token != tt.want || got.Header.Get(TokenHeader) != "" {
			t.Errorf("%s: got %v", tt.headers, got.Header)
		}
	}
}

func TestHostAndAddressBehindCloudFront(t *testing.T) {
	f := front{host: "app.example.com", viewer: "CloudFront-Viewer-Address"}
	for said, want := range map[string]string{
		"203.0.113.9:4711":                    "203.0.113.9:4711",
		"2406:2d40:728d:fa10::c4a:42838":      "[2406:2d40:728d:fa10::c4a]:42838",
		"2001:db8:1:2:3:4:5:6:42838":          "[2001:db8:1:2:3:4:5:6]:42838",
		"2001:db8::1:8443":                    "[2001:db8::1]:8443",
		"2001:db8:1:2:3:4:5:6":                "[2001:db8:1:2:3:4:5:6]:0",
		"[2001:db8::1]:443":                   "[2001:db8::1]:443",
		"203.0.113.9":                         "203.0.113.9:0",
		"nonsense":                            "198.51.100.7:0",
		"":                                    "198.51.100.7:0",
		"203.0.113.9:4711, 192.0.2.1:1":       "198.51.100.7:0",
		"203.0.113.9:4711\\n192.0.2.200:4711": "198.51.100.7:0",
	} {
		got, _ := through(t, f, ofURL("GET", "/", "", `"cloudfront-viewer-address":"`+said+`","x-forwarded-host":"evil.example","host":"evil.example"`, ""), nil)
		if got.RemoteAddr != want || got.Host != "app.example.com" || got.Header.Get("Host") != "" {
			t.Errorf("%q: from %s to %s", said, got.RemoteAddr, got.Host)
		}
	}
}

// TestAddressByAHeaderOfOnesOwn has no port, as a CloudFront function knows it.
func TestAddressByAHeaderOfOnesOwn(t *testing.T) {
	f := front{viewer: "Ebb-Viewer-Address"}
	for said, want := range map[string]string{
		"203.0.113.9":         "203.0.113.9:0",
		"2001:db8::5:1":       "[2001:db8::5:1]:0",
		"[2001:db8::5]:1":     "[2001:db8::5]:1",
		"2001:db8::5:1, 10::": "198.51.100.7:0",
	} {
		if got, _ := through(t, f, ofURL("GET", "/", "", `"ebb-viewer-address":"`+said+`"`, ""), nil); got.RemoteAddr != want {
			t.Errorf("%q: from %s, want %s", said, got.RemoteAddr, want)
		}
	}
}

func TestResponses(t *testing.T) {
	_, out := through(t, front{}, ofURL("GET", "/", "", "", ""), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Vary", "Origin")
		w.Header().Add("Vary", "Accept")
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.WriteHeader(307)
		w.WriteHeader(500) // is too late
		_, _ = io.WriteString(w, "é")
	})
	if out.StatusCode != 307 || out.Headers["Vary"] != "Origin, Accept" || strings.Join(out.Cookies, " ") != "a=1 b=2" || out.Headers["Set-Cookie"] != "" || out.Body != "é" || out.Base64 {
		t.Errorf("got %+v", out)
	}
	if _, out = through(t, front{}, ofURL("GET", "/", "", "", ""), nil); out.StatusCode != 200 {
		t.Errorf("of nothing: %d", out.StatusCode)
	}
	binary := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte{0xff}) }
	if _, out = through(t, front{}, ofURL("GET", "/", "", "", ""), binary); out.Body != "/w==" || !out.Base64 {
		t.Errorf("of a byte that is no text: %+v", out)
	}
	if _, out = through(t, front{}, ofURL("HEAD", "/", "", "", ""), binary); out.Body != "" || out.Base64 {
		t.Errorf("of HEAD: %+v", out)
	}
	preflight := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	}
	if _, out = through(t, front{}, ofURL("OPTIONS", "/", "", "", ""), preflight); out.Headers["Access-Control-Allow-Headers"] != "Authorization, Content-Type, Ebb-Authorization, X-Amz-Content-Sha256" {
		t.Errorf("of a preflight: %v", out.Headers)
	}
}

// TestBrowsersStayWithTLS, if they came by it.
func TestBrowsersStayWithTLS(t *testing.T) {
	const header = "Strict-Transport-Security"
	https := ofURL("GET", "/", "", `"x-forwarded-proto":"https"`, "")
	if _, out := through(t, front{hsts: time.Hour}, https, nil); out.Headers[header] != "max-age=3600" {
		t.Errorf("got %v", out.Headers)
	}
	for _, event := range []string{https, ofURL("GET", "/", "", `"x-forwarded-proto":"http"`, "")} {
		f := front{hsts: time.Hour}
		if event == https {
			f.hsts = 0
		}
		if _, out := through(t, f, event, nil); out.Headers[header] != "" {
			t.Errorf("got %v", out.Headers)
		}
	}
}

func TestWhatIsNoRequest(t *testing.T) {
	f := front{handler: http.NotFoundHandler()}
	for _, event := range []string{
		``, `[]`, `{}`, `{"version":"1.0","httpMethod":"GET","path":"/"}`, `{"version":"2.0"}`,
		`{"Records":[{"EventSource":"aws:sns"}]}`,
		ofURL("POST", "/", "", "", `,"body":"?","isBase64Encoded":true`),
	} {
		if got, err := f.serve(t.Context(), []byte(event)); err == nil {
			t.Errorf("%s was answered %s", event, bytes.TrimSpace(got))
		}
	}
}
