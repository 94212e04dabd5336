package gateway_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/grip"
)

// keyPair is an issuer's.
type keyPair struct {
	alg     jose.SignatureAlgorithm
	private crypto.Signer
}

func keyPairs(t testing.TB) []keyPair {
	t.Helper()
	rsaKey, err1 := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, err3 := ed25519.GenerateKey(rand.Reader)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return []keyPair{{jose.RS256, rsaKey}, {jose.ES256, ecKey}, {jose.EdDSA, edKey}}
}

func (k keyPair) pem(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func (k keyPair) public(t testing.TB) grip.Key {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, k.pem(t), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := grip.ParseKey("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signWith makes a token of ann's with any algorithm.
func (w *world) signWith(alg jose.SignatureAlgorithm, key any, kid string) string {
	w.t.Helper()
	return w.signClaims(alg, key, kid, fmt.Sprintf(`{"sub":"ann","exp":%d}`, w.now.Add(time.Hour).Unix()))
}

// signClaims makes a token of any claims.
func (w *world) signClaims(alg jose.SignatureAlgorithm, key any, kid, claims string) string {
	w.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(claims))
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// accepts tells whether a bearer token opens a session.
func (w *world) accepts(token string) bool {
	w.t.Helper()
	a := w.ask("POST", "/api/sse", "", "Authorization", "Bearer "+token)
	switch a.Code {
	case http.StatusOK:
		return true
	case http.StatusUnauthorized:
		if a.Header().Get("WWW-Authenticate") != "Bearer" {
			w.t.Errorf("got %v with 401, want WWW-Authenticate", a.Header())
		}
		isProblem(w.t, a, http.StatusUnauthorized)
		return false
	}
	w.t.Errorf("got %d %s, want 200 or 401", a.Code, a.Body)
	return false
}

// TestJWTAlgMatrix: a key is good for its own algorithm alone (S01).
func TestJWTAlgMatrix(t *testing.T) {
	pairs := keyPairs(t)
	trusted := map[jose.SignatureAlgorithm]grip.Key{jose.HS256: secret(t, "token")}
	for _, p := range pairs {
		trusted[p.alg] = p.public(t)
	}
	for alg, key := range trusted {
		t.Run(string(alg), func(t *testing.T) {
			w := newWorld(t, func(c *gateway.Config) { c.Issuers[0].Key = key })
			tokens := map[string]string{
				"HS256":  w.token("ann"),
				"HS512":  w.signWith(jose.HS512, append(secretBytes("token"), secretBytes("more")...), ""),
				"none":   b64(`{"alg":"none"}`) + "." + b64(fmt.Sprintf(`{"sub":"ann","exp":%d}`, w.now.Add(time.Hour).Unix())) + ".",
				"empty":  b64(`{}`) + "." + b64(`{"sub":"ann"}`) + ".",
				"nOnE":   jws(secretBytes("token"), `{"alg":"nOnE"}`, `{"sub":"ann"}`),
				"absent": jws(secretBytes("token"), `{"typ":"JWT"}`, fmt.Sprintf(`{"sub":"ann","exp":%d}`, w.now.Add(time.Hour).Unix())),
			}
			for _, p := range pairs {
				tokens[string(p.alg)] = w.signWith(p.alg, p.private, "")
				if p.alg == jose.RS256 {
					tokens["RS512"] = w.signWith(jose.RS512, p.private, "")
					tokens["PS256"] = w.signWith(jose.PS256, p.private, "")
				}
				tokens["HS256 with the PEM of "+string(p.alg)] = jws(p.pem(t), hs256, fmt.Sprintf(`{"sub":"ann","exp":%d}`, w.now.Add(time.Hour).Unix()))
			}
			for name, token := range tokens {
				if got, want := w.accepts(token), name == string(alg); got != want {
					t.Errorf("%s: accepted is %v, want %v", name, got, want)
				}
			}
		})
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// TestJWTHeaderInjection: nothing in a header chooses the key (S02).
func TestJWTHeaderInjection(t *testing.T) {
	w := newWorld(t)
	own := secretBytes("attacker")
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	jwk, _ := json.Marshal(jose.JSONWebKey{Key: edKey.Public(), KeyID: "x"})
	claims := fmt.Sprintf(`{"sub":"ann","exp":%d}`, w.now.Add(time.Hour).Unix())
	tests := []struct {
		name, header string
		key          []byte
		want         bool
	}{
		{"plain", `{"alg":"HS256"}`, secretBytes("token"), true},
		{"with a kid", `{"alg":"HS256","kid":"a-b_c.1"}`, secretBytes("token"), true},
		{"at+jwt", `{"alg":"HS256","typ":"at+jwt"}`, secretBytes("token"), true},
		{"application/at+jwt", `{"alg":"HS256","typ":"application/AT+JWT"}`, secretBytes("token"), true},
		{"jku beside a good signature", `{"alg":"HS256","jku":"https://evil.test/keys"}`, secretBytes("token"), true},
		{"jku", `{"alg":"HS256","jku":"https://evil.test/keys","kid":"x"}`, own, false},
		{"x5u", `{"alg":"HS256","x5u":"https://evil.test/cert"}`, own, false},
		{"jwk", `{"alg":"HS256","jwk":` + string(jwk) + `}`, own, false},
		{"kid as path", `{"alg":"HS256","kid":"../../../dev/null\u0000"}`, secretBytes("token"), false},
		{"kid as SQL", `{"alg":"HS256","kid":"x' UNION SELECT 'a"}`, secretBytes("token"), false},
		{"kid as URL", `{"alg":"HS256","kid":"https://evil.test/"}`, secretBytes("token"), false},
		{"huge kid", `{"alg":"HS256","kid":"` + strings.Repeat("k", 65) + `"}`, secretBytes("token"), false},
		{"kid of another type", `{"alg":"HS256","kid":7}`, secretBytes("token"), false},
		{"crit", `{"alg":"HS256","crit":["exp"],"exp":1}`, secretBytes("token"), false},
		{"b64", `{"alg":"HS256","crit":["b64"],"b64":true}`, secretBytes("token"), false},
		{"b64 alone", `{"alg":"HS256","b64":false}`, secretBytes("token"), false},
		{"alg twice", `{"alg":"none","alg":"HS256"}`, secretBytes("token"), false},
		{"not JSON", `alg`, secretBytes("token"), false},
		{"typ of a logout token", `{"alg":"HS256","typ":"logout+jwt"}`, secretBytes("token"), false},
		{"typ of another type", `{"alg":"HS256","typ":1}`, secretBytes("token"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := w.accepts(jws(tt.key, tt.header, claims)); got != tt.want {
				t.Errorf("accepted is %v, want %v", got, tt.want)
			}
		})
	}
}

// TestJWTSizeAndDots: what is large or has other parts is not looked at (S04).
func TestJWTSizeAndDots(t *testing.T) {
	w := newWorld(t)
	good := w.token("ann")
	fill := 8<<10 - len(w.token("ann", `,"x":""`))
	atMost := w.token("ann", `,"x":"`+strings.Repeat("y", fill*3/4)+`"`)
	if len(atMost) > 8<<10 || !w.accepts(atMost) {
		t.Errorf("a token of %d bytes was refused", len(atMost))
	}
	for name, token := range map[string]string{
		"too long":     w.token("ann", `,"x":"`+strings.Repeat("y", 8<<10)+`"`),
		"dots":         strings.Repeat(".", 1_000_000),
		"two parts":    good[:strings.LastIndex(good, ".")],
		"four parts":   good + ".",
		"five, as JWE": b64(`{"alg":"dir","enc":"A128GCM","zip":"DEF"}`) + "....",
		"empty":        "",
		"a space more": good + " ",
		"a line more":  good + "\n",
		"JSON form":    `{"payload":"","signatures":[]}`,
	} {
		if w.accepts(token) {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestJWTTimeClaims: a token has an end, and times are numbers (S05).
func TestJWTTimeClaims(t *testing.T) {
	w := newWorld(t)
	at := func(d time.Duration) int64 { return w.now.Add(d).Unix() }
	tests := []struct {
		claims string
		want   bool
	}{
		{fmt.Sprintf(`"exp":%d`, at(time.Second)), true},
		{fmt.Sprintf(`"exp":%d.5`, at(time.Minute)), true},
		{fmt.Sprintf(`"exp":%d`, at(-61*time.Second)), false},
		{fmt.Sprintf(`"exp":"%d"`, at(time.Hour)), false},
		{``, false},
		{`"exp":null`, false},
		{`"exp":-1`, false},
		{`"exp":0`, false},
		{`"exp":1e300`, false},
		{`"exp":9223372036854775807`, false},
		{`"exp":true`, false},
		{`"exp":[]`, false},
		{fmt.Sprintf(`"exp":%d,"nbf":%d`, at(time.Hour), at(0)), true},
		{fmt.Sprintf(`"exp":%d,"nbf":%d`, at(time.Hour), at(59*time.Second)), true},
		{fmt.Sprintf(`"exp":%d,"nbf":%d`, at(time.Hour), at(61*time.Second)), false},
		{fmt.Sprintf(`"exp":%d,"nbf":"soon"`, at(time.Hour)), false},
		{fmt.Sprintf(`"exp":%d,"nbf":9223372036854775807`, at(time.Hour)), false},
		{fmt.Sprintf(`"exp":%d,"iat":%d`, at(time.Hour), at(59*time.Second)), true},
		{fmt.Sprintf(`"exp":%d,"iat":%d`, at(time.Hour), at(61*time.Second)), false},
	}
	for _, tt := range tests {
		claims := strings.TrimSuffix(`{"sub":"ann",`+tt.claims, ",") + "}"
		token := jws(secretBytes("token"), hs256, claims)
		if got := w.accepts(token); got != tt.want {
			t.Errorf("%s: accepted is %v, want %v", claims, got, tt.want)
		}
		if got := w.ask("GET", "/api/board/task", "", "Authorization", "Bearer "+token).Code; (got == 200) != tt.want {
			t.Errorf("%s: reading got %d, want it accepted: %v", claims, got, tt.want)
		}
	}
}

// TestClockSkewMatrix: a minute between the clocks is forgiven for requests,
// but a session never outlasts its token (S10).
func TestClockSkewMatrix(t *testing.T) {
	w := newWorld(t)
	token := w.token("ann")
	for after, want := range map[time.Duration]int{
		59 * time.Minute:             http.StatusOK,
		time.Hour + 59*time.Second:   http.StatusOK,
		time.Hour + 61*time.Second:   http.StatusUnauthorized,
		time.Hour + 5*time.Minute:    http.StatusUnauthorized,
		-(time.Hour + 5*time.Minute): http.StatusOK,
		time.Hour + 24*365*time.Hour: http.StatusUnauthorized,
	} {
		w.now = time.Unix(1_800_000_000, 0).Add(after)
		w.read.state = json.RawMessage(`{"_seq":1}`)
		if got := w.ask("GET", instance, "", "Authorization", "Bearer "+token).Code; got != want {
			t.Errorf("%v later: got %d, want %d", after, got, want)
		}
		if got := w.accepts(token); got != (after < time.Hour) {
			t.Errorf("%v later: a session is opened: %v", after, got)
		}
	}
}

// TestTokenKindConfusion: no kind of token passes for another (S06).
func TestTokenKindConfusion(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) {
		c.Issuers[0].Name, c.Issuers[0].Audiences = "https://issuer.test", []string{"ebb"}
		c.GripIssuer = ""
	})
	exp := w.now.Add(time.Minute).Unix()
	access := w.token("ann", `,"iss":"https://issuer.test","aud":["other","ebb"]`)
	sig, _ := secret(t, "grip").Sign("ebb", w.now)
	u := "" // a ticket
	if a := w.ask("GET", "/api/sse", "", "Authorization", "Bearer "+access); a.Code == http.StatusTemporaryRedirect {
		_, u, _ = strings.Cut(a.Header().Get("Location"), "?u=")
	}
	tokens := map[string]string{
		"access":          access,
		"Grip-Sig":        sig,
		"ticket":          u,
		"other issuer":    w.token("ann", `,"iss":"https://issuer.test.evil","aud":"ebb"`),
		"no issuer":       w.token("ann", `,"aud":"ebb"`),
		"other audience":  w.token("ann", `,"iss":"https://issuer.test","aud":"web"`),
		"no audience":     w.token("ann", `,"iss":"https://issuer.test"`),
		"audience null":   w.token("ann", `,"iss":"https://issuer.test","aud":null`),
		"audience number": w.token("ann", `,"iss":"https://issuer.test","aud":[1]`),
		"ID token's typ":  jws(secretBytes("token"), `{"alg":"HS256","typ":"id+jwt"}`, fmt.Sprintf(`{"sub":"ann","exp":%d,"iss":"https://issuer.test","aud":"ebb"}`, exp)),
		"ticket key's":    jws(secretBytes("ticket"), hs256, fmt.Sprintf(`{"sub":"ann","exp":%d,"iss":"https://issuer.test","aud":"ebb"}`, exp)),
		"grip key's":      jws(secretBytes("grip"), hs256, fmt.Sprintf(`{"sub":"ann","exp":%d,"iss":"https://issuer.test","aud":"ebb"}`, exp)),
	}
	for name, token := range tokens {
		if got := w.accepts(token); got != (name == "access") {
			t.Errorf("%s as access token: accepted is %v", name, got)
		}
		if got := w.ask("GET", "/api/sse-setup?u="+token, "", "Grip-Sig", sig).Code == http.StatusOK; got != (name == "ticket") {
			t.Errorf("%s as ticket: accepted is %v", name, got)
		}
		got := w.ask("GET", "/api/sse-setup?u="+u, "", "Grip-Sig", token).Code == http.StatusOK
		if want := name == "Grip-Sig" || name == "grip key's"; got != want {
			t.Errorf("%s as Grip-Sig: accepted is %v", name, got)
		}
	}
}

// TestJWTDuplicateClaims: no two readers can read a token differently (S07).
func TestJWTDuplicateClaims(t *testing.T) {
	w := newWorld(t)
	for more, want := range map[string]bool{
		``:                           true,
		`,"roles":["clerk"]`:         true,
		`,"roles":null`:              true,
		`,"Name":"Ann","name":"ann"`: true,
		`,"sub":"bob"`:               false,
		`,"s\u0075b":"bob"`:          false,
		`,"Sub":"bob"`:               false,
		`,"\u017fub":"bob"`:          false, // long s, which folds to s
		`,"Roles":["admin"]`:         false,
		`,"EXP":99999999999`:         false,
		`,"x":{"a":1,"a":2}`:         false,
		`,"roles":"admin"`:           false,
		`,"roles":[1]`:               false,
		",\"x\":\"\xff\"":            false,
		`,"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64): false,
	} {
		if got := w.accepts(w.token("ann", more)); got != want {
			t.Errorf("%s: accepted is %v, want %v", more, got, want)
		}
	}
	exp := w.now.Add(time.Hour).Unix()
	for _, payload := range []string{`"ann"`, `[]`, `null`, ``, `{"sub":"ann"`, fmt.Sprintf(`{"sub":"ann","exp":%d}{}`, exp), fmt.Sprintf(`{"exp":%d}`, exp), fmt.Sprintf(`{"sub":7,"exp":%d}`, exp)} {
		if w.accepts(jws(secretBytes("token"), hs256, payload)) {
			t.Errorf("%s: accepted", payload)
		}
	}
}

func TestWhoCanBeAUser(t *testing.T) {
	w := newWorld(t)
	for name, want := range map[string]bool{
		"ann": true, "a b,c;d=\"e\"": true, "Äñn/../ü@x": true, strings.Repeat("x", 256): true,
		"": false, strings.Repeat("x", 257): false, "ann\n": false, "ann\x00": false, "a\u0085b": false, "\ufffd": false,
	} {
		if got := w.accepts(w.token(name)); got != want {
			t.Errorf("%q: accepted is %v, want %v", name, got, want)
		}
	}
	if w.accepts(jws(secretBytes("token"), hs256, fmt.Sprintf(`{"sub":"\ud800","exp":%d}`, w.now.Add(time.Hour).Unix()))) {
		t.Error("half a character was accepted: two such users would share a channel")
	}
}

func TestWhereTheTokenIs(t *testing.T) {
	w := newWorld(t)
	good, other := w.token("ann"), w.token("bob")
	tests := []struct {
		name   string
		header []string
		want   bool
	}{
		{"bearer", []string{"Authorization", "Bearer " + good}, true},
		{"bearer in lower case", []string{"Authorization", "bearer " + good}, true},
		{"cookie", []string{"Cookie", "access_token=" + good}, true},
		{"the same cookie twice", []string{"Cookie", "access_token=" + good + "; access_token=" + good}, true},
		{"nothing", nil, false},
		{"basic", []string{"Authorization", "Basic " + good}, false},
		{"two headers", []string{"Authorization", "Bearer " + good, "Authorization", "Bearer " + good}, false},
		{"bad bearer, good cookie", []string{"Authorization", "Bearer x", "Cookie", "access_token=" + good}, false},
		{"two cookies that differ", []string{"Cookie", "access_token=" + good + "; access_token=" + other}, false},
		{"another cookie", []string{"Cookie", "token=" + good}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := w.ask("GET", "/api/sse", "", tt.header...)
			if got := a.Code == http.StatusTemporaryRedirect; got != tt.want {
				t.Errorf("got %d, want it accepted: %v", a.Code, tt.want)
			}
		})
	}
	if a := w.ask("GET", "/api/sse?access_token="+good, ""); a.Code != http.StatusUnauthorized {
		t.Errorf("got %d for a token in the query", a.Code)
	}
}

// TestRefuseWeakSecrets: keys are long and have one purpose (S08).
func TestRefuseWeakSecrets(t *testing.T) {
	if _, err := grip.SecretKey(make([]byte, 31)); err == nil {
		t.Error("a secret of 31 bytes was taken")
	}
	good := newWorld(t).cfg
	for name, edit := range map[string]func(*gateway.Config){
		"ticket and grip":   func(c *gateway.Config) { c.GripKeys = c.TicketKeys },
		"ticket and token":  func(c *gateway.Config) { c.TicketKeys = append(slices.Clone(c.TicketKeys), c.Issuers[0].Key) },
		"grip and token":    func(c *gateway.Config) { c.Issuers = []gateway.Issuer{{Key: c.GripKeys[0]}} },
		"public ticket key": func(c *gateway.Config) { c.TicketKeys = []grip.Key{keyPairs(t)[1].public(t)} },
		"two kinds": func(c *gateway.Config) {
			c.Issuers = []gateway.Issuer{{Key: c.Issuers[0].Key, JWKS: "https://issuer.test/keys"}}
		},
	} {
		cfg := good
		edit(&cfg)
		if _, err := gateway.New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
