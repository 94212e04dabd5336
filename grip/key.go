package grip

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
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

// ParseKey reads a key as it is configured: plain text, base64:<bytes>, or
// file:<path> of a file that has PEM, else hex. Shared secrets need 32 bytes.
func ParseKey(s string) (Key, error) {
	secret := []byte(s)
	var err error
	if path, ok := strings.CutPrefix(s, "file:"); ok {
		return readKey(path)
	} else if text, ok := strings.CutPrefix(s, "base64:"); ok {
		if secret, err = base64.StdEncoding.DecodeString(text); err != nil {
			return Key{}, errors.New("grip: key: what follows base64: is not base64")
		}
	}
	return SecretKey(secret)
}

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
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("-----BEGIN")) {
		return parsePEM(b)
	}
	secret, err := hex.DecodeString(string(bytes.TrimSpace(b)))
	if err != nil {
		return Key{}, fmt.Errorf("grip: key: %s has neither PEM nor hex", path)
	}
	return SecretKey(secret)
}

func parsePEM(b []byte) (Key, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return Key{}, errors.New("grip: key: broken PEM")
	}
	var key any
	for _, parse := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		x509.ParsePKIXPublicKey,
		func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
		func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
	} {
		k, err := parse(block.Bytes)
		if err == nil {
			key = k
			break
		}
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return Key{ecAlg(&k.PublicKey), k, &k.PublicKey}, nil
	case *ecdsa.PublicKey:
		return Key{ecAlg(k), nil, k}, nil
	case *rsa.PrivateKey:
		return Key{jose.RS256, k, &k.PublicKey}, nil
	case *rsa.PublicKey:
		return Key{jose.RS256, nil, k}, nil
	case ed25519.PrivateKey:
		return Key{jose.EdDSA, k, k.Public()}, nil
	case ed25519.PublicKey:
		return Key{jose.EdDSA, nil, k}, nil
	}
	return Key{}, errors.New("grip: key: want an EC, RSA or Ed25519 key in PEM")
}

func ecAlg(k *ecdsa.PublicKey) jose.SignatureAlgorithm {
	switch k.Curve.Params().BitSize {
	case 384:
		return jose.ES384
	case 521:
		return jose.ES512
	}
	return jose.ES256
}

// IsZero tells whether no key was configured.
func (k Key) IsZero() bool { return k.verify == nil }

// Algorithm returns the one algorithm that the key is for.
func (k Key) Algorithm() jose.SignatureAlgorithm { return k.alg }

// Verifier returns what checks signatures, for a JOSE library.
func (k Key) Verifier() any { return k.verify }

// ID returns a short name for the key that tells nothing about it.
func (k Key) ID() string {
	var b []byte
	if secret, ok := k.verify.([]byte); ok {
		b = secret
	} else {
		b, _ = x509.MarshalPKIXPublicKey(k.verify)
	}
	sum := sha256.Sum256(append([]byte("ebb key id\x00"), b...))
	return hex.EncodeToString(sum[:4])
}

// Secret returns the bytes of a shared secret, nil of any other key.
func (k Key) Secret() []byte {
	secret, _ := k.verify.([]byte)
	return secret
}
