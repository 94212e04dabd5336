package kafka

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ebb-events/ebb/internal/dial"
)

const (
	tokenTimeout = 5 * time.Second // of asking for a token
	maxToken     = 16 << 10        // bytes of one
)

// usable says what is wrong with a token, which may be opaque, without telling
// anything of it.
func usable(token string) error {
	if token == "" || len(token) > maxToken {
		return fmt.Errorf("a token of %d bytes", len(token))
	}
	if strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return errors.New("a token with characters that none has")
	}
	if exp := expiry(token); !exp.IsZero() && time.Now().After(exp) {
		return fmt.Errorf("the token expired at %s: whoever renews it is late", exp.UTC().Format(time.RFC3339))
	}
	return nil
}

// expiry is when a JWT says that it expires, zero if it does not.
func expiry(token string) time.Time {
	var claims struct{ Exp float64 }
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	b, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(b, &claims) != nil || claims.Exp <= 0 || claims.Exp > 1e11 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Exp), 0)
}

// TokenURL gives tokens by OAuth 2.0's client credentials, each until four
// fifths of its life are over.
type TokenURL struct {
	URL    string // https, or http to this machine
	Client string // the client's id
	Secret Secret // and its secret
	Scope  string // what to ask for; nothing if empty

	mu    sync.Mutex
	token string
	until time.Time // when the next is asked for
	ends  time.Time // when it is good for nothing any more
}

// Check says what is wrong with the settings.
func (t *TokenURL) Check() error {
	u, err := url.Parse(t.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("the URL for tokens is none")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("the URL for tokens must be https: the client's secret goes there")
	case t.Client == "" || t.Secret == nil:
		return errors.New("the URL for tokens needs a client's id and secret")
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Token is a [Secret]. While a token is good it is given to all who ask; one
// asks for the next. If there is none to be had, the last one serves to its end.
func (t *TokenURL) Token(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.until) {
		return t.token, nil
	}
	began := time.Now()
	token, life, err := t.ask(ctx)
	if err != nil {
		if now := time.Now(); now.Add(tokenTimeout).Before(t.ends) {
			t.until = now.Add(tokenTimeout)
			return t.token, nil
		}
		return "", fmt.Errorf("asking for a token: %w", err)
	}
	t.token, t.until, t.ends = token, began.Add(life*4/5), began.Add(life)
	return token, nil
}

// ask asks once.
func (t *TokenURL) ask(ctx context.Context) (token string, life time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	secret, err := t.Secret(ctx)
	if err != nil {
		return "", 0, err
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if t.Scope != "" {
		form.Set("scope", t.Scope)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, errors.New("the URL for tokens is none")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(url.QueryEscape(t.Client), url.QueryEscape(secret)) // RFC 6749, 2.3.1
	transport := dial.Transport(dial.Dialer{})
	transport.Proxy = http.ProxyFromEnvironment
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req) // which follows no redirect
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Token string  `json:"access_token"`
		Life  float64 `json:"expires_in"`
		Error string  `json:"error"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 4*maxToken)).Decode(&answer)
	switch {
	case resp.StatusCode != http.StatusOK:
		return "", 0, fmt.Errorf("%s answers %d %.60q", req.URL.Host, resp.StatusCode, answer.Error)
	case err != nil || answer.Token == "":
		return "", 0, fmt.Errorf("%s answers without a token", req.URL.Host)
	}
	life = time.Duration(answer.Life) * time.Second
	if exp := expiry(answer.Token); answer.Life <= 0 && !exp.IsZero() {
		life = time.Until(exp)
	}
	return answer.Token, min(max(life, 0), 24*time.Hour), nil
}
