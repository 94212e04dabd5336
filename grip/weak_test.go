package grip

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// TestRefuseWeakSecrets: long ones too, if others can guess or know them (S08).
func TestRefuseWeakSecrets(t *testing.T) {
	repeat := strings.Repeat
	for _, weak := range []string{
		repeat("\x00", 32), repeat("k", 64), repeat("grip-", 7), "grip-grip-grip-grip-grip-grip-gri", repeat("0123456789abcdef", 2),
		"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"changeme-changeme1changeme2changeme3", "ChangeMe!ThisIsALongEnoughThing4", "a-string-secret-at-least-256-bits-long", "your-256-bit-key-goes-here-please-x",
		"my very long PASSWORD for the edge 7", "deadbeefdeadbeefdeadbeefdeadbeef00", "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb1",
		base64.StdEncoding.EncodeToString([]byte(repeat("x", 32))), hex.EncodeToString([]byte("changeme-and-some-more-to-fill-it")),
		"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
	} {
		k, err := ParseKey(weak)
		if err != nil {
			t.Fatalf("%q: %v", weak, err)
		}
		if err := k.Strong(); !errors.Is(err, ErrWeak) || strings.Contains(err.Error(), weak) {
			t.Errorf("%q: got %v", weak, err)
		}
	}
	seed, err := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A") // RFC 8037, A.1
	if err != nil {
		t.Fatal(err)
	}
	k, err := newKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	if k.Strong() == nil {
		t.Error("the private key of RFC 8037 is taken")
	}
}

// TestStrongSecretsAreTaken: random ones always, in every form.
func TestStrongSecretsAreTaken(t *testing.T) {
	for range 20_000 {
		var b [32]byte
		rand.Read(b[:])
		for _, text := range []string{string(b[:]), hex.EncodeToString(b[:]), base64.StdEncoding.EncodeToString(b[:]), base64.RawURLEncoding.EncodeToString(b[:])} {
			k, err := SecretKey([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := k.Strong(); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
	for _, pair := range keyPairs(t) {
		if err := pair.Strong(); err != nil {
			t.Errorf("%s: %v", pair.alg, err)
		}
	}
	if err := (Key{}).Strong(); err != nil {
		t.Errorf("no key: %v", err)
	}
}

func keyPairs(t *testing.T) (keys []Key) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := newKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return append(keys, k)
}
