package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// source is where an issuer publishes its keys: at a URL, or at one that its
// OpenID configuration names.
type source struct{ jwks, issuer string }

// host names the place in a log: the rest of a URL may be secret.
func (s source) host() string {
	u, err := url.Parse(s.jwks + s.issuer) // one of them is empty
	if err != nil {
		return ""
	}
	return u.Host
}

// fetch returns the keys that are there now.
func (s source) fetch(ctx context.Context, client *http.Client) (map[string]verifier, error) {
	jwks := s.jwks
	if jwks == "" {
		var err error
		if jwks, err = discover(ctx, client, s.issuer); err != nil {
			return nil, fmt.Errorf("OpenID configuration: %w", err)
		}
	}
	b, err := get(ctx, client, jwks)
	if err != nil {
		return nil, err
	}
	return parseKeySet(b)
}

// discover returns where an OpenID provider has its keys (OpenID Connect
// Discovery 1.0). Its own word is taken for it, and for nobody else.
func discover(ctx context.Context, client *http.Client, issuer string) (jwks string, err error) {
	b, err := get(ctx, client, strings.TrimRight(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	var doc struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if json.Unmarshal(b, &doc) != nil {
		return "", errors.New("not a JSON object")
	}
	if doc.Issuer != issuer {
		return "", fmt.Errorf("it is of issuer %.200q, want exactly %q", doc.Issuer, issuer)
	}
	u, err := webURL(doc.JWKS)
	if err != nil || u.Scheme == "http" && strings.HasPrefix(issuer, "https:") {
		return "", errors.New("its jwks_uri is no URL as safe as the issuer's own")
	}
	return doc.JWKS, nil
}

// get fetches a document of bounded size.
func get(ctx context.Context, client *http.Client, from string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		var withURL *url.Error
		for errors.As(err, &withURL) {
			err = withURL.Err // its query may be secret
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet+1))
	if err == nil && len(b) > maxKeySet {
		err = fmt.Errorf("it has more than %d bytes", maxKeySet)
	}
	return b, err
}
