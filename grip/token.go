package grip

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// SigHeader carries the edge's signature to the back end.
const SigHeader = "Grip-Sig"

// TraceHeader names, as W3C's traceparent does, the span of the edge that a
// set-up call is of. Nobody but an edge can send it to a back end behind it.
const TraceHeader = "Grip-Trace"

// sigLife is how long a signature is good for.
const sigLife = 10 * time.Minute

// maxToken is the longest token that is looked at.
const maxToken = 8 << 10

// ErrUnauthorized is what verifying returns for everything that is not good.
var ErrUnauthorized = errors.New("grip: not authorized")

// Sign returns a token that says who issued it, good for ten minutes.
func (k Key) Sign(issuer string, now time.Time) (string, error) {
	if k.sign == nil {
		return "", errors.New("grip: signing needs a private key or a shared secret")
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.alg, Key: k.sign}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("grip: signing: %w", err)
	}
	claims := jwt.Claims{Issuer: issuer, Expiry: jwt.NewNumericDate(now.Add(sigLife))}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// Verify checks a token's signature and that it expires and has not. An issuer
// is asked for unless empty.
func (k Key) Verify(token, issuer string, now time.Time) error {
	if len(token) > maxToken || k.IsZero() {
		return ErrUnauthorized
	}
	t, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{k.alg})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnauthorized, err)
	}
	var claims jwt.Claims
	if err := t.Claims(k.verify, &claims); err != nil {
		return fmt.Errorf("%w: %w", ErrUnauthorized, err)
	}
	if claims.Expiry == nil {
		return fmt.Errorf("%w: no exp", ErrUnauthorized)
	}
	if err := claims.ValidateWithLeeway(jwt.Expected{Issuer: issuer, Time: now}, time.Minute); err != nil {
		return fmt.Errorf("%w: %w", ErrUnauthorized, err)
	}
	return nil
}

// FastlyKeyHeader is where publishers of Fastly's have their key.
const FastlyKeyHeader = "Fastly-Key"

// Authorize checks what a publisher shows: the key's bytes as a bearer token, as
// the password of Basic or as Fastly-Key, or a bearer JWT signed with it.
func (k Key) Authorize(r *http.Request, now time.Time) error {
	if token := r.Header.Get(FastlyKeyHeader); token != "" && r.Header.Get("Authorization") == "" {
		return k.opaque(token)
	}
	if _, password, ok := r.BasicAuth(); ok {
		return k.opaque(password)
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ErrUnauthorized
	}
	if k.opaque(token) == nil {
		return nil
	}
	return k.Verify(token, "", now)
}

// opaque compares a secret as it is, or as base64.
func (k Key) opaque(s string) error {
	secret, ok := k.verify.([]byte)
	if !ok {
		return ErrUnauthorized
	}
	decoded, err := base64.StdEncoding.DecodeString(s)
	if subtle.ConstantTimeCompare([]byte(s), secret) == 1 ||
		err == nil && subtle.ConstantTimeCompare(decoded, secret) == 1 {
		return nil
	}
	return ErrUnauthorized
}
