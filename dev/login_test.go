package dev

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// logIn answers one login, by that URL.
func logIn(t *testing.T, url string) *http.Response {
	t.Helper()
	keys, err := OpenKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	login(keys).ServeHTTP(w, httptest.NewRequest("POST", url, strings.NewReader(`{"user":"ann","roles":["clerk"]}`)))
	resp := w.Result()
	if resp.StatusCode != http.StatusOK || len(resp.Cookies()) != 1 {
		t.Fatalf("got %s with cookies %v, want one", resp.Status, resp.Cookies())
	}
	return resp
}

// TestCookieAttributes: no script reads the cookie, no other site and no other
// host makes a browser send it, and it does not outlive its token (S17).
func TestCookieAttributes(t *testing.T) {
	for url, secure := range map[string]bool{"http://127.0.0.1:8080/dev/login": false, "https://ebb.test/dev/login": true} {
		resp := logIn(t, url)
		c := resp.Cookies()[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Domain != "" || c.Path != "/" || c.Secure != secure {
			t.Errorf("%s: got %s, want HttpOnly, SameSite=Strict, Path=/, no Domain, Secure: %v", url, c, secure)
		}
		token, err := jwt.ParseSigned(c.Value, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		var claims jwt.Claims
		if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
			t.Fatal(err)
		}
		if left := time.Until(claims.Expiry.Time()); c.MaxAge <= 0 || time.Duration(c.MaxAge)*time.Second > left+time.Minute {
			t.Errorf("the cookie lasts %d s, its token %v", c.MaxAge, left)
		}
		if got := resp.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("the answer may be cached: %q", got)
		}
	}
}
