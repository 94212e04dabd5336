package serve

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// writeCert writes a certificate for x, valid around now, and its key.
func writeCert(t *testing.T, dir, name string, from, to time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"x"},
		NotBefore: from, NotAfter: to,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestCertificateIsReadAgainWhenItsFilesChange(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	certFile, keyFile := writeCert(t, dir, "first", now.Add(-time.Hour), now.Add(time.Hour))
	var logged bytes.Buffer
	c, err := LoadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	name := func(after time.Duration) string { return c.current(now.Add(after)).Leaf.Subject.CommonName }
	if got := name(0); got != "first" {
		t.Errorf("got %q", got)
	}
	// Half of a new pair is not used, and told once.
	other := t.TempDir()
	newCert, newKey := writeCert(t, other, "second", now.Add(-time.Hour), now.Add(2*time.Hour))
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	rename(newCert, certFile)
	for i := range 5 {
		if got := name(time.Duration(i+1) * time.Minute); got != "first" {
			t.Errorf("with half of a pair: got %q", got)
		}
	}
	if n := strings.Count(logged.String(), "level=ERROR"); n != 1 {
		t.Errorf("told %d times: %s", n, &logged)
	}
	rename(newKey, keyFile)
	if got := name(5*time.Minute + time.Second); got != "first" {
		t.Errorf("looked at again after a second: got %q", got)
	}
	if got := name(6 * time.Minute); got != "second" {
		t.Errorf("got %q", got)
	}
	if got := c.Expires(); got.Sub(now).Round(time.Minute) != 2*time.Hour {
		t.Errorf("expires in %v", got.Sub(now))
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	if got := name(7 * time.Minute); got != "second" {
		t.Errorf("without a key: got %q", got)
	}
}

func TestUnusableCertificatesAreNamed(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	now := time.Now()
	certFile, keyFile := writeCert(t, dir, "a", now, now.Add(time.Hour))
	_, otherKey := writeCert(t, other, "b", now, now.Add(time.Hour))
	for _, tt := range []struct{ cert, key, want string }{
		{dir + "/none", keyFile, "/none: no such file"},
		{certFile, dir + "/none", "/none: no such file"},
		{certFile, otherKey, "does not match"},
		{keyFile, keyFile, "key.pem and "},
		{certFile, certFile, "cert.pem: tls: "},
	} {
		if _, err := LoadCertificate(tt.cert, tt.key, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	var logged bytes.Buffer
	certFile, keyFile = writeCert(t, dir, "old", now.Add(-2*time.Hour), now.Add(-time.Hour))
	if _, err := LoadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&logged, nil))); err != nil || !strings.Contains(logged.String(), "expired") {
		t.Errorf("an expired one: %v, logged %q", err, &logged)
	}
}

// startTLS is start, with a certificate and a client that believes anything.
func startTLS(t *testing.T, s Server, protocol string) *running {
	certFile, keyFile := writeCert(t, t.TempDir(), "x", time.Now().Add(-time.Hour), time.Now().Add(1000*time.Hour))
	c, err := LoadCertificate(certFile, keyFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.TLS = c.TLS()
	r := start(t, s)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(protocol == "http/1.1")
	protocols.SetHTTP2(protocol == "h2")
	r.Transport = &http.Transport{DialContext: r.dial, Protocols: protocols, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	return r
}

// TestHeldStreamsOutliveTimeouts: none of those that keep idlers away.
func TestHeldStreamsOutliveTimeouts(t *testing.T) {
	for _, protocol := range []string{"plain", "http/1.1", "h2"} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(method+" "+protocol, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { outlives(t, protocol, method) })
			})
		}
	}
}

func outlives(t *testing.T, protocol, method string) {
	end := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		held(end)(w, r)
	})
	url, proto := "https://x/", 1
	var r *running
	switch protocol {
	case "plain":
		url, r = "http://x/", start(t, Server{Handler: handler})
	case "h2":
		proto = 2
		fallthrough
	default:
		r = startTLS(t, Server{Handler: handler}, protocol)
	}
	var body io.Reader
	if method == "POST" {
		body = strings.NewReader("question")
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := r.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if stream.ProtoMajor != proto {
		t.Errorf("got %s", stream.Proto)
	}
	time.AfterFunc(time.Hour, func() { close(end) })
	if b, err := io.ReadAll(stream.Body); err != nil || !strings.HasSuffix(string(b), "ebb.bye\ndata: \n\n") {
		t.Errorf("the stream was %q, %v", b, err)
	}
	r.CloseIdleConnections()
	r.stop()
	<-r.ended
}

