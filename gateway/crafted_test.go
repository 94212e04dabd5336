package gateway_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ebb-events/ebb/gateway"
)

// forger has what an attacker can have: an issuer's name, kid, algorithm and
// public key, tokens of the issuer's for others, and keys of his own.
type forger struct {
	iss, kid, alg string
	public        [][]byte // the public key, in every form that could be taken for a secret
	sign          func([]byte) []byte
	own           func([]byte) []byte // with a key of his own, of the same type
	now           time.Time
}

// TestCraftedTokens: of 300 tokens made to get in, none does. Each issuer's own
// one does, so that what refuses the others is what was done to them.
func TestCraftedTokens(t *testing.T) {
	pairs := keyPairs(t)
	mine := keyPairs(t)
	w := newWorld(t, func(c *gateway.Config) {
		c.Issuers = []gateway.Issuer{
			{Name: "https://rs.test", Namespace: "rs", Audiences: []string{"ebb"}, JWKS: "https://rs.test/keys"},
			{Name: "https://es.test", Namespace: "es", Audiences: []string{"ebb"}, Key: pairs[1].public(t)},
			{Name: "https://ed.test", Namespace: "ed", Audiences: []string{"ebb"}, KeySet: []byte(keySet(jose.JSONWebKey{Key: pairs[2].private.Public(), KeyID: "kid-1"}))},
			{Name: "https://hs.test", Namespace: "hs", Audiences: []string{"ebb"}, Key: secret(t, "token")},
		}
		c.Transport = answers(func(from string) string {
			if from != "https://rs.test/keys" {
				t.Errorf("asked %s", from)
			}
			return keySet(jose.JSONWebKey{Key: pairs[0].private.Public(), KeyID: "kid-1"})
		})
	})
	forgers := []forger{
		{iss: "https://rs.test", alg: "RS256", public: pairs[0].forms(t), sign: pairs[0].sign, own: mine[0].sign},
		{iss: "https://es.test", alg: "ES256", public: pairs[1].forms(t), sign: pairs[1].sign, own: mine[1].sign},
		{iss: "https://ed.test", alg: "EdDSA", public: pairs[2].forms(t), sign: pairs[2].sign, own: mine[2].sign},
		{iss: "https://hs.test", alg: "HS256", public: [][]byte{nil, []byte("secret"), []byte("https://hs.test"), make([]byte, 32)}, sign: hs(secretBytes("token")), own: hs(secretBytes("mine"))},
	}
	count, accepted := 0, 0
	for i, f := range forgers {
		f.kid, f.now = "kid-1", w.now
		if !w.accepts(f.token(f.header(), f.claims(), f.sign)) {
			t.Fatalf("%s: its own token was refused", f.iss)
		}
		other := forgers[(i+1)%len(forgers)]
		for name, token := range f.crafted(other, mine[2]) {
			count++
			if w.accepts(token) {
				accepted++
				t.Errorf("%s: %s was accepted: %s", f.iss, name, token)
			}
		}
	}
	if count < 300 {
		t.Errorf("%d tokens, want 300 at least", count)
	}
	t.Logf("%d crafted tokens, %d accepted", count, accepted)
}

func (f forger) header() string { return fmt.Sprintf(`{"alg":%q,"kid":%q}`, f.alg, f.kid) }

// claims are good ones, with more.
func (f forger) claims(more ...string) string {
	return fmt.Sprintf(`{"sub":"ann","iss":%q,"aud":"ebb","exp":%d%s}`, f.iss, f.now.Add(time.Hour).Unix(), strings.Join(more, ""))
}

func (f forger) token(header, claims string, sign func([]byte) []byte) string {
	signed := b64(header) + "." + b64(claims)
	return signed + "." + b64(string(sign([]byte(signed))))
}

// crafted returns tokens that must all be refused, by what is wrong with them.
func (f forger) crafted(other forger, mine keyPair) map[string]string {
	all := map[string]string{}
	for _, part := range []map[string]string{f.forged(other), f.headers(mine), f.wrongClaims(other), f.shapes()} {
		for name, token := range part {
			all[name] = token
		}
	}
	return all
}

