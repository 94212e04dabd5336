package ebb_test

import (
	"strings"
	"testing"

	"github.com/ebb-events/ebb"
)

func TestValidNames(t *testing.T) {
	for name, want := range map[string]bool{
		"ann": true, "acme:ann": true, "Zoë 李": true, strings.Repeat("x", 256): true,
		"": false, strings.Repeat("x", 257): false, "a\nb": false, "a\x7f": false, "a\ufffd": false, "a\xff": false,
	} {
		if got := ebb.ValidUser(name); got != want {
			t.Errorf("user %q: %t, want %t", name, got, want)
		}
	}
	for name, want := range map[string]bool{"a": true, "acme2": true, strings.Repeat("x", 16): true, "": false, strings.Repeat("x", 17): false, "Acme": false, "a:b": false} {
		if got := ebb.ValidNamespace(name); got != want {
			t.Errorf("namespace %q: %t, want %t", name, got, want)
		}
	}
}

func TestIsToken(t *testing.T) {
	for s, want := range map[string]bool{
		"eyJh.eyJz.c2ln": true, "eyJh.eyJz.": true, "eyJh..b.c.d": true, " eyJh.eyJz.c2ln\n": true, "bEARER eyJh.eyJz.c2ln": true,
		"": false, "bearer ": false, "eyJ": false, "eyJh.eyJz": false, "eyJh.b.c.d": false, "x.y.z": false, "eyJh.b.c: see": false,
	} {
		if got := ebb.IsToken([]byte(s)); got != want {
			t.Errorf("%q: %t, want %t", s, got, want)
		}
	}
}
