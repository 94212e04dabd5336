package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/grip"
)

const (
	issuerA = "https://a.test"
	issuerB = "https://b.test"
)

// withTwo returns a gateway that trusts a and b, whose keys are the secrets of
// their names.
func withTwo(t *testing.T) *world {
	return newWorld(t, func(c *gateway.Config) {
		c.Issuers = []gateway.Issuer{
			{Name: issuerA, Namespace: "a", Key: secret(t, issuerA)},
			{Name: issuerB, Namespace: "b", Key: secret(t, issuerB), Audiences: []string{"ebb", "web"}},
		}
	})
}

// by returns a token of ann's of an issuer, with more claims.
func (w *world) by(issuer string, more string) string {
	return jws(secretBytes(issuer), hs256, fmt.Sprintf(`{"sub":"ann","iss":%q,"exp":%d%s}`, issuer, w.now.Add(time.Hour).Unix(), more))
}

// TestUsersOfTwoIssuersAreTwo: ann of a is nobody that ann of b is: not in the
// command, not for reading, not as a channel, and not by a role either.
func TestUsersOfTwoIssuersAreTwo(t *testing.T) {
	w := withTwo(t)
	for issuer, want := range map[string]ebb.User{
		issuerA: {Name: "a:ann", Roles: []string{"a:clerk", "a:b:ann"}},
		issuerB: {Name: "b:ann", Roles: []string{"b:clerk", "b:b:ann"}},
	} {
		token := w.by(issuer, `,"roles":["clerk","b:ann"],"aud":"web","x":1.0`)
		bearer := []string{"Authorization", "Bearer " + token, "Content-Type", "application/json", "Idempotency-Key", "k"}
		if a := w.ask("POST", instance, `{"_command":"c"}`, bearer...); a.Code != http.StatusAccepted {
			t.Fatalf("got %d %s", a.Code, a.Body)
		}
		sent := w.sent.last(t)
		if got := sent.User(); !reflect.DeepEqual(got, want) {
			t.Errorf("the command is %+v's, want %+v's", got, want)
		}
		var claims ebb.Message
		if err := json.Unmarshal(sent[ebb.FieldJWT], &claims); err != nil || claims.String("iss") != issuer || string(claims["x"]) != "1.0" {
			t.Errorf("got the claims %s", sent[ebb.FieldJWT])
		}
		w.ask("GET", "/api/board/task", "", bearer...)
		if got := fmt.Sprint("board-task ", want.Name, want.Roles, " false false"); w.read.asked != got {
			t.Errorf("read as %q, want %q", w.read.asked, got)
		}
		a := w.ask("GET", "/api/sse", "", bearer...)
		_, u, _ := strings.Cut(a.Header().Get("Location"), "?u=")
		if got := instruct(t, w.setUp(u)).Hold.Channels[0].Name; got != want.Name {
			t.Errorf("the channel is %q, want %q", got, want.Name)
		}
	}
	// The entries of an _acl are such names, so that nobody gets in by what
	// another issuer says about her.
	acl := ebb.ACL{ebb.ActionGet: {"b:ann"}}
	for user, want := range map[string]bool{"a:ann": false, "b:ann": true} {
		if acl.Allows(ebb.User{Name: user, Roles: []string{user[:2] + "b:ann", user[:2] + "ann"}}, ebb.ActionGet) != want {
			t.Errorf("%s is allowed: %v, want %v", user, !want, want)
		}
	}
}

