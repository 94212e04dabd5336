package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
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
	if err := asSafe(doc.JWKS, issuer); err != nil {
		return "", fmt.Errorf("its jwks_uri is refused: %w", err)
	}
	return doc.JWKS, nil
}

// asSafe tells whether a URL out of a document may be fetched like that of the
// document: not with less security, nor from an address that nobody has
// configured.
func asSafe(jwks, issuer string) error {
	u, err := webURL(jwks)
	if err != nil {
		return err
	}
	own, err := webURL(issuer)
	if err != nil {
		return err
	}
	if u.Scheme == "http" && own.Scheme == "https" {
		return errors.New("it is not encrypted")
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil && u.Hostname() != own.Hostname() {
		return errors.New("it has the address of another host in place of a name")
	}
	return nil
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
