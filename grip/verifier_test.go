package grip

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestVerifierRemembersUntilExpiry(t *testing.T) {
	good, other := secretOf(t, "g"), secretOf(t, "o")
	now := time.Now()
	token, err := good.Sign("ebb", now)
	if err != nil {
		t.Fatal(err)
	}
	v := &Verifier{Keys: []Key{other, good}, Issuer: "ebb"}
	for range 2 {
		if err := v.Verify(token, now); err != nil {
			t.Errorf("a good one: %v", err)
		}
	}
	if len(v.known) != 1 {
		t.Errorf("remembers %d, want 1", len(v.known))
	}
	v.Keys = nil // what is known needs no key
	if err := v.Verify(token, now.Add(sigLife-2*time.Second)); err != nil {
		t.Errorf("shortly before it expires: %v", err)
	}
	if err := v.Verify(token, now.Add(sigLife)); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("expired: got %v", err)
	}
}

func TestVerifierTakesNothingElse(t *testing.T) {
	key := secretOf(t, "g")
	now := time.Now()
	v := &Verifier{Keys: []Key{key}, Issuer: "ebb"}
	good, _ := key.Sign("ebb", now)
	foreign, _ := key.Sign("other", now)
	forged, _ := secretOf(t, "x").Sign("ebb", now)
	if err := v.Verify(good, now); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"none": "", "garbage": "a.b.c", "another's": foreign, "forged": forged,
		"cut": good[:len(good)-1], "longer": good + "A", "other case": strings.ToUpper(good),
	} {
		for range 2 {
			if err := v.Verify(token, now); !errors.Is(err, ErrUnauthorized) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
	if len(v.known) != 1 {
		t.Errorf("remembers %d, want the good one", len(v.known))
	}
}

func TestVerifierIsBounded(t *testing.T) {
	key := secretOf(t, "g")
	now := time.Now()
	v := &Verifier{Keys: []Key{key}}
	for i := range 2*maxKnown + 10 {
		token, _ := key.Sign(fmt.Sprint("edge", i), now)
		if err := v.Verify(token, now); err != nil {
			t.Fatal(err)
		}
		if len(v.known) > maxKnown {
			t.Fatalf("remembers %d", len(v.known))
		}
	}
	long, _ := key.Sign(strings.Repeat("x", maxKnownToken), now)
	if err := v.Verify(long, now); err != nil {
		t.Errorf("a long one: %v", err)
	}
	if _, ok := v.known[long]; ok {
		t.Error("a long one is remembered")
	}
}

func secretOf(t *testing.T, letter string) Key {
	t.Helper()
	k, err := SecretKey([]byte(strings.Repeat(letter, minSecret)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}
