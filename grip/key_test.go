package grip_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/ebb-events/ebb/grip"
)

const secret = "0123456789abcdef0123456789abcdef"

// must returns v, or panics.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// private and public write a key the usual way.
func private(key any) string { return block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))) }
func public(key crypto.Signer) string {
	return block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(key.Public())))
}

// keys are made once: RSA's take a while.
var keys = sync.OnceValue(func() (k struct {
	ec256, ec384, ec521, ec224 *ecdsa.PrivateKey
	ed                         ed25519.PrivateKey
	rsa, weak                  *rsa.PrivateKey
}) {
	k.ec256 = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	k.ec384 = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	k.ec521 = must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	k.ec224 = must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	k.rsa = must(rsa.GenerateKey(rand.Reader, 2048))
	k.weak = must(rsa.GenerateKey(rand.Reader, 1024))
	_, k.ed, _ = ed25519.GenerateKey(rand.Reader)
	return k
})

// file writes text to a file and returns how it is configured.
func file(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file:" + path
}

func TestParseKey(t *testing.T) {
	k := keys()
	ec256 := block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(k.ec256)))
	tests := []struct {
		name, text string
		alg        jose.SignatureAlgorithm
		signs      bool
	}{
		{"plain", secret, jose.HS256, true},
		{"base64", "base64:" + base64.StdEncoding.EncodeToString([]byte(secret)), jose.HS256, true},
		{"hex in a file", file(t, hex.EncodeToString([]byte(secret))+"\n"), jose.HS256, true},
		{"P-256", file(t, private(k.ec256)), jose.ES256, true},
		{"P-256 as openssl writes it", file(t, block("EC PARAMETERS", []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7})+ec256), jose.ES256, true},
		{"P-256, public", file(t, public(k.ec256)), jose.ES256, false},
		{"P-384", file(t, private(k.ec384)), jose.ES384, true},
		{"P-521, public", file(t, public(k.ec521)), jose.ES512, false},
		{"RSA", file(t, private(k.rsa)), jose.RS256, true},
		{"RSA, PKCS #1", file(t, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k.rsa))), jose.RS256, true},
		{"RSA, public", file(t, "a comment\n"+public(k.rsa)), jose.RS256, false},
		{"RSA, public, PKCS #1", file(t, block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&k.rsa.PublicKey))), jose.RS256, false},
		{"Ed25519", file(t, "\n"+private(k.ed)), jose.EdDSA, true},
		{"Ed25519, public", file(t, public(k.ed)), jose.EdDSA, false},
		{"PEM without a file is no secret", public(k.ec256), jose.ES256, false},
		{"PEM in base64 is no secret", "base64:" + base64.StdEncoding.EncodeToString([]byte(public(k.ec256))), jose.ES256, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key, err := grip.ParseKey(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			token, err := key.Sign("edge", now)
			if key.Algorithm() != tt.alg || (err == nil) != tt.signs || key.IsZero() {
				t.Errorf("algorithm %s, signing %v, want %s, %v", key.Algorithm(), err, tt.alg, tt.signs)
			}
			if tt.signs {
				if err := key.Verify(token, "edge", now); err != nil {
					t.Error(err)
				}
			}
			if (string(key.Secret()) == secret) != (tt.alg == jose.HS256) {
				t.Errorf("secret is %q", key.Secret())
			}
		})
	}
}

func TestWeakAndBrokenKeysAreRefused(t *testing.T) {
	k := keys()
	for _, text := range []string{
		"", "changeme", secret[:31], "base64:" + base64.StdEncoding.EncodeToString([]byte(secret[:31])), "base64:", "base64:!",
		"file:", "file:" + filepath.Join(t.TempDir(), "none"), file(t, ""), file(t, secret), file(t, hex.EncodeToString([]byte(secret[:31]))),
		file(t, "-----BEGIN PRIVATE KEY-----\n"), file(t, block("PRIVATE KEY", []byte("x"))), file(t, block("CERTIFICATE", []byte("x"))),
		file(t, private(k.weak)), file(t, public(k.weak)), file(t, private(k.ec224)), file(t, public(k.ec224)),
	} {
		key, err := grip.ParseKey(text)
		if err == nil || !key.IsZero() || !strings.HasPrefix(err.Error(), "grip: key: ") {
			t.Errorf("%.40q: got %v, %v", text, key, err)
		}
		if err != nil && strings.Contains(err.Error(), secret[:31]) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

func TestKeyTellsNothingWhenPrinted(t *testing.T) {
	key := must(grip.ParseKey(secret))
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", key, "all", struct{ Key grip.Key }{key})
	fmt.Fprintf(&out, "%v %+v %#v %s %x", key, struct{ Key *grip.Key }{&key}, struct{ Key grip.Key }{key}, key, key)
	bytesAsNumbers := strings.Trim(fmt.Sprint([]byte(secret)), "[]")
	for _, shown := range []string{secret, hex.EncodeToString([]byte(secret)), bytesAsNumbers} {
		if strings.Contains(out.String(), shown) {
			t.Errorf("the secret is in %s", &out)
		}
	}
}

func TestKeyIDs(t *testing.T) {
	k := keys()
	seen := map[string]string{"": "none"}
	for _, text := range []string{secret, secret + "x", private(k.ec256), private(k.ec384), private(k.rsa), private(k.ed)} {
		id := must(grip.ParseKey(text)).ID()
		if other, ok := seen[id]; ok {
			t.Errorf("%.40q and %.40q have the id %q", text, other, id)
		}
		seen[id] = text
	}
	if a, b := must(grip.ParseKey(private(k.ec256))).ID(), must(grip.ParseKey(public(k.ec256))).ID(); a != b {
		t.Errorf("private is %s, public %s, want the same", a, b)
	}
	if id := (grip.Key{}).ID(); id != "" {
		t.Errorf("no key has the id %q", id)
	}
}