// TestIssuersAreToldApart: an issuer's keys, audience and name are for its own
// tokens.
func TestIssuersAreToldApart(t *testing.T) {
	w := withTwo(t)
	at := w.now.Add(time.Hour).Unix()
	for name, tt := range map[string]struct {
		token string
		want  bool
	}{
		"a's":                    {w.by(issuerA, ""), true},
		"b's":                    {w.by(issuerB, `,"aud":"ebb"`), true},
		"b's without audience":   {w.by(issuerB, ""), false},
		"b's for another":        {w.by(issuerB, `,"aud":"orders"`), false},
		"a's, signed by b":       {jws(secretBytes(issuerB), hs256, fmt.Sprintf(`{"sub":"ann","iss":%q,"exp":%d}`, issuerA, at)), false},
		"no issuer's":            {jws(secretBytes(issuerA), hs256, fmt.Sprintf(`{"sub":"ann","exp":%d}`, at)), false},
		"another's":              {jws(secretBytes(issuerA), hs256, fmt.Sprintf(`{"sub":"ann","iss":"https://a.test/","exp":%d}`, at)), false},
		"issuer in a list":       {jws(secretBytes(issuerA), hs256, fmt.Sprintf(`{"sub":"ann","iss":[%q],"exp":%d}`, issuerA, at)), false},
		"two issuers":            {jws(secretBytes(issuerA), hs256, fmt.Sprintf(`{"sub":"ann","iss":%q,"iss":%q,"exp":%d}`, issuerB, issuerA, at)), false},
		"issuer in unusual case": {jws(secretBytes(issuerA), hs256, fmt.Sprintf(`{"sub":"ann","iss":%q,"ISS":%q,"exp":%d}`, issuerA, issuerB, at)), false},
		"no claims":              {jws(secretBytes(issuerA), hs256, `[]`), false},
	} {
		if got := w.accepts(tt.token); got != tt.want {
			t.Errorf("%s: accepted is %v, want %v", name, got, tt.want)
		}
	}
}

func TestNamespaceCountsInTheLengthOfAName(t *testing.T) {
	w := withTwo(t)
	for length, want := range map[int]bool{0: false, 1: true, 254: true, 255: false} {
		claims := fmt.Sprintf(`{"sub":%q,"iss":%q,"exp":%d}`, strings.Repeat("x", length), issuerA, w.now.Add(time.Hour).Unix())
		if got := w.accepts(jws(secretBytes(issuerA), hs256, claims)); got != want {
			t.Errorf("a sub of %d bytes: accepted is %v, want %v", length, got, want)
		}
	}
}

// TestOneIssuerAlonePassesClaimsOn as they were written: nothing is put before
// names.
func TestOneIssuerAlonePassesClaimsOn(t *testing.T) {
	w := newWorld(t)
	claims := fmt.Sprintf(`{"sub":"ann","roles":["clerk"],"z":1.0,"exp":%d}`, w.now.Add(time.Hour).Unix())
	w.ask("POST", instance, `{"_command":"c"}`, "Content-Type", "application/json", "Authorization", "Bearer "+jws(secretBytes("token"), hs256, claims))
	if got := string(w.sent.last(t)[ebb.FieldJWT]); got != claims {
		t.Errorf("got %s, want %s", got, claims)
	}
}

// TestWrongIssuersAreNamed: the error says which, and what to do.
func TestWrongIssuersAreNamed(t *testing.T) {
	good := newWorld(t).cfg
	key := secret(t, "token")
	for want, issuers := range map[string][]gateway.Issuer{
		`issuer 1: without Key, KeySet and JWKS its Name must be the URL of an OpenID provider`: {{}},
		`issuer "a": without Key, KeySet and JWKS its Name must be the URL`:                     {{Name: "a"}},
		`issuer "https://a.test?x": without Key`:                                                {{Name: "https://a.test?x"}},
		`issuer 2: it needs a Name, as there are several`:                                       {{Name: "a", Namespace: "a", Key: key}, {Namespace: "b", Key: secret(t, "b")}},
		`issuer "b": it needs a Namespace, as there are several`:                                {{Name: "a", Namespace: "a", Key: key}, {Name: "b", Key: secret(t, "b")}},
		`issuer "a": it is there twice`:                                                         {{Name: "a", Namespace: "a", Key: key}, {Name: "a", Namespace: "b", Key: secret(t, "b")}},
		`issuer "b": another one has its Namespace "a"`:                                         {{Name: "a", Namespace: "a", Key: key}, {Name: "b", Namespace: "a", Key: secret(t, "b")}},
		`issuer "b": another one has its secret`:                                                {{Name: "a", Namespace: "a", Key: key}, {Name: "b", Namespace: "b", Key: key}},
		`issuer "a": its Namespace is "A:", want 1 to 16 of a-z and 0-9`:                        {{Name: "a", Namespace: "A:", Key: key}},
		`issuer "a": its Namespace is "abcdefghijklmnopq"`:                                      {{Name: "a", Namespace: "abcdefghijklmnopq", Key: key}},
		`issuer "a": want one of Key, KeySet and JWKS`:                                          {{Name: "a", KeySet: []byte("{}"), JWKS: keysURL}},
		`issuer "a": KeySet: no key in it that can be used`:                                     {{Name: "a", KeySet: []byte("{}")}},
		`issuer "b": KeySet: no key in it that can be used`: {{Name: "a", Namespace: "a", Key: key}, {Name: "b", Namespace: "b",
			KeySet: []byte(keySet(jose.JSONWebKey{Key: secretBytes("published"), KeyID: "k"}))}},
		`issuer "a": its Algorithms have "HS512", its keys can be for [HS256]`: {{Name: "a", Key: key, Algorithms: []string{"HS512"}}},
		`issuer "a": its Algorithms have "none"`:                               {{Name: "a", JWKS: keysURL, Algorithms: []string{"ES256", "none"}}},
		`issuer "a": its Algorithms have "HS256"`:                              {{Name: "a", JWKS: keysURL, Algorithms: []string{"HS256"}}},
		`issuer "a": an audience is empty`:                                     {{Name: "a", Key: key, Audiences: []string{""}}},
		`issuer "a": MaxLife cannot be negative`:                               {{Name: "a", Key: key, MaxLife: -1}},
	} {
		cfg := good
		cfg.Issuers = issuers
		if _, err := gateway.New(cfg); err == nil || !strings.HasPrefix(err.Error(), "gateway: "+want) {
			t.Errorf("got  %v\nwant gateway: %s", err, want)
		}
	}
}

