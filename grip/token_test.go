package grip_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ebb-events/ebb/grip"
)

var now = time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)

// token signs claims with any key and algorithm.
func token(alg jose.SignatureAlgorithm, key any, claims any) string {
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil))
	return must(must(signer.Sign(must(json.Marshal(claims)))).CompactSerialize())
}

// raw makes a token out of its parts.
func raw(header, claims, signature string) string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(header)) + "." + e([]byte(claims)) + "." + signature
}

func TestVerify(t *testing.T) {
	key := must(grip.ParseKey(secret))
	hs := func(claims map[string]any) string { return token(jose.HS256, []byte(secret), claims) }
	in := func(d time.Duration) int64 { return now.Add(d).Unix() }
	good := must(key.Sign("edge", now))
	parts := strings.Split(good, ".")
	tests := []struct {
		name, token, issuer string
		ok                  bool
	}{
		{"our own", good, "edge", true},
		{"any issuer", good, "", true},
		{"wrong issuer", good, "pushpin", false},
		{"issuer in another case", good, "Edge", false},
		{"no issuer", hs(map[string]any{"exp": in(time.Minute)}), "edge", false},
		{"no issuer asked for", hs(map[string]any{"exp": in(time.Minute)}), "", true},
		{"an hour, as Pushpin does", hs(map[string]any{"iss": "edge", "exp": in(time.Hour)}), "edge", true},
		{"expired within the leeway", hs(map[string]any{"exp": in(-50 * time.Second)}), "", true},
		{"expired", hs(map[string]any{"exp": in(-70 * time.Second)}), "", false},
		{"expires in text", hs(map[string]any{"exp": "9999999999"}), "", false},
		{"expires at zero", hs(map[string]any{"exp": 0}), "", false},
		{"expires before time", hs(map[string]any{"exp": -1}), "", false},
		{"never expires", hs(map[string]any{"iss": "edge"}), "edge", false},
		{"null as the end", hs(map[string]any{"exp": nil}), "", false},
		{"not yet", hs(map[string]any{"exp": in(time.Hour), "nbf": in(10 * time.Minute)}), "", false},
		{"another key", token(jose.HS256, []byte(secret+"x"), map[string]any{"exp": in(time.Minute)}), "", false},
		{"another algorithm with the key", token(jose.HS512, []byte(secret+secret), map[string]any{"exp": in(time.Minute)}), "", false},
		{"none", raw(`{"alg":"none"}`, `{"exp":9999999999}`, ""), "", false},
		{"none, with a signature", raw(`{"alg":"none"}`, `{"exp":9999999999}`, parts[2]), "", false},
		{"unknown critical header", raw(`{"alg":"HS256","crit":["x"],"x":1}`, `{"exp":9999999999}`, parts[2]), "", false},
		{"no signature", parts[0] + "." + parts[1] + ".", "", false},
		{"two parts", parts[0] + "." + parts[1], "", false},
		{"four parts", good + ".x", "", false},
		{"signature of another", parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":9999999999}`)) + "." + parts[2], "", false},
		{"claims that are no object", token(jose.HS256, []byte(secret), []string{"x"}), "", false},
		{"empty", "", "", false},
		{"dots", strings.Repeat(".", 8000), "", false},
		{"oversize", hs(map[string]any{"exp": in(time.Minute), "x": strings.Repeat("x", 8<<10)}), "", false},
		{"secret itself", secret, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := key.Verify(tt.token, tt.issuer, now)
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, grip.ErrUnauthorized) {
				t.Errorf("got %v, want ok %v", err, tt.ok)
			}
		})
	}
	if err := (grip.Key{}).Verify(good, "edge", now); !errors.Is(err, grip.ErrUnauthorized) {
		t.Errorf("no key: %v", err)
	}
	if err := key.Verify(good, "edge", now.Add(12*time.Minute)); err == nil {
		t.Error("good for more than ten minutes")
	}
}