// forged have a signature that is none, or not the issuer's.
func (f forger) forged(other forger) map[string]string {
	all := map[string]string{
		"signed by another issuer": f.token(f.header(), f.claims(), other.sign),
		"of another issuer's alg":  f.token(fmt.Sprintf(`{"alg":%q,"kid":"kid-1"}`, other.alg), f.claims(), other.sign),
		"signed with own key":      f.token(f.header(), f.claims(), f.own),
		"without kid, by own key":  f.token(fmt.Sprintf(`{"alg":%q}`, f.alg), f.claims(), f.own),
	}
	good := f.token(f.header(), f.claims(), f.sign)
	head, sig := good[:strings.LastIndex(good, ".")+1], f.sign([]byte(good[:strings.LastIndex(good, ".")]))
	for name, s := range map[string][]byte{
		"no signature": nil, "a byte": {0}, "zeros": make([]byte, len(sig)), "ones": bytes.Repeat([]byte{255}, len(sig)),
		"a signature cut short": sig[:len(sig)-1], "a longer signature": append(slices.Clone(sig), 0), "half a signature": sig[:len(sig)/2],
		"signature twice": append(slices.Clone(sig), sig...), "DER zeros": {0x30, 6, 2, 1, 0, 2, 1, 0},
	} {
		all[name] = head + b64(string(s))
	}
	for _, at := range []int{0, len(sig) / 2, len(sig) - 1} {
		flipped := slices.Clone(sig)
		flipped[at] ^= 1
		all[fmt.Sprint("a bit flipped at ", at)] = head + b64(string(flipped))
	}
	all["another user's name under a good signature"] = b64(f.header()) + "." + b64(strings.Replace(f.claims(), "ann", "bob", 1)) + "." + b64(string(sig))
	all["another header over a good signature"] = b64(strings.Replace(f.header(), "{", `{"typ":"JWT",`, 1)) + "." + b64(f.claims()) + "." + b64(string(sig))
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		header := fmt.Sprintf(`{"alg":%q,"kid":%q}`, alg, f.kid)
		all["alg "+alg+" without signature"] = b64(header) + "." + b64(f.claims()) + "."
		all["alg "+alg+" with signature"] = f.token(header, f.claims(), f.sign)
	}
	for i, key := range f.public {
		all[fmt.Sprint("HS256 with what is public ", i)] = f.token(`{"alg":"HS256","kid":"kid-1"}`, f.claims(), hs(key))
		all[fmt.Sprint("HS512 with what is public ", i)] = f.token(`{"alg":"HS512","kid":"kid-1"}`, f.claims(), hs512(key))
	}
	for _, alg := range []string{"HS384", "RS1", "RS384", "PS256", "ES256K", "ES384", "Ed448", "A128KW", "dir", "hs256", "RS256 "} {
		if alg != f.alg {
			all["alg "+alg+" over its own signature"] = f.token(fmt.Sprintf(`{"alg":%q,"kid":%q}`, alg, f.kid), f.claims(), f.sign)
		}
	}
	return all
}

