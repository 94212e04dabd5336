package dev

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// loginLife is how long a login lasts.
const loginLife = 12 * time.Hour

// login answers POST {"user": "ann", "roles": ["clerk"]} with a token, which
// it also sets as a cookie.
func login(keys Keys) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var who struct {
			User  string   `json:"user"`
			Roles []string `json:"roles"`
		}
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&who)
		if err != nil || !validUser(who.User) {
			problem(w, http.StatusBadRequest, `Log in with {"user": "ann"}: a name of 1 to 200 bytes without control characters.`)
			return
		}
		token, err := keys.token(who.User, who.Roles, time.Now())
		if err != nil {
			problem(w, http.StatusInternalServerError, "No token could be made.")
			return
		}
		http.SetCookie(w, &http.Cookie{
			Name: "access_token", Value: token, Path: "/", MaxAge: int(loginLife / time.Second),
			HttpOnly: true, SameSite: http.SameSiteStrictMode,
			Secure: r.TLS != nil, // not every browser keeps such a one without TLS, on this machine either
		})
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(map[string]string{"access_token": token})
	})
}

func validUser(name string) bool {
	return len(name) >= 1 && len(name) <= 200 && !strings.ContainsFunc(name, unicode.IsControl)
}

// token says who somebody is, for as long as a login lasts.
func (k Keys) token(user string, roles []string, now time.Time) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.login}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	claims := map[string]any{
		"iss": Issuer, "aud": Issuer, "sub": user,
		"iat": jwt.NewNumericDate(now), "exp": jwt.NewNumericDate(now.Add(loginLife)),
	}
	if len(roles) > 0 {
		claims["roles"] = roles
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": detail,
	})
}
