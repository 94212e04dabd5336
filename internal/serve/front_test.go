package serve

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestForwardedFor: the client is the last one that no proxy of ours is, and
// nobody else may say (S45).
func TestForwardedFor(t *testing.T) {
	s := Server{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("127.0.0.0/8")}}
	for _, tt := range []struct {
		name, peer string
		said       []string
		want       string // the client's address
	}{
		{"nobody between", "198.51.100.7:4", nil, "198.51.100.7:4"},
		{"a stranger says", "198.51.100.7:4", []string{"10.0.0.1"}, "198.51.100.7:4"},
		{"a stranger says it is us", "198.51.100.7:4", []string{"127.0.0.1, 10.0.0.1"}, "198.51.100.7:4"},
		{"a proxy says", "10.0.0.1:4", []string{"198.51.100.7"}, "198.51.100.7:0"},
		{"a proxy adds to what the client says", "10.0.0.1:4", []string{"1.1.1.1, 198.51.100.7"}, "198.51.100.7:0"},
		{"in lines", "10.0.0.1:4", []string{"1.1.1.1", "198.51.100.7"}, "198.51.100.7:0"},
		{"two proxies", "10.0.0.1:4", []string{"1.1.1.1, 198.51.100.7, 10.0.0.2"}, "198.51.100.7:0"},
		{"the client says it is a proxy", "10.0.0.1:4", []string{"10.9.9.9, 198.51.100.7"}, "198.51.100.7:0"},
		{"proxies alone", "10.0.0.1:4", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3:0"},
		{"a proxy says nothing", "10.0.0.1:4", nil, "10.0.0.1:4"},
		{"a proxy says nonsense", "10.0.0.1:4", []string{"198.51.100.7, unknown"}, "10.0.0.1:4"},
		{"nonsense further off", "10.0.0.1:4", []string{"<script>, 10.0.0.2"}, "10.0.0.2:0"},
		{"with ports", "10.0.0.1:4", []string{"198.51.100.7:55"}, "198.51.100.7:0"},
		{"IPv6", "[fd00::1]:4", []string{"2001:db8::9"}, "[2001:db8::9]:0"},
		{"IPv6 in brackets", "[fd00::1]:4", []string{"[2001:db8::9]:5"}, "[2001:db8::9]:0"},
		{"mapped", "[::ffff:10.0.0.1]:4", []string{"::ffff:198.51.100.7"}, "198.51.100.7:0"},
		{"a zone", "[fe80::1%eth0]:4", []string{"198.51.100.7"}, "[fe80::1%eth0]:4"},
		{"no address", "pipe", []string{"198.51.100.7"}, "pipe"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.peer
		r.Header["X-Forwarded-For"] = tt.said
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Header.Set("Forwarded", "for=1.1.1.1")
		s.unproxy(r)
		if r.RemoteAddr != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, r.RemoteAddr, tt.want)
		}
		if r.Header["X-Forwarded-For"] != nil || r.Header["Forwarded"] != nil {
			t.Errorf("%s: %v is left", tt.name, r.Header)
		}
		if known := s.trusts(addrOf(tt.peer)); (r.Header.Get("X-Forwarded-Proto") != "") != known || (r.Header.Get("X-Forwarded-Host") != "") != known {
			t.Errorf("%s: known %v, left %v", tt.name, known, r.Header)
		}
	}
}