// TestAlgorithmsCanBeChosen: fewer than an issuer's keys are for, or others of
// their type.
func TestAlgorithmsCanBeChosen(t *testing.T) {
	pairs := keyPairs(t)
	set := []byte(keySet(jose.JSONWebKey{Key: pairs[0].private.Public(), KeyID: "r"}, jose.JSONWebKey{Key: pairs[1].private.Public(), KeyID: "e"}))
	long, err := grip.SecretKey(append(secretBytes("token"), secretBytes("token")...))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		issuer gateway.Issuer
		good   []jose.SignatureAlgorithm
	}{
		{gateway.Issuer{Key: pairs[0].public(t)}, []jose.SignatureAlgorithm{jose.RS256}},
		{gateway.Issuer{Key: pairs[0].public(t), Algorithms: []string{"PS256"}}, []jose.SignatureAlgorithm{jose.PS256}},
		{gateway.Issuer{Key: long}, []jose.SignatureAlgorithm{jose.HS256}},
		{gateway.Issuer{Key: long, Algorithms: []string{"HS256", "HS512"}}, []jose.SignatureAlgorithm{jose.HS256, jose.HS512}},
		{gateway.Issuer{KeySet: set}, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.RS512, jose.ES256}},
		{gateway.Issuer{KeySet: set, Algorithms: []string{"RS512", "ES256"}}, []jose.SignatureAlgorithm{jose.RS512, jose.ES256}},
	} {
		w := newWorld(t, func(c *gateway.Config) { c.Issuers = []gateway.Issuer{tt.issuer} })
		for alg, token := range map[jose.SignatureAlgorithm]string{
			jose.RS256: w.signWith(jose.RS256, pairs[0].private, "r"),
			jose.RS512: w.signWith(jose.RS512, pairs[0].private, "r"),
			jose.PS256: w.signWith(jose.PS256, pairs[0].private, "r"),
			jose.ES256: w.signWith(jose.ES256, pairs[1].private, "e"),
			jose.HS256: w.signWith(jose.HS256, long.Secret(), "h"),
			jose.HS512: w.signWith(jose.HS512, long.Secret(), "h"),
		} {
			want := false
			for _, good := range tt.good {
				want = want || good == alg
			}
			if got := w.accepts(token); got != want {
				t.Errorf("%v %v: %s accepted is %v, want %v", tt.issuer.Key, tt.issuer.Algorithms, alg, got, want)
			}
		}
	}
}