// TestIdleConnectionsAreCutOff also where they never say a word.
func TestIdleConnectionsAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Server{Handler: http.NotFoundHandler()})
		for _, request := range []string{"", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"} {
			conn, err := r.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			io.WriteString(conn, request)
			io.ReadAll(conn)
			if d := time.Since(began); d > idleTimeout {
				t.Errorf("after %q: cut off after %v", request, d)
			}
		}
		r.stop()
		<-r.ended
	})
}

// TestStalledBodiesAreCutOff whether somebody reads them or not, and those that
// trickle, while those that come slowly may take their time (S50).
func TestStalledBodiesAreCutOff(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
	for name, read := range map[string]bool{"read": true, "not read": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got error
				r := start(t, Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if read {
						_, got = io.ReadAll(r.Body)
					}
				})})
				conn, err := r.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				io.WriteString(conn, head+"x")
				io.ReadAll(conn)
				if d := time.Since(began); d > bodyTimeout+time.Second || read && got == nil {
					t.Errorf("cut off after %v with %v", d, got)
				}
				r.stop()
				<-r.ended
			})
		})
	}
	for _, tt := range []struct {
		name  string
		every time.Duration // between KiBs, or bytes
		chunk int
		cut   time.Duration // 0 if it is not
	}{
		{"slow", 900 * time.Millisecond, 1 << 10, 0},
		{"a trickle", 10 * time.Second, 1, bodyTimeout},
		{"a trickle behind a burst", 2 * time.Second, 100, 34 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, err := io.Copy(io.Discard, r.Body)
					if (err != nil) != (tt.cut > 0) {
						t.Errorf("the body ended with %v", err)
					}
				})})
				conn, err := r.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 100*tt.chunk)
				began := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() {
					for range 100 {
						time.Sleep(tt.every)
						if _, err := conn.Write(make([]byte, tt.chunk)); err != nil {
							return
						}
					}
				})
				answer := make([]byte, len("HTTP/1.1 200"))
				_, err = io.ReadFull(conn, answer)
				if d := time.Since(began); tt.cut == 0 && (err != nil || string(answer) != "HTTP/1.1 200") || tt.cut > 0 && (d < tt.cut-5*time.Second || d > tt.cut+5*time.Second) {
					t.Errorf("got %q, %v after %v", answer, err, d)
				}
				conn.Close()
				sending.Wait()
				r.stop()
				<-r.ended
			})
		})
	}
}

// TestSilentHTTP2PeerIsLetGo: one that answers no ping is gone within a minute,
// whatever it has open.
func TestSilentHTTP2PeerIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan struct{})
		r := startTLS(t, Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			close(gone)
		})}, "h2")
		var conn net.Conn
		dial := r.dial
		r.Transport.(*http.Transport).DialContext = func(ctx context.Context, a, b string) (net.Conn, error) {
			c, err := dial(ctx, a, b)
			conn = &mute{Conn: c}
			return conn, err
		}
		resp, err := r.Get("https://x/")
		if err != nil {
			t.Fatal(err)
		}
		conn.(*mute).silent.Store(true)
		began := time.Now()
		<-gone
		if d := time.Since(began); d > time.Minute {
			t.Errorf("let go after %v", d)
		}
		resp.Body.Close()
		conn.Close()
		r.stop()
		<-r.ended
	})
}

// mute is a connection whose end is gone without a word.
type mute struct {
	net.Conn
	silent atomic.Bool
}

func (m *mute) Write(b []byte) (int, error) {
	if m.silent.Load() {
		return len(b), nil
	}
	return m.Conn.Write(b)
}

func TestHandshakesOfStrangersAreNoWarnings(t *testing.T) {
	var logged bytes.Buffer
	c := complaints{slog.New(slog.NewTextHandler(&logged, nil))}
	io.WriteString(c, "http: TLS handshake error from x: EOF\n")
	io.WriteString(c, "http2: server connection error from x: TLS\n")
	io.WriteString(c, "http2: panic serving x: boom 2\n")
	io.WriteString(c, "http: panic serving x: boom\n")
	if got := logged.String(); strings.Contains(got, "TLS") || !strings.Contains(got, "WARN") || strings.Count(got, "boom") != 2 {
		t.Errorf("got %s", got)
	}
}
