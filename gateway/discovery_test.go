package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ebb-events/ebb/gateway"
)

// answers is a network where every URL has what it says.
type answers func(url string) string

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(a(r.URL.String()))), Request: r}, nil
}

// TestKidCollisionAcrossIssuers: two issuers may call their keys the same, and
// neither can make the other's tokens, whosever keys are fetched first (S03).
func TestKidCollisionAcrossIssuers(t *testing.T) {
	for _, first := range []string{issuerA, issuerB} {
		pairs := map[string]keyPair{issuerA: keyPairs(t)[1], issuerB: keyPairs(t)[1]}
		asked := map[string]int{}
		w := newWorld(t, func(c *gateway.Config) {
			c.Issuers = []gateway.Issuer{
				{Name: issuerA, Namespace: "a", JWKS: issuerA + "/keys"},
				{Name: issuerB, Namespace: "b", JWKS: issuerB + "/keys"},
			}
			c.Transport = answers(func(from string) string {
				asked[from]++
				return keySet(jose.JSONWebKey{Key: pairs[strings.TrimSuffix(from, "/keys")].private.Public(), KeyID: "key-1"})
			})
		})
		sign := func(iss, signer string) string {
			return w.signClaims(jose.ES256, pairs[signer].private, "key-1", fmt.Sprintf(`{"sub":"ann","iss":%q,"exp":%d}`, iss, w.now.Add(time.Hour).Unix()))
		}
		if !w.accepts(sign(first, first)) {
			t.Errorf("%s's own token was refused", first)
		}
		for _, iss := range []string{issuerA, issuerB} {
			for _, signer := range []string{issuerA, issuerB} {
				if got, want := w.accepts(sign(iss, signer)), iss == signer; got != want {
					t.Errorf("iss %s, signed by %s: accepted is %v, want %v", iss, signer, got, want)
				}
			}
		}
		if len(asked) != 2 || asked[issuerA+"/keys"] != 1 || asked[issuerB+"/keys"] != 1 {
			t.Errorf("asked %v, want each once", asked)
		}
	}
}

// TestOneSourceIsFetchedOnce for all issuers that have their keys there.
func TestOneSourceIsFetchedOnce(t *testing.T) {
	pair := keyPairs(t)[1]
	asked := 0
	w := newWorld(t, func(c *gateway.Config) {
		c.Issuers = []gateway.Issuer{
			{Name: issuerA, Namespace: "a", JWKS: keysURL},
			{Name: issuerB, Namespace: "b", JWKS: keysURL},
		}
		c.Transport = answers(func(string) string {
			asked++
			return keySet(jose.JSONWebKey{Key: pair.private.Public(), KeyID: "k"})
		})
	})
	for _, iss := range []string{issuerA, issuerB} {
		if !w.accepts(w.signClaims(jose.ES256, pair.private, "k", fmt.Sprintf(`{"sub":"ann","iss":%q,"exp":%d}`, iss, w.now.Add(time.Hour).Unix()))) {
			t.Errorf("%s's token was refused", iss)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
}

// TestSilentIssuerDelaysNobodyElse: users of another one do not wait for it.
func TestSilentIssuerDelaysNobodyElse(t *testing.T) {
	pair := keyPairs(t)[1]
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *gateway.Config) {
			c.Issuers = []gateway.Issuer{
				{Name: issuerA, Namespace: "a", JWKS: issuerA + "/keys"},
				{Name: issuerB, Namespace: "b", JWKS: issuerB + "/keys"},
			}
			c.Transport = answers(func(from string) string {
				if from == issuerA+"/keys" {
					time.Sleep(4 * time.Second)
				}
				return keySet(jose.JSONWebKey{Key: pair.private.Public(), KeyID: "k"})
			})
			c.Now = time.Now
		})
		took := func(iss string) time.Duration {
			began := time.Now()
			if got := w.opens(w.signClaims(jose.ES256, pair.private, "k", fmt.Sprintf(`{"sub":"ann","iss":%q,"exp":%d}`, iss, time.Now().Add(time.Hour).Unix()))); got != 200 {
				t.Errorf("%s: got %d", iss, got)
			}
			return time.Since(began)
		}
		var slow sync.WaitGroup
		slow.Go(func() {
			if d := took(issuerA); d != 4*time.Second {
				t.Errorf("the silent issuer's user waited %v", d)
			}
		})
		synctest.Wait()
		if d := took(issuerB); d != 0 {
			t.Errorf("another issuer's user waited %v", d)
		}
		slow.Wait()
	})
}

// TestDiscovery: the document must be the issuer's own, and say where its keys
// are; nothing else of the network decides.
func TestDiscovery(t *testing.T) {
	const issuer = "https://login.test/tenant/"
	pair := keyPairs(t)[1]
	keys := keySet(jose.JSONWebKey{Key: pair.private.Public(), KeyID: "k"})
	for name, tt := range map[string]struct {
		document string
		want     int
	}{
		"good":               {`{"issuer":"https://login.test/tenant/","jwks_uri":"https://keys.test/k"}`, 200},
		"another issuer":     {`{"issuer":"https://login.test/other/","jwks_uri":"https://keys.test/k"}`, 503},
		"without its slash":  {`{"issuer":"https://login.test/tenant","jwks_uri":"https://keys.test/k"}`, 503},
		"no issuer":          {`{"jwks_uri":"https://keys.test/k"}`, 503},
		"no keys":            {`{"issuer":"https://login.test/tenant/"}`, 503},
		"keys in the open":   {`{"issuer":"https://login.test/tenant/","jwks_uri":"http://keys.test/k"}`, 503},
		"keys in a file":     {`{"issuer":"https://login.test/tenant/","jwks_uri":"file:///etc/passwd"}`, 503},
		"keys at an address": {`{"issuer":"https://login.test/tenant/","jwks_uri":"https://169.254.169.254/latest"}`, 503},
		"keys at IPv6":       {`{"issuer":"https://login.test/tenant/","jwks_uri":"https://[fe80::1]/k"}`, 503},
		"keys with a zone":   {`{"issuer":"https://login.test/tenant/","jwks_uri":"https://[fe80::1%25lo]/k"}`, 503},
		"keys nowhere":       {`{"issuer":"https://login.test/tenant/","jwks_uri":"/k"}`, 503},
		"HTML":               {`<html>`, 503},
		"a list":             {`[]`, 503},
		"huge":               {`{"issuer":"https://login.test/tenant/","jwks_uri":"https://keys.test/k","x":"` + strings.Repeat("x", 1<<20) + `"}`, 503},
	} {
		var asked []string
		w := newWorld(t, func(c *gateway.Config) {
			c.Issuers = []gateway.Issuer{{Name: issuer}}
			c.Transport = answers(func(from string) string {
				asked = append(asked, from)
				if from == "https://login.test/tenant/.well-known/openid-configuration" {
					return tt.document
				}
				return keys
			})
		})
		got := w.opens(w.signClaims(jose.ES256, pair.private, "k", fmt.Sprintf(`{"sub":"ann","iss":%q,"exp":%d}`, issuer, w.now.Add(time.Hour).Unix())))
		if got != tt.want {
			t.Errorf("%s: got %d, want %d", name, got, tt.want)
		}
		if want := map[int]int{200: 2, 503: 1}[tt.want]; len(asked) != want || want == 2 && asked[1] != "https://keys.test/k" {
			t.Errorf("%s: asked %v", name, asked)
		}
	}
}