// TestRequestLimits of what comes before a body: 414 and 431 (S52).
func TestRequestLimits(t *testing.T) {
	addr := onSocket(t, Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
	for _, protocol := range []string{"http/1.1", "h2"} {
		client := browser(t, protocol)
		for _, tt := range []struct{ url, header, want int }{
			{maxURL, 10, 200}, {maxURL + 1, 10, 414}, {2 * maxURL, 10, 414}, {10, maxHeaderBytes / 2, 200}, {10, 2 * maxHeaderBytes, 431},
		} {
			req, err := http.NewRequest("GET", "https://"+addr+"/"+strings.Repeat("u", tt.url-1), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X", strings.Repeat("h", tt.header))
			resp, err := client.Do(req)
			if err != nil {
				if protocol != "h2" || tt.want != 431 { // where the client is told before
					t.Errorf("%s: %v: %v", protocol, tt, err)
				}
				continue
			}
			resp.Body.Close()
			if resp.StatusCode != tt.want {
				t.Errorf("%s: a URL of %d and a header of %d: got %d, want %d", protocol, tt.url, tt.header, resp.StatusCode, tt.want)
			}
		}
	}
}

// TestNoTunnels: whatever the handler would say to CONNECT, and by either
// protocol (S44).
func TestNoTunnels(t *testing.T) {
	addr := onSocket(t, Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
	for _, protocol := range []string{"http/1.1", "h2"} {
		req := &http.Request{Method: "CONNECT", URL: &url.URL{Scheme: "https", Host: addr}, Host: "x:80"}
		resp, err := browser(t, protocol).Do(req.WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed || protocol == "http/1.1" && !resp.Close {
			t.Errorf("%s: got %s, closing: %v; want 405 and the end of the connection", protocol, resp.Status, resp.Close)
		}
	}
}

// TestPanicIsolation: a bug costs one request, is counted, and tells nothing of
// it (S58).
func TestPanicIsolation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		panics := 0
		r := start(t, Server{
			Log: slog.New(slog.NewTextHandler(&logged, nil)), Panicked: func() { panics++ },
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/before":
					panic("canary " + r.URL.RawQuery)
				case "/behind":
					io.WriteString(w, "half")
					http.NewResponseController(w).Flush()
					panic(r.URL.RawQuery)
				case "/wanted":
					panic(http.ErrAbortHandler)
				}
			}),
		})
		resp, err := r.Get("http://x/before?canary")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 500 || strings.Contains(string(body), "canary") {
			t.Errorf("got %d %q", resp.StatusCode, body)
		}
		if resp, err = r.Get("http://x/behind?canary"); err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("half an answer looks whole: %q", body)
		}
		if _, err := r.Get("http://x/wanted?canary"); err == nil {
			t.Error("an answer that was to be cut off came")
		}
		if resp, err = r.Get("http://x/"); err != nil || resp.StatusCode != 200 {
			t.Errorf("afterwards: %v", err)
		}
		r.stop()
		<-r.ended
		if got := logged.String(); panics != 2 || strings.Count(got, "a request panicked") != 2 || strings.Contains(got, "canary") || !strings.Contains(got, "front_test.go") {
			t.Errorf("counted %d, logged %s", panics, got)
		}
	})
}

// TestHSTS is told over TLS alone, and an origin's own counts.
func TestHSTS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Server{HSTS: 8760 * time.Hour, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/own" {
				w.Header().Add(hstsHeader, "max-age=1; preload") // as a reverse proxy adds it
			}
		})}
		secure, plain := startTLS(t, s, "http/1.1"), start(t, s)
		s.HSTS = 0
		quiet := startTLS(t, s, "http/1.1")
		for _, tt := range []struct {
			r    *running
			url  string
			want string
		}{
			{secure, "https://x/", "max-age=31536000"}, {secure, "https://x/own", "max-age=1; preload"},
			{plain, "http://x/", ""}, {quiet, "https://x/", ""},
		} {
			resp, err := tt.r.Get(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := strings.Join(resp.Header[hstsHeader], "|"); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.url, got, tt.want)
			}
		}
		for _, r := range []*running{secure, plain, quiet} {
			r.CloseIdleConnections()
			r.stop()
			<-r.ended
		}
	})
}

func TestAnAdminAddressForOthersIsWarnedOf(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1:1": false, "[::1]:1": false, "0.0.0.0:1": true, "[::]:1": true, "10.0.0.1:1": true} {
		var logged bytes.Buffer
		warnUnlessLoopback(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr)), slog.New(slog.NewTextHandler(&logged, nil)))
		if got := strings.Contains(logged.String(), "WARN"); got != want {
			t.Errorf("%s: got %q", addr, &logged)
		}
	}
}
