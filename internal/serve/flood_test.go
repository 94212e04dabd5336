package serve

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// onSocket runs a server with TLS on a socket until the test ends.
func onSocket(t *testing.T, s Server) (addr string) {
	t.Helper()
	certFile, keyFile := writeCert(t, t.TempDir(), "x", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	c, err := LoadCertificate(certFile, keyFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.TLS = c.TLS()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// browser is a client that believes any certificate.
func browser(t *testing.T, protocol string) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(protocol == "http/1.1")
	protocols.SetHTTP2(protocol == "h2")
	transport := &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// Types of frames, and flags.
const (
	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameWindow       = 8
	frameContinuation = 9

	endStream  = 1
	endHeaders = 4
)

// request is the header of GET /, https, by the numbers of HPACK's table.
var request = []byte{0x82, 0x87, 0x84, 0x41, 1, 'x'}

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	b = binary.BigEndian.AppendUint32(b, stream)
	return append(b, payload...)
}

// h2 is a connection that speaks HTTP/2 by hand.
func h2(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write(append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(frameSettings, 0, 0, nil)...)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestH2Abuse: what one connection sends costs it, and neither memory nor the
// others (S54).
func TestH2Abuse(t *testing.T) {
	reset := binary.BigEndian.AppendUint32(nil, 8)
	attacks := map[string]struct {
		send   func(i uint32) []byte
		ends   bool // the server must hang up; else it may
		unread bool // the attacker reads nothing
	}{
		// CVE-2023-44487: streams that are opened and reset at once.
		"rapid reset": {func(i uint32) []byte {
			return append(frame(frameHeaders, endStream|endHeaders, 2*i+1, request), frame(frameReset, 0, 2*i+1, reset)...)
		}, false, false},
		// CVE-2025-8671: the server is made to reset them, by what is not allowed on a stream.
		"made you reset": {func(i uint32) []byte {
			return append(frame(frameHeaders, endHeaders, 2*i+1, request), frame(frameWindow, 0, 2*i+1, make([]byte, 4))...)
		}, false, false},
		// CVE-2023-45288: a header without an end.
		"continuations": {func(i uint32) []byte {
			if i == 0 {
				return frame(frameHeaders, endStream, 1, request)
			}
			return frame(frameContinuation, 0, 1, append([]byte{0, 1, 'a', 0x7f, 0x81, 0x7f}, make([]byte, 256)...))
		}, true, false},
		"streams":  {func(i uint32) []byte { return frame(frameHeaders, endHeaders, 2*i+1, request) }, false, false},
		"pings":    {func(uint32) []byte { return frame(framePing, 0, 0, make([]byte, 8)) }, false, false},
		"settings": {func(uint32) []byte { return frame(frameSettings, 0, 0, []byte{0, 4, 0, 0, 255, 255}) }, false, false},
		// Answers pile up where nobody reads; those to settings are one.
		"pings, unread":    {func(uint32) []byte { return frame(framePing, 0, 0, make([]byte, 8)) }, false, true},
		"settings, unread": {func(uint32) []byte { return frame(frameSettings, 0, 0, []byte{0, 4, 0, 0, 255, 255}) }, false, true},
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			var busy, most atomic.Int64
			addr := onSocket(t, Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Host != "x" {
					return // of the other client
				}
				for n, was := busy.Add(1), most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
				}
				<-r.Context().Done()
				busy.Add(-1)
			})})
			client := browser(t, "h2")
			before := heap()
			conn := h2(t, addr)
			if !attack.unread {
				go io.Copy(io.Discard, conn)
			}
			hungUp := false
			for i := range uint32(30_000) {
				conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
				if _, err := conn.Write(attack.send(i)); err != nil {
					hungUp = true
					break
				}
				if i%5000 == 4999 {
					began := time.Now()
					resp, err := client.Get("https://" + addr)
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
					if d := time.Since(began); d > 5*time.Second {
						t.Errorf("another client waited for %v", d)
					}
				}
			}
			if attack.ends && !hungUp {
				t.Error("the server did not hang up")
			}
			if n := most.Load(); n > int64(http2Limits.MaxConcurrentStreams) {
				t.Errorf("%d requests ran at a time", n)
			}
			if grown := heap() - before; grown > 64<<20 {
				t.Errorf("%d MiB more memory", grown>>20)
			}
			resp, err := client.Get("https://" + addr)
			if err != nil {
				t.Fatalf("afterwards: %v", err)
			}
			resp.Body.Close()
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestHandshakeFlood: who begins a handshake and does not end it is let go in
// time, and others are served meanwhile (S55).
func TestHandshakeFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startTLS(t, Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}, "http/1.1")
		var flood sync.WaitGroup
		began := time.Now()
		for i := range 1000 {
			conn, err := r.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			flood.Go(func() {
				defer conn.Close()
				if i%2 == 1 {
					conn.Write([]byte{0x16, 3, 1, 2, 0, 1, 0}) // the head of a hello of 512 bytes
				}
				io.Copy(io.Discard, bufio.NewReader(conn))
				if d := time.Since(began); d > readHeaderTimeout+time.Second {
					t.Errorf("let go after %v", d)
				}
			})
		}
		resp, err := r.Get("https://x/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if d := time.Since(began); d > time.Second {
			t.Errorf("another client waited for %v", d)
		}
		flood.Wait()
		r.CloseIdleConnections()
		r.stop()
		<-r.ended
	})
}

// TestTLSIsOfTheBest: nothing older than 1.2, and no suite without
// authentication of what it encrypts or with keys that stay.
func TestTLSIsOfTheBest(t *testing.T) {
	addr := onSocket(t, Server{Handler: http.NotFoundHandler()})
	dial := func(c *tls.Config) error {
		c.InsecureSkipVerify = true
		conn, err := tls.Dial("tcp", addr, c)
		if err == nil {
			conn.Close()
		}
		return err
	}
	good := map[uint16]bool{}
	for _, id := range suites {
		good[id] = true
	}
	tried := 0
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if suite.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		tried++
		err := dial(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
		ofECDSA := good[suite.ID] && len(suite.Name) > 15 && suite.Name[:15] == "TLS_ECDHE_ECDSA" // as the certificate is
		if (err == nil) != ofECDSA {
			t.Errorf("%s: got %v", suite.Name, err)
		}
	}
	if tried < 15 {
		t.Errorf("tried %d suites", tried)
	}
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		if err := dial(&tls.Config{MinVersion: version, MaxVersion: version}); (err == nil) != want {
			t.Errorf("%s: got %v", tls.VersionName(version), err)
		}
	}
}