// TestAlgorithmConfusion: a key verifies what it is for and nothing else, least
// of all a MAC made with its public half.
func TestAlgorithmConfusion(t *testing.T) {
	k := keys()
	claims := map[string]any{"exp": now.Add(time.Minute).Unix()}
	tokens := map[string]string{
		secret:           token(jose.HS256, []byte(secret), claims),
		private(k.ec256): token(jose.ES256, k.ec256, claims),
		private(k.ec384): token(jose.ES384, k.ec384, claims),
		private(k.ed):    token(jose.EdDSA, k.ed, claims),
		private(k.rsa):   token(jose.RS256, k.rsa, claims),
	}
	for text := range tokens {
		key := must(grip.ParseKey(text))
		for signed, token := range tokens {
			if err := key.Verify(token, "", now); (err == nil) != (signed == text) {
				t.Errorf("%s verifies a token signed with %.40q: %v", key.Algorithm(), signed, err)
			}
		}
	}
	rsaPublic := must(grip.ParseKey(public(k.rsa)))
	for _, other := range []string{
		token(jose.PS256, k.rsa, claims), token(jose.RS512, k.rsa, claims),
		token(jose.HS256, []byte(public(k.rsa)), claims), token(jose.HS256, []byte(strings.TrimSpace(public(k.rsa))), claims),
	} {
		if err := rsaPublic.Verify(other, "", now); err == nil {
			t.Errorf("RS256 verifies %.30s", other)
		}
	}
	if err := rsaPublic.Verify(tokens[private(k.rsa)], "", now); err != nil {
		t.Errorf("public half: %v", err)
	}
}

func TestAuthorize(t *testing.T) {
	k := keys()
	shared, ec := must(grip.ParseKey(secret)), must(grip.ParseKey(public(k.ec256)))
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	inBase64 := base64.StdEncoding.EncodeToString([]byte(secret))
	tests := []struct {
		name, header string
		key          grip.Key
		ok           bool
	}{
		{"none", "", shared, false},
		{"Basic", basic("realm", secret), shared, true},
		{"Basic without a user", basic("", secret), shared, true},
		{"Basic, base64 of the key", basic("realm", inBase64), shared, true},
		{"Basic, wrong", basic("realm", secret+"x"), shared, false},
		{"Basic, empty", basic("realm", ""), shared, false},
		{"Basic, as Python 3 renders it", "Basic b'" + base64.StdEncoding.EncodeToString([]byte("realm:"+secret)) + "'", shared, false},
		{"Basic alone", "Basic", shared, false},
		{"Bearer, the key", "Bearer " + secret, shared, true},
		{"bearer in lower case", "bearer " + secret, shared, true},
		{"Bearer, base64 of the key", "Bearer " + inBase64, shared, true},
		{"Bearer, wrong", "Bearer " + secret[1:] + "x", shared, false},
		{"Bearer, less", "Bearer " + secret[:31], shared, false},
		{"Bearer, empty", "Bearer ", shared, false},
		{"Bearer alone", "Bearer", shared, false},
		{"Bearer, JWT", "Bearer " + must(shared.Sign("realm", now)), shared, true},
		{"Bearer, JWT that has expired", "Bearer " + must(shared.Sign("realm", now.Add(-time.Hour))), shared, false},
		{"the key alone", secret, shared, false},
		{"another scheme", "Token " + secret, shared, false},
		{"JWT, public key", "Bearer " + must(must(grip.ParseKey(private(k.ec256))).Sign("realm", now)), ec, true},
		{"Bearer, the public key", "Bearer " + base64.StdEncoding.EncodeToString([]byte(public(k.ec256))), ec, false},
		{"Basic, public key", basic("realm", public(k.ec256)), ec, false},
		{"no key, empty bearer", "Bearer ", grip.Key{}, false},
		{"no key, empty password", basic("", ""), grip.Key{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{Header: http.Header{}}
			if tt.header != "" {
				r.Header.Set("Authorization", tt.header)
			}
			if err := tt.key.Authorize(r, now); (err == nil) != tt.ok || err != nil && !errors.Is(err, grip.ErrUnauthorized) {
				t.Errorf("got %v, want ok %v", err, tt.ok)
			}
		})
	}
}
