package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ebb-events/ebb/internal/dial"
)

const (
	keysFresh   = 10 * time.Minute // then they are fetched again
	keysStale   = time.Hour        // after which they are not used, if that fails
	keysRefetch = 10 * time.Second // least time between two fetches
	keysTimeout = 5 * time.Second  // of one fetch
	maxKeySet   = 1 << 20          // bytes
	minRSA      = 2048             // bits
)

var (
	errNoKeys     = errors.New("the issuer's keys cannot be had")
	errUnknownKey = errors.New("no key with that kid")
)

var rsaAlgs = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}

// keySet caches the keys that an issuer publishes. Only a kid that it does not
// know, or age, makes it ask again, and one request at a time does.
type keySet struct {
	url    *url.URL
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	mu       sync.Mutex
	keys     map[string]verifier
	good     time.Time     // when keys was fetched
	tried    time.Time     // when that was last begun
	fetching chan struct{} // closed at the end of the fetch that goes on
}

func newKeySet(u *url.URL, transport http.RoundTripper, now func() time.Time, log *slog.Logger) *keySet {
	if transport == nil {
		t := dial.Transport(dial.Dialer{})
		t.Proxy = http.ProxyFromEnvironment // often the only way out to an issuer
		transport = t
	}
	return &keySet{
		url: u,
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       keysTimeout,
		},
		now: now,
		log: log,
	}
}

// find returns the key with that id. It is errNoKeys if there may be one.
func (s *keySet) find(ctx context.Context, kid string) (verifier, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		now := s.now()
		age := now.Sub(s.good)
		v, known := s.keys[kid]
		known = known && age < keysStale
		switch {
		case known && (age < keysFresh || now.Sub(s.tried) < keysRefetch):
			return v, nil
		case s.fetching != nil:
			if err := s.wait(ctx); err != nil {
				return verifier{}, err
			}
		case now.Sub(s.tried) >= keysRefetch:
			s.tried = now
			s.refresh(ctx)
		case s.good.Equal(s.tried): // the last fetch went well
			return verifier{}, errUnknownKey
		default:
			return verifier{}, errNoKeys
		}
	}
}

// wait lets the fetch that goes on finish, without the lock.
func (s *keySet) wait(ctx context.Context) error {
	done := s.fetching
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNoKeys, ctx.Err())
	}
}

// refresh fetches the keys, without the lock. If it fails they stay.
func (s *keySet) refresh(ctx context.Context) {
	s.fetching = make(chan struct{})
	defer func() {
		close(s.fetching)
		s.fetching = nil
	}()
	keys, err := func() (map[string]verifier, error) {
		s.mu.Unlock()
		defer s.mu.Lock()
		// Others wait for it too, so it does not end with this request.
		return s.fetch(context.WithoutCancel(ctx))
	}()
	if err != nil {
		s.log.Warn("issuer's keys not fetched", "host", s.url.Host, "cause", err)
		return
	}
	s.keys, s.good = keys, s.tried
}

func (s *keySet) fetch(ctx context.Context) (map[string]verifier, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
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
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet))
	if err != nil {
		return nil, err
	}
	return parseKeySet(b)
}

// parseKeySet leaves out keys that are not for us, but wants one that is.
func parseKeySet(b []byte) (map[string]verifier, error) {
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, errors.New("not a JSON key set")
	}
	keys := map[string]verifier{}
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) != nil || k.KeyID == "" || k.Use != "" && k.Use != "sig" {
			continue
		}
		algs := algsOf(k.Key)
		if k.Algorithm != "" {
			algs = slices.DeleteFunc(algs, func(a jose.SignatureAlgorithm) bool { return string(a) != k.Algorithm })
		}
		if _, twice := keys[k.KeyID]; len(algs) > 0 && !twice {
			keys[k.KeyID] = verifier{k.Key, algs}
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no key in it that can be used")
	}
	return keys, nil
}

// algsOf returns what a public key of that type is good for, never a secret.
func algsOf(key any) []jose.SignatureAlgorithm {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSA {
			return slices.Clone(rsaAlgs)
		}
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return []jose.SignatureAlgorithm{jose.ES256}
		case 384:
			return []jose.SignatureAlgorithm{jose.ES384}
		case 521:
			return []jose.SignatureAlgorithm{jose.ES512}
		}
	case ed25519.PublicKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}
	}
	return nil
}
