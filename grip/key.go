package grip

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// minSecret is how many bytes a shared secret must have.
const minSecret = 32

// Key signs and verifies, or verifies alone where it is a public one.
type Key struct {
	alg    jose.SignatureAlgorithm
	sign   any // nil of a public key
	verify any
}

// ParseKey reads a key as it is configured: plain text, PEM, base64:<bytes>, or
// file:<path> of a file that has PEM, else hex. Shared secrets need 32 bytes.
func ParseKey(s string) (Key, error) {
	if path, ok := strings.CutPrefix(s, "file:"); ok {
		return readKey(path)
	}
	secret := []byte(s)
	if text, ok := strings.CutPrefix(s, "base64:"); ok {
		var err error
		if secret, err = base64.StdEncoding.DecodeString(text); err != nil {
			return Key{}, errors.New("grip: key: what follows base64: is not base64")
		}
	}
	if isPEM(secret) { // a public one must not become a secret
		return parsePEM(secret)
	}
	return SecretKey(secret)
}

func isPEM(b []byte) bool { return bytes.Contains(b, []byte("-----BEGIN")) }

// SecretKey returns the key that a shared secret is, for HS256.
func SecretKey(secret []byte) (Key, error) {
	if len(secret) < minSecret {
		return Key{}, fmt.Errorf("grip: key: a shared secret of %d bytes, want at least %d", len(secret), minSecret)
	}
	return Key{jose.HS256, secret, secret}, nil
}

func readKey(path string) (Key, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("grip: key: %w", err)
	}
	if isPEM(b) {
		return parsePEM(b)
	}
	secret, err := hex.DecodeString(string(bytes.TrimSpace(b)))
	if err != nil {
		return Key{}, fmt.Errorf("grip: key: %s has neither PEM nor hex", path)
	}
	return SecretKey(secret)
}

// parsePEM reads the first key in b, which other things may come before.
func parsePEM(b []byte) (Key, error) {
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		for _, parse := range []func([]byte) (any, error){
			x509.ParsePKCS8PrivateKey,
			x509.ParsePKIXPublicKey,
			func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
			func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
			func(der []byte) (any, error) { return x509.ParsePKCS1PublicKey(der) },
		} {
			if key, err := parse(block.Bytes); err == nil {
				return newKey(key)
			}
		}
	}
	return Key{}, errKey
}

var errKey = errors.New("grip: key: want P-256, P-384, P-521, Ed25519, or RSA of at least 2,048 bits, in PEM without a password")

// newKey returns the key that x509 has parsed, for the algorithm that it is for.
func newKey(private any) (Key, error) {
	public := private
	if signer, ok := private.(crypto.Signer); ok {
		public = signer.Public()
	} else {
		private = nil
	}
	alg := jose.SignatureAlgorithm("")
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		alg = map[elliptic.Curve]jose.SignatureAlgorithm{
			elliptic.P256(): jose.ES256, elliptic.P384(): jose.ES384, elliptic.P521(): jose.ES512,
		}[k.Curve]
	case *rsa.PublicKey:
		if k.N.BitLen() >= 2048 {
			alg = jose.RS256
		}
	case ed25519.PublicKey:
		alg = jose.EdDSA
	}
	if alg == "" {
		return Key{}, errKey
	}
	return Key{alg, private, public}, nil
}

// IsZero tells whether no key was configured.
func (k Key) IsZero() bool { return k.verify == nil }

// Algorithm returns the one algorithm that the key is for.
func (k Key) Algorithm() jose.SignatureAlgorithm { return k.alg }

// Verifier returns what checks signatures, for a JOSE library.
func (k Key) Verifier() any { return k.verify }

// ID returns a short name for the key that tells nothing about it, "" for none.
func (k Key) ID() string {
	if k.IsZero() {
		return ""
	}
	var b []byte
	if secret, ok := k.verify.([]byte); ok {
		b = secret
	} else {
		b, _ = x509.MarshalPKIXPublicKey(k.verify)
	}
	sum := sha256.Sum256(append([]byte("ebb key id\x00"), b...))
	return hex.EncodeToString(sum[:4])
}

// String returns the ID: a key that is printed tells nothing.
func (k Key) String() string { return k.ID() }

// GoString returns the ID.
func (k Key) GoString() string { return k.ID() }

// Secret returns the bytes of a shared secret, nil of any other key.
func (k Key) Secret() []byte {
	secret, _ := k.verify.([]byte)
	return secret
}
