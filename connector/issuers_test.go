package connector

import (
	"strings"
	"testing"
)

var twoIssuers = map[string]string{"https://a.test": "a", "https://b.test": "b"}

// TestRepliesAreForUsersOfKnownIssuers: ann of one issuer never hears what is
// for ann of another, and what is for nobody is put aside with the reason.
func TestRepliesAreForUsersOfKnownIssuers(t *testing.T) {
	tests := []struct{ claims, channel, reason string }{
		{`{"iss":"https://a.test","sub":"a:ann"}`, "a:ann", ""},
		{`{"sub":"b:ann","iss":"https://b.test"}`, "b:ann", ""},
		{`{"iss":"https:\/\/a.test","sub":"\u0061:ann"}`, "a:ann", ""},
		{`{"iss":"https://a.test","sub":"a:b:ann"}`, "a:b:ann", ""},
		{`{"iss":"https://a.test","sub":"b:ann"}`, "", foreignUser},
		{`{"iss":"https://a.test","sub":"ann"}`, "", foreignUser},
		{`{"iss":"https://a.test","sub":"a:"}`, "", foreignUser},
		{`{"iss":"https://a.test","sub":"A:ann"}`, "", foreignUser},
		{`{"iss":"https://c.test","sub":"a:ann"}`, "", unknownIssuer},
		{`{"iss":"https://a.test/","sub":"a:ann"}`, "", unknownIssuer},
		{`{"iss":["https://a.test"],"sub":"a:ann"}`, "", unknownIssuer},
		{`{"iss":"https://c.test","iss":"https://a.test","sub":"a:ann"}`, "a:ann", ""},
		{`{"iss":"https://a.test","iss":"https://c.test","sub":"a:ann"}`, "", unknownIssuer},
		{`{"Iss":"https://a.test","sub":"a:ann"}`, "", unknownIssuer},
		{`{"act":{"iss":"https://a.test"},"sub":"a:ann"}`, "", unknownIssuer},
		{`{"sub":"a:ann"}`, "", unknownIssuer},
		{`{"iss":"https://a.test"}`, "", noRecipient},
	}
	for _, tt := range tests {
		f := carried(t, Config{Issuers: twoIssuers}, `{"_jwt":`+tt.claims+`}`)
		if tt.reason == "" {
			equal(t, tt.claims, f.channels(), []string{tt.channel})
			continue
		}
		if len(f.log) != 0 || len(f.dead) != 1 || f.dead[0].reason != tt.reason {
			t.Errorf("%s: carried to %q and put aside %v, want %s", tt.claims, f.channels(), f.dead, tt.reason)
		}
	}
}

// TestIssuerOutsideOfTheClaimsIsNone: only the message's own _jwt counts.
func TestIssuerOutsideOfTheClaimsIsNone(t *testing.T) {
	for _, value := range []string{
		`{"iss":"https://a.test","_jwt":{"sub":"a:ann"}}`,
		`{"x":{"_jwt":{"iss":"https://a.test"}},"_jwt":{"sub":"a:ann"}}`,
		`{"_jwt":{"iss":"https://a.test"},"_jwt":{"sub":"a:ann"}}`,
	} {
		if f := carried(t, Config{Issuers: twoIssuers}, value); len(f.dead) != 1 || f.dead[0].reason != unknownIssuer {
			t.Errorf("%s: carried to %q, put aside %v", value, f.channels(), f.dead)
		}
	}
}

func TestSubscribersAreUsersOfKnownIssuers(t *testing.T) {
	f := carried(t, Config{Issuers: twoIssuers},
		`{"_jwt":{"iss":"https://a.test","sub":"a:ann"},"_subscriptions":["ann","b:ann","c:ann","b:",{"sub":"b:bob"},{"sub":"bob","iss":"https://b.test"}]}`)
	equal(t, "channels", f.channels(), []string{"a:ann", "b:ann", "b:bob"})
}

func TestOneIssuerNeedsNoNamespace(t *testing.T) {
	f := carried(t, Config{}, `{"_jwt":{"iss":"https://any.test","sub":"ann"},"_subscriptions":["b:bob"]}`)
	equal(t, "channels", f.channels(), []string{"ann", "b:bob"})
}

func TestIssuersAreDistinct(t *testing.T) {
	f := &fake{}
	for want, of := range map[string]map[string]string{
		"same namespace":               {"https://a.test": "a", "https://b.test": "a"},
		"want 1 to 16":                 {"https://a.test": ""},
		`is "A", want`:                 {"https://a.test": "A"},
		"an issuer has no n":           {"": "a"},
		`is "0123456789abcdefg", want`: {"https://a.test": "0123456789abcdefg"},
	} {
		if _, err := New(Config{Source: f, Sink: f, Issuers: of}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %s", of, err, want)
		}
	}
}
