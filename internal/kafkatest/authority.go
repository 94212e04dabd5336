package kafkatest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Authority signs certificates, good for 127.0.0.1 and a day.
type Authority struct {
	CA string // file of its own certificate

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes an authority, with its files in dir.
func NewAuthority(dir string) (*Authority, error) {
	a := &Authority{CA: filepath.Join(dir, "ca.pem"), dir: dir}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	a.cert = template("kafkatest")
	a.cert.IsCA, a.cert.BasicConstraintsValid, a.cert.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("kafkatest: authority: %w", err)
	}
	return a, os.WriteFile(a.CA, block("CERTIFICATE", der), 0o600)
}

// Certificate makes a certificate for a user and returns its files.
func (a *Authority) Certificate(user string) (certFile, keyFile string, err error) {
	cert, key, err := a.sign(user)
	if err != nil {
		return "", "", err
	}
	certFile, keyFile = filepath.Join(a.dir, user+".crt"), filepath.Join(a.dir, user+".key")
	if err := os.WriteFile(certFile, cert, 0o600); err != nil {
		return "", "", err
	}
	return certFile, keyFile, os.WriteFile(keyFile, key, 0o600)
}

// sign makes a key and its certificate, both in PEM.
func (a *Authority) sign(name string) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template(name), a.cert, &private.PublicKey, a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("kafkatest: certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	return block("CERTIFICATE", der), block("PRIVATE KEY", pkcs8), err
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
