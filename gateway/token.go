package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ebb-events/ebb"
)

const (
	maxToken   = 8 << 10 // bytes
	maxKid     = 64      // bytes
	tokenChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	kidChars   = tokenChars + "+/="
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
	token, cookie, err := g.accessToken(r)
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
func (g *Gateway) accessToken(r *http.Request) (token string, cookie bool, err error) {
	if auth := r.Header.Values("Authorization"); len(auth) > 0 {
		scheme, token, _ := strings.Cut(auth[0], " ")
		if len(auth) > 1 || !strings.EqualFold(scheme, "Bearer") {
			return "", false, errors.New("authorization is no bearer token")
		}
		return token, false, nil
	}
	for _, c := range r.CookiesNamed(g.cfg.Cookie) {
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
	by, err := c.issuer(signed.UnsafePayloadWithoutVerification())
	if err != nil {
		return identity{}, err
	}
	v, err := by.find(ctx, header.KeyID)
	if err != nil {
		return identity{}, err
	}
	alg := jose.SignatureAlgorithm(header.Algorithm)
	if !slices.Contains(v.algs, alg) || !slices.Contains(by.algs, alg) {
		return identity{}, errors.New("not an algorithm of its key")
	}
	payload, err := signed.Verify(v.key)
	if err != nil {
		return identity{}, errors.New("wrong signature")
	}
	return by.identity(payload, c.now())
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