// headers say where another key is, or mean something that we do not know.
func (f forger) headers(mine keyPair) map[string]string {
	jwk, _ := json.Marshal(jose.JSONWebKey{Key: mine.private.Public(), KeyID: "kid-1"})
	der, _ := x509.MarshalPKIXPublicKey(mine.private.Public())
	all := map[string]string{}
	for _, more := range []string{
		`"jku":"https://evil.test/keys"`, `"x5u":"https://evil.test/cert"`, `"jwk":` + string(jwk),
		`"x5c":["` + base64.StdEncoding.EncodeToString(der) + `"]`, `"jku":"file:///dev/null"`, `"url":"https://evil.test"`,
	} {
		all["own key at "+more] = f.token(fmt.Sprintf(`{"alg":"EdDSA","kid":"kid-1",%s}`, more), f.claims(), mine.sign)
		all["own key of its type at "+more] = f.token(fmt.Sprintf(`{"alg":%q,%s}`, f.alg, more), f.claims(), f.own)
	}
	for _, kid := range []string{
		`"../../../dev/null\u0000"`, `"C:\\keys"`, `"x' UNION SELECT 'a"`, `"https://evil.test/"`, `"kid-1\u0000"`, `"kid-1 "`,
		`"` + strings.Repeat("k", 65) + `"`, `7`, `null,"kid":["kid-1"]`, `{"a":1}`, `"| id"`, `"ключ"`,
	} {
		all["kid "+kid] = f.token(fmt.Sprintf(`{"alg":%q,"kid":%s}`, f.alg, kid), f.claims(), f.sign)
	}
	for _, more := range []string{
		`"crit":["exp"],"exp":1`, `"crit":["b64"],"b64":true`, `"crit":[]`, `"b64":false`, `"typ":"id+jwt"`, `"typ":"logout+jwt"`, `"typ":"JWE"`,
		`"typ":"dpop+jwt"`, `"typ":"secevent+jwt"`, `"typ":7`, `"typ":["JWT"]`, `"alg":"none"`,
	} {
		all["header "+more] = f.token(fmt.Sprintf(`{"alg":%q,"kid":%q,%s}`, f.alg, f.kid, more), f.claims(), f.sign)
	}
	return all
}

