package serve

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certLook is how often a certificate's files are looked at, at most.
const certLook = 10 * time.Second

// Certificate is a certificate and its key, in two PEM files that are read
// again when they have changed. What cannot be read leaves the former in use.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex
	cert   *tls.Certificate
	of     certFiles // that cert is of
	failed string    // why newer ones could not be used
	looked time.Time
}

// LoadCertificate reads a certificate.
func LoadCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	files, err := c.read()
	if err == nil {
		err = c.load(files, time.Now())
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// suites are those of TLS 1.2 that authenticate what they encrypt, with keys that
// are forgotten. Those of TLS 1.3 all do.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// TLS returns a server's configuration: TLS 1.2 or newer. The keys of session
// tickets change by themselves, every day.
func (c *Certificate) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		CipherSuites:   suites,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current(time.Now()), nil },
	}
}

// Expires returns when the certificate does.
func (c *Certificate) Expires() time.Time { return c.current(time.Now()).Leaf.NotAfter }

// current returns the certificate, read again if its files have changed.
func (c *Certificate) current(now time.Time) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.looked) < certLook {
		return c.cert
	}
	c.looked = now
	files, err := c.read()
	if err == nil && files.is(c.of) {
		c.failed = ""
		return c.cert
	}
	if err == nil {
		err = c.load(files, now)
	}
	if err != nil {
		if c.failed != err.Error() {
			c.log.Error("the changed certificate cannot be used; the former stays in use", "part", "tls", "error", err)
		}
		c.failed = err.Error()
		return c.cert
	}
	c.failed = ""
	c.log.Info("the certificate has changed", "part", "tls", "expires", c.cert.Leaf.NotAfter)
	return c.cert
}

func (c *Certificate) load(f certFiles, now time.Time) error {
	cert, err := tls.X509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", c.certFile, c.keyFile, err)
	}
	if now.After(cert.Leaf.NotAfter) {
		c.log.Error("the certificate has expired, browsers will refuse it", "part", "tls", "file", c.certFile, "expired", cert.Leaf.NotAfter)
	}
	c.cert, c.of = &cert, f
	return nil
}

// certFiles is what the two files have.
type certFiles struct{ cert, key []byte }

func (f certFiles) is(other certFiles) bool {
	return bytes.Equal(f.cert, other.cert) && bytes.Equal(f.key, other.key)
}

func (c *Certificate) read() (f certFiles, err error) {
	if f.cert, err = readFile(c.certFile); err == nil {
		f.key, err = readFile(c.keyFile)
	}
	return f, err
}

func readFile(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("%s: %w", name, path.Err)
	}
	return b, err
}