// TestAlgorithmsAreTheIssuersOwn: what one may use is nothing to another.
func TestAlgorithmsAreTheIssuersOwn(t *testing.T) {
	pair := keyPairs(t)[0]
	set := []byte(keySet(jose.JSONWebKey{Key: pair.private.Public(), KeyID: "k"}))
	w := newWorld(t, func(c *gateway.Config) {
		c.Issuers = []gateway.Issuer{
			{Name: issuerA, Namespace: "a", KeySet: set, Algorithms: []string{"PS256"}},
			{Name: issuerB, Namespace: "b", KeySet: set, Algorithms: []string{"RS256"}},
		}
	})
	for _, tt := range []struct {
		iss  string
		alg  jose.SignatureAlgorithm
		want bool
	}{{issuerA, jose.PS256, true}, {issuerA, jose.RS256, false}, {issuerB, jose.PS256, false}, {issuerB, jose.RS256, true}} {
		token := w.signClaims(tt.alg, pair.private, "k", fmt.Sprintf(`{"sub":"ann","iss":%q,"exp":%d}`, tt.iss, w.now.Add(time.Hour).Unix()))
		if got := w.accepts(token); got != tt.want {
			t.Errorf("%s with %s: accepted is %v, want %v", tt.iss, tt.alg, got, tt.want)
		}
	}
}

func TestMaxLife(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Issuers[0].MaxLife = 10 * time.Minute })
	for life, want := range map[time.Duration]bool{time.Minute: true, 10 * time.Minute: true, 12 * time.Minute: false, 1000 * time.Hour: false} {
		token := jws(secretBytes("token"), hs256, fmt.Sprintf(`{"sub":"ann","exp":%d}`, w.now.Add(life).Unix()))
		if got := w.accepts(token); got != want {
			t.Errorf("good for %v: accepted is %v, want %v", life, got, want)
		}
	}
}

// TestOtherTokensOfAnIssuer: what its keys have signed for another purpose is
// no access token (S06).
func TestOtherTokensOfAnIssuer(t *testing.T) {
	w := newWorld(t)
	for more, want := range map[string]bool{
		`,"scope":"api","client_id":"page"`:        true,
		`,"typ":"Bearer","nonce":"n","azp":"page"`: true, // Keycloak's
		`,"events":["concert"]`:                    true,
		`,"nonce":"n","at_hash":"x"`:               false,
		`,"c_hash":"x"`:                            false,
		`,"s_hash":"x"`:                            false,
		`,"typ":"ID"`:                              false,
		`,"typ":"Refresh"`:                         false,
		`,"typ":"Offline"`:                         false,
		`,"events":{"http://schemas.openid.net/event/backchannel-logout":{}},"x":1`: false,
	} {
		if got := w.accepts(w.token("ann", more)); got != want {
			t.Errorf("%s: accepted is %v, want %v", more, got, want)
		}
	}
}

func TestCookieNameIsConfigured(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Cookie = "__Host-token" })
	for cookie, want := range map[string]int{"__Host-token": 307, "access_token": 401} {
		if got := w.ask("GET", "/api/sse", "", "Cookie", cookie+"="+w.token("ann")).Code; got != want {
			t.Errorf("cookie %s got %d, want %d", cookie, got, want)
		}
	}
	sig, _ := secret(t, "grip").Sign("ebb", w.now)
	if a := w.ask("GET", "/api/sse-setup", "", "Grip-Sig", sig, "Cookie", "__Host-token="+w.token("ann")); a.Code != 403 {
		t.Errorf("got %d for a cookie in place of a ticket", a.Code)
	}
	cfg := w.cfg
	cfg.Cookie = "a b"
	if _, err := gateway.New(cfg); err == nil {
		t.Error("a name that no cookie can have was taken")
	}
}

// TestNoAudienceIsToldOnce: an issuer that gives tokens to many applications
// should have one.
func TestNoAudienceIsToldOnce(t *testing.T) {
	var log bytes.Buffer
	newWorld(t, func(c *gateway.Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		c.Issuers = []gateway.Issuer{
			{Name: issuerA, Namespace: "a"},
			{Name: issuerB, Namespace: "b", Audiences: []string{"ebb"}},
			{Name: "c", Namespace: "c", Key: secret(t, "token")},
		}
	})
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, issuerA) || !strings.Contains(got, "audience") {
		t.Errorf("logged %q", got)
	}
}
