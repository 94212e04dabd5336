package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runGateway starts ebb gateway with TLS, on the broker of an ebb dev.
func runGateway(t *testing.T, dir string) *program {
	t.Helper()
	d, err := startDev(t.TempDir(), clean())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)
	writeTestCert(t, dir)
	env := append(clean(), "EBB_GRIP_KEY="+testGripKey, "EBB_TICKET_KEY=ticket-Wn3bQ8xY5rJ7kLp2Vd9sTf6hGm1c", "EBB_JWT_KEY="+testTokenKey)
	p, err := startEbb(dir, env, "gateway", "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--kafka", d.addr["kafka"],
		"--edge-url", "https://edge.example", "--tls-cert", "cert.pem", "--tls-key", "key.pem")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// trusting is a client that believes the certificate in dir alone.
func trusting(t *testing.T, dir string) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if b, err := os.ReadFile(filepath.Join(dir, "cert.pem")); err != nil || !pool.AppendCertsFromPEM(b) {
		t.Fatalf("no certificate: %v", err)
	}
	return &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

func TestGatewayOverTLS(t *testing.T) {
	dir := t.TempDir()
	g := runGateway(t, dir)
	resp, err := trusting(t, dir).Get(g.base() + "/api/health")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || resp.ProtoMajor != 2 || resp.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("got %s %s %v", resp.Proto, resp.Status, resp.Header)
	}
	if code, body := fetch(t, "http://"+g.addr["admin"]+"/metrics"); code != 200 || !strings.Contains(body, "\nebb_gateway_certificate_expiry_timestamp_seconds ") {
		t.Errorf("the certificate's expiry is no metric: %d", code)
	}
	if _, err := tls.Dial("tcp", g.addr["gateway"], &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("it speaks TLS 1.1")
	}
}

// TestNoDebugOnPublicPort: what is for operators is on their address alone (S46).
func TestNoDebugOnPublicPort(t *testing.T) {
	d, err := startDev(t.TempDir(), clean())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)
	paths := map[string]string{ // and what gives them away
		"/metrics": "go_goroutines", "/debug/pprof/": "goroutine", "/debug/pprof/heap": "", "/debug/pprof/goroutine?debug=1": "goroutine profile",
		"/debug/pprof/cmdline": "--data", "/debug/pprof/symbol": "num_symbols", "/debug/vars": "", "/readyz": "ready", "/healthz": "ok",
	}
	for _, part := range []string{"gateway", "edge", "control"} {
		for path, sign := range paths {
			for _, prefix := range []string{"", "/api", "/.", "//"} {
				if code, body := fetch(t, "http://"+d.addr[part]+prefix+path); code == 200 && (sign == "" || strings.Contains(body, sign)) {
					t.Errorf("%s: %s%s is answered", part, prefix, path)
				}
			}
		}
	}
	for path, sign := range paths {
		if path == "/debug/vars" {
			continue
		}
		if code, body := fetch(t, "http://"+d.addr["admin"]+path); code != 200 || !strings.Contains(body, sign) {
			t.Errorf("admin: %s: got %d %.100q", path, code, body)
		}
	}
}

func fetch(t *testing.T, url string) (code int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestRequestLimits: all that listens refuses long URLs and large headers, with
// the status that says so (S52).
func TestRequestLimits(t *testing.T) {
	d, err := startDev(t.TempDir(), clean())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)
	for _, part := range []string{"gateway", "edge", "control", "admin"} {
		for _, tt := range []struct{ url, header, want int }{{5 << 10, 10, 414}, {10, 24 << 10, 431}, {3 << 10, 12 << 10, 0}} {
			r, err := http.NewRequest("GET", "http://"+d.addr[part]+"/"+strings.Repeat("u", tt.url), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X", strings.Repeat("h", tt.header))
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Errorf("%s: %v", part, err)
				continue
			}
			resp.Body.Close()
			if got := resp.StatusCode; tt.want != 0 && got != tt.want || tt.want == 0 && (got == 414 || got == 431) {
				t.Errorf("%s: a URL of %d and a header of %d: got %d, want %d", part, tt.url, tt.header, got, tt.want)
			}
		}
	}
	for part, path := range map[string]string{"gateway": "/api/board/task/0d9c1c5a-7d5a-4f6e-9a57-0123456789ab", "control": "/publish/"} {
		token, err := d.login(t.Context(), "ann")
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequest("POST", "http://"+d.addr[part]+path, strings.NewReader(`{"x":"`+strings.Repeat("x", 1<<20)+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if want := map[string]int{"gateway": 413, "control": 401}[part]; resp.StatusCode != want { // strangers do not get as far
			t.Errorf("%s: a large body got %d, want %d", part, resp.StatusCode, want)
		}
	}
}
