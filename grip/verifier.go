package grip

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// Bounds of what a Verifier remembers.
const (
	maxKnown      = 1024 // signatures
	maxKnownToken = 1024 // bytes of one
)

// Verifier checks the signatures of requests. It remembers good ones until they
// expire: an edge signs many requests with one.
type Verifier struct {
	Keys   []Key  // any of them will do
	Issuer string // who must have signed; anybody if empty

	mu    sync.Mutex
	known map[string]time.Time // when they expire
}

// Verify checks a token as [Key.Verify] does.
func (v *Verifier) Verify(token string, now time.Time) error {
	v.mu.Lock()
	expires, ok := v.known[token]
	v.mu.Unlock()
	if ok && now.Before(expires) {
		return nil
	}
	err := ErrUnauthorized
	for _, k := range v.Keys {
		if err = k.Verify(token, v.Issuer, now); err == nil {
			v.remember(token, now)
			break
		}
	}
	return err
}

// remember notes a good token. Where there are too many, it forgets all: they
// are checked again.
func (v *Verifier) remember(token string, now time.Time) {
	expires := expiry(token)
	if len(token) > maxKnownToken || !now.Before(expires) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil || len(v.known) >= maxKnown {
		v.known = map[string]time.Time{}
	}
	v.known[token] = expires
}

// expiry is when a good token expires.
func expiry(token string) time.Time {
	var claims struct {
		Exp float64 `json:"exp"`
	}
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	b, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(b, &claims) != nil {
		return time.Time{}
	}
	return time.Unix(int64(claims.Exp), 0)
}