// wrongClaims are signed well, but are not for us, of now, or of anybody.
func (f forger) wrongClaims(other forger) map[string]string {
	at := func(d time.Duration) int64 { return f.now.Add(d).Unix() }
	base := func(claims string, args ...any) string { return fmt.Sprintf("{"+claims+"}", args...) }
	exp := fmt.Sprintf(`"exp":%d`, at(time.Hour))
	to := fmt.Sprintf(`"iss":%q,"aud":"ebb",`, f.iss)
	all := map[string]string{}
	for _, claims := range []string{
		base(`"sub":"ann","iss":%q,"aud":"ebb",%s`, other.iss, exp), base(`"sub":"ann","iss":%q,"aud":"ebb",%s`, f.iss+"/", exp),
		base(`"sub":"ann","iss":%q,"aud":"ebb",%s`, strings.ToUpper(f.iss), exp), base(`"sub":"ann","aud":"ebb",%s`, exp),
		base(`"sub":"ann","iss":[%q],"aud":"ebb",%s`, f.iss, exp), base(`"sub":"ann","iss":null,"aud":"ebb",%s`, exp),
		base(`"sub":"ann","iss":%q,"iss":%q,"aud":"ebb",%s`, other.iss, f.iss, exp), base(`"sub":"ann","Iss":%q,"aud":"ebb",%s`, f.iss, exp),
		base(`"sub":"ann","iss":%q,%s`, f.iss, exp), base(`"sub":"ann","iss":%q,"aud":"orders",%s`, f.iss, exp),
		base(`"sub":"ann","iss":%q,"aud":["orders","web"],%s`, f.iss, exp), base(`"sub":"ann","iss":%q,"aud":[],%s`, f.iss, exp),
		base(`"sub":"ann","iss":%q,"aud":{"ebb":1},%s`, f.iss, exp), base(`"sub":"ann","iss":%q,"aud":["ebb",1],%s`, f.iss, exp),
		base(to + `"sub":"ann"`), base(to+`"sub":"ann","exp":%d`, at(-61*time.Second)), base(to+`"sub":"ann","exp":"%d"`, at(time.Hour)),
		base(to + `"sub":"ann","exp":null`), base(to + `"sub":"ann","exp":true`), base(to + `"sub":"ann","exp":1e300`),
		base(to + `"sub":"ann","exp":-1`), base(to + `"sub":"ann","exp":9223372036854775807`), base(to + `"sub":"ann","exp":{}`),
		base(to+`"sub":"ann","Exp":%d`, at(time.Hour)), base(to+`"sub":"ann",%s,"nbf":%d`, exp, at(61*time.Second)),
		base(to+`"sub":"ann",%s,"iat":%d`, exp, at(61*time.Second)), base(to+`"sub":"ann",%s,"nbf":"now"`, exp),
		base(to + exp), base(to + `"sub":"",` + exp), base(to + `"sub":null,` + exp), base(to + `"sub":7,` + exp), base(to + `"sub":["ann"],` + exp),
		base(to + `"sub":"ann\n",` + exp), base(to + `"sub":"ann\u0000",` + exp), base(to + `"sub":"\ud800",` + exp),
		base(to + `"Sub":"ann",` + exp), base(to + `"sub":"ann","SUB":"bob",` + exp), base(to + `"sub":"ann","s\u0075b":"bob",` + exp),
		base(to+`"sub":%q,%s`, strings.Repeat("x", 257), exp), base(to + "\"sub\":\"\xff\"," + exp),
		base(to + `"sub":"ann","roles":"admin",` + exp), base(to + `"sub":"ann","roles":[["admin"]],` + exp), base(to + `"sub":"ann","Roles":["admin"],` + exp),
		base(to + `"sub":"ann","at_hash":"x",` + exp), base(to + `"sub":"ann","typ":"Refresh",` + exp),
		base(to + `"sub":"ann","x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `,` + exp),
		base(to+`"sub":"ann",%s,"x":{"a":1,"a":2}`, exp), f.claims() + f.claims(), f.claims() + " x", "[" + f.claims() + "]", `"ann"`, "null", "", "{", "\xef\xbb\xbf" + f.claims(),
	} {
		all["claims "+claims] = f.token(f.header(), claims, f.sign)
	}
	return all
}

// shapes are a good token in other clothes.
func (f forger) shapes() map[string]string {
	good := f.token(f.header(), f.claims(), f.sign)
	parts := strings.Split(good, ".")
	return map[string]string{
		"a dot more": good + ".", "a dot before": "." + good, "two parts": parts[0] + "." + parts[1], "one part": parts[0], "swapped": parts[1] + "." + parts[0] + "." + parts[2],
		"padded": parts[0] + "=." + parts[1] + "=." + parts[2], "a space": good + " x", "a line end": good + "\n", "a NUL": good + "\x00", "quoted": `"` + good + `"`,
		"JSON":  fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts[1], parts[0], parts[2]),
		"twice": good + good, "many dots": good + strings.Repeat(".", 5000), "too long": f.token(f.header(), f.claims(`,"x":"`+strings.Repeat("y", 8<<10)+`"`), f.sign),
		"as JWE":        b64(`{"alg":"dir","enc":"A128GCM","zip":"DEF"}`) + ".." + parts[0] + "." + parts[1] + "." + parts[2],
		"nested":        f.token(strings.Replace(f.header(), "}", `,"cty":"JWT"}`, 1), good, f.sign),
		"in plain text": f.header() + "." + f.claims() + "." + parts[2], "of base64 with + and /": strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+/",
	}
}

func hs(key []byte) func([]byte) []byte {
	return func(b []byte) []byte { m := hmac.New(sha256.New, key); m.Write(b); return m.Sum(nil) }
}

func hs512(key []byte) func([]byte) []byte {
	return func(b []byte) []byte { m := hmac.New(sha512.New, key); m.Write(b); return m.Sum(nil) }
}

// sign makes a signature of the form that JWTs have.
func (k keyPair) sign(b []byte) []byte {
	sum := sha256.Sum256(b)
	var sig []byte
	var err error
	switch key := k.private.(type) {
	case *rsa.PrivateKey:
		sig, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	case ed25519.PrivateKey:
		sig = ed25519.Sign(key, b)
	case *ecdsa.PrivateKey:
		r, s, failed := ecdsa.Sign(rand.Reader, key, sum[:])
		sig, err = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), failed
	}
	if err != nil {
		panic(err) // a key of the test's own
	}
	return sig
}

// forms are the public key as bytes that a verifier could take for a secret.
func (k keyPair) forms(t testing.TB) [][]byte {
	text := k.pem(t)
	der, err1 := x509.MarshalPKIXPublicKey(k.private.Public())
	jwk, err2 := json.Marshal(jose.JSONWebKey{Key: k.private.Public(), KeyID: "kid-1"})
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return [][]byte{text, bytes.TrimSpace(text), der, jwk, []byte(base64.StdEncoding.EncodeToString(der)), nil}
}
