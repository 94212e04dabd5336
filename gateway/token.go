package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/grip"
)

// Tokens says how access tokens, which are signed JWTs, are checked: with one
// key, or with those that an issuer publishes. Never with both.
type Tokens struct {
	Key       grip.Key          // checks all tokens
	JWKS      string            // URL of the issuer's keys
	Transport http.RoundTripper // fetches them; net/http's if nil

	Issuer   string // iss that a token must have; any if empty
	Audience string // aud that a token must have; any if empty
}

const (
	cookieName = "access_token"
	maxToken   = 8 << 10     // bytes
	maxUser    = 256         // bytes
	leeway     = time.Minute // between our clock and the issuer's
	tokenChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	kidChars   = tokenChars + "+/="
	maxKid     = 64 // bytes
)

// identity is who sends a request.
type identity struct {
	user   ebb.User
	claims json.RawMessage
	ends   time.Time // what the token says
	cookie bool      // the browser sent it unasked
}

// identify checks the access token of a request.
func (g *Gateway) identify(r *http.Request) (identity, error) {
	token, cookie, err := accessToken(r)
	var who identity
	if err == nil {
		who, err = g.tokens.check(r.Context(), token)
		who.cookie = cookie
	}
	if errors.Is(err, errNoKeys) {
		return identity{}, away("The access token cannot be checked now.", err)
	}
	if err != nil {
		return identity{}, &problem{status: http.StatusUnauthorized, detail: "A valid access token is needed.", cause: err, reason: "token"}
	}
	return who, nil
}

// accessToken returns the token of a request: the bearer's, else the cookie's.
func accessToken(r *http.Request) (token string, cookie bool, err error) {
	if auth := r.Header.Values("Authorization"); len(auth) > 0 {
		scheme, token, _ := strings.Cut(auth[0], " ")
		if len(auth) > 1 || !strings.EqualFold(scheme, "Bearer") {
			return "", false, errors.New("authorization is no bearer token")
		}
		return token, false, nil
	}
	for _, c := range r.CookiesNamed(cookieName) {
		if token != "" && token != c.Value {
			return "", false, errors.New("two cookies differ") // one was tossed in by a subdomain
		}
		token = c.Value
	}
	if token == "" {
		return "", false, errors.New("no token")
	}
	return token, true, nil
}

// checker checks access tokens.
type checker struct {
	Tokens
	one  verifier
	keys *keySet // nil if there is one key
	algs []jose.SignatureAlgorithm
	now  func() time.Time
}

// verifier is a public key or a shared secret, and what it is good for.
type verifier struct {
	key  any
	algs []jose.SignatureAlgorithm
}

func newChecker(t Tokens, now func() time.Time, log *slog.Logger) (*checker, error) {
	c := &checker{Tokens: t, now: now}
	switch {
	case t.Key.IsZero() && t.JWKS == "":
		return nil, nil
	case !t.Key.IsZero() && t.JWKS != "":
		return nil, errors.New("want Key or JWKS, not both")
	case t.JWKS == "":
		c.algs = []jose.SignatureAlgorithm{t.Key.Algorithm()}
		c.one = verifier{t.Key.Verifier(), c.algs}
		return c, nil
	}
	u, err := url.Parse(t.JWKS)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("JWKS must be a URL, http or https")
	}
	c.keys = newKeySet(u, t.Transport, now, log)
	c.algs = slices.Concat(rsaAlgs, []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA})
	return c, nil
}

// check returns who a token belongs to. Errors say nothing about its content.
func (c *checker) check(ctx context.Context, token string) (identity, error) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 || strings.Trim(token, tokenChars) != "" {
		return identity{}, errors.New("too long, or not three parts of base64url")
	}
	signed, err := jose.ParseSignedCompact(token, c.algs)
	if err != nil {
		return identity{}, errors.New("not a JWT, or of an algorithm that is not allowed")
	}
	header := signed.Signatures[0].Protected
	if err := checkHeader(header); err != nil {
		return identity{}, err
	}
	v := c.one
	if c.keys != nil {
		if v, err = c.keys.find(ctx, header.KeyID); err != nil {
			return identity{}, err
		}
	}
	if !slices.Contains(v.algs, jose.SignatureAlgorithm(header.Algorithm)) {
		return identity{}, errors.New("not an algorithm of its key")
	}
	payload, err := signed.Verify(v.key)
	if err != nil {
		return identity{}, errors.New("wrong signature")
	}
	return c.claims(payload)
}

func checkHeader(h jose.Header) error {
	if len(h.KeyID) > maxKid || strings.Trim(h.KeyID, kidChars) != "" {
		return errors.New("kid is not one of ours")
	}
	if _, ok := h.ExtraHeaders["crit"]; ok {
		return errors.New("header has an extension")
	}
	typ, ok := h.ExtraHeaders["typ"]
	name, _ := typ.(string)
	switch strings.TrimPrefix(strings.ToLower(name), "application/") {
	case "jwt", "at+jwt":
		ok = false
	}
	if ok {
		return errors.New("typ is not that of an access token")
	}
	return nil
}

// claims judges the payload of a token whose signature is good.
func (c *checker) claims(payload []byte) (identity, error) {
	m, err := ebb.ParseMessage(payload)
	if err != nil || plain(payload) != nil {
		return identity{}, errors.New("claims are no plain JSON object")
	}
	for name := range m {
		for _, known := range []string{"sub", "roles", "iss", "aud", "exp", "nbf", "iat", "jti"} {
			if name != known && strings.EqualFold(name, known) {
				return identity{}, errors.New("a claim in unusual case") // whoever reads it may take it for the other
			}
		}
	}
	var std jwt.Claims
	var user ebb.User
	if json.Unmarshal(payload, &std) != nil || json.Unmarshal(payload, &user) != nil {
		return identity{}, errors.New("a claim of the wrong type")
	}
	if std.Expiry == nil {
		return identity{}, errors.New("no exp")
	}
	want := jwt.Expected{Issuer: c.Issuer, Time: c.now()}
	if c.Audience != "" {
		want.AnyAudience = jwt.Audience{c.Audience}
	}
	if err := std.ValidateWithLeeway(want, leeway); err != nil {
		return identity{}, err
	}
	if !validUser(user.Name) {
		return identity{}, errors.New("sub is empty, too long, or has control characters")
	}
	return identity{user: user, claims: payload, ends: std.Expiry.Time()}, nil
}

// validUser tells whether a name can be a channel. U+FFFD stands for what is
// not Unicode: different names would become the same one.
func validUser(name string) bool {
	return name != "" && len(name) <= maxUser && !strings.ContainsFunc(name, func(r rune) bool {
		return r == utf8.RuneError || unicode.IsControl(r)
	})
}
