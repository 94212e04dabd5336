package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS says how to speak TLS with the brokers. Zero is not to.
type TLS struct {
	On        bool   // speak it; any of the others says so too
	CA        string // file of the authorities that brokers' certificates must be of, in PEM; the system's if empty
	Cert, Key string // files of our own certificate, with its chain, and its key, in PEM; none if empty
}

func (t TLS) on() bool { return t.On || t.CA != "" || t.Cert != "" || t.Key != "" }

// config reads the files. Our own certificate is read again for every
// connection, so that one that is renewed needs no restart.
func (t TLS) config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("the authority of the brokers: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the authority of the brokers: %s has no certificate in PEM", t.CA)
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, errors.New("our certificate for the brokers and its key go together")
	}
	if t.Cert != "" {
		if _, err := t.own(); err != nil {
			return nil, err
		}
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.own() }
	}
	return cfg, nil
}

// own reads our certificate.
func (t TLS) own() (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("our certificate for the brokers: %w", err)
	}
	return &cert, nil
}
