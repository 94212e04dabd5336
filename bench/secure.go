package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ebb-events/ebb/sse"
)

// Secure is what streams over TLS take.
type Secure struct {
	Name    string // of the protocol
	Streams int    // each on a connection of its own
	Memory  float64
	Heard   int // streams that got an event sent to all of them
}

// secure measures TLS with HTTP/1.1 or HTTP/2. These streams are read by
// net/http, with goroutines: there are fewer of them.
func (e Edge) secure(ctx context.Context, t *trial, http2 bool) (s Secure, err error) {
	s = Secure{Name: "HTTP/1.1", Streams: e.Secure}
	if http2 {
		s.Name = "HTTP/2"
	}
	if err := t.holdSecure(ctx, http2, min(64, e.Secure), func([]*sse.Reader) error { return nil }); err != nil { // warms up
		return s, err
	}
	base, err := t.settled(ctx, e.Settle)
	if err != nil {
		return s, err
	}
	return s, t.holdSecure(ctx, http2, e.Secure, func(streams []*sse.Reader) error {
		now, err := t.settled(ctx, e.Settle)
		if err != nil {
			return err
		}
		s.Memory = float64(now-base) / float64(len(streams))
		t.number++
		if err := t.publish(ctx, []item{{everybody, t.number, t.size}}); err != nil {
			return err
		}
		for _, stream := range streams {
			if err := await(stream, t.number); err != nil {
				return err
			}
			s.Heard++
		}
		return nil
	})
}

// await reads until the event of that number.
func await(stream *sse.Reader, number uint32) error {
	for {
		e, err := stream.Next()
		if err != nil {
			return fmt.Errorf("waiting for an event: %w", err)
		}
		if m, ok := readMark(e.Data); ok && m.number == number {
			return nil
		}
	}
}

// holdSecure opens n streams over TLS, has f use them, and closes them.
func (t *trial) holdSecure(ctx context.Context, http2 bool, n int, f func([]*sse.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	paths, err := t.paths(ctx, []int32{everybody})
	if err != nil {
		return err
	}
	streams, bodies := make([]*sse.Reader, n), make([]io.Closer, n)
	defer func() {
		for _, b := range bodies {
			if b != nil {
				b.Close()
			}
		}
	}()
	const hands = 32
	var all sync.WaitGroup
	errs := make([]error, hands)
	for h := range hands {
		all.Go(func() {
			for i := n * h / hands; i < n*(h+1)/hands && errs[h] == nil; i++ {
				bodies[i], streams[i], errs[h] = openSecure(ctx, http2, "https://"+t.streams+paths[0])
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return f(streams)
}

// openSecure opens a stream on a connection of its own, and reads its ebb.hello.
func openSecure(ctx context.Context, http2 bool, url string) (io.Closer, *sse.Reader, error) {
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{
		Protocols:         &protocols,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // to ourselves
		ForceAttemptHTTP2: http2,
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", sse.ContentType)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	end := closer{resp.Body, transport}
	if resp.StatusCode != http.StatusOK || (resp.ProtoMajor == 2) != http2 {
		return end, nil, fmt.Errorf("got %s %s", resp.Proto, resp.Status)
	}
	stream := sse.NewReader(resp.Body)
	for {
		e, err := stream.Next()
		if err != nil || e.Name == "ebb.hello" {
			return end, stream, err
		}
	}
}

// closer closes a stream and its connection.
type closer struct {
	body      io.Closer
	transport *http.Transport
}

func (c closer) Close() error {
	defer c.transport.CloseIdleConnections()
	return c.body.Close()
}

// writeCertificate writes one for this machine, and its key.
func writeCertificate(dir string) (certFile, keyFile string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err1 := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	private, err2 := x509.MarshalPKCS8PrivateKey(key)
	certFile, keyFile = filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls-key.pem")
	return certFile, keyFile, errors.Join(err1, err2,
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}
