package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/grip"
)

// Issuer is somebody whose access tokens, which are signed JWTs, are good.
//
// Its keys are Key, KeySet or those at JWKS. With none of these Name is the
// URL of an OpenID provider, which tells where they are.
type Issuer struct {
	Name       string        // iss of its tokens; one issuer alone may leave it empty, for any
	Namespace  string        // what its users' names begin with, before a colon; several issuers need one each
	Audiences  []string      // a token must be for one of them; any will do if none
	Algorithms []string      // what its tokens may be signed with; whatever its keys are for if none
	MaxLife    time.Duration // how long a token may still be good at most; any time if zero

	Key    grip.Key // checks all its tokens
	KeySet []byte   // its keys, as a JSON Web Key Set
	JWKS   string   // URL where its keys are
}

// trusted is an issuer as it is used.
type trusted struct {
	Issuer
	algs []jose.SignatureAlgorithm
	find func(ctx context.Context, kid string) (verifier, error)
}

// verifier is a public key or a shared secret, and what it is good for.
type verifier struct {
	key  any
	algs []jose.SignatureAlgorithm
}

// newTrusted finds the fetched keys with fetched, which is asked for at most
// one set.
func newTrusted(i Issuer, fetched func(source) *keySet) (*trusted, error) {
	t := &trusted{Issuer: i, algs: slices.Concat(rsaAlgs, ecAlgs)}
	if err := i.check(); err != nil {
		return nil, err
	}
	switch {
	case !i.Key.IsZero():
		one := verifier{i.Key.Verifier(), []jose.SignatureAlgorithm{i.Key.Algorithm()}}
		if len(i.Algorithms) > 0 {
			one.algs = algsOf(one.key)
		}
		t.algs = one.algs
		t.find = func(context.Context, string) (verifier, error) { return one, nil }
	case i.KeySet != nil:
		keys, err := parseKeySet(i.KeySet)
		if err != nil {
			return nil, fmt.Errorf("KeySet: %w", err)
		}
		t.find = func(_ context.Context, kid string) (verifier, error) {
			if v, ok := keys[kid]; ok {
				return v, nil
			}
			return verifier{}, errUnknownKey
		}
	default:
		at, err := i.source()
		if err != nil {
			return nil, err
		}
		t.find = fetched(at).find
	}
	return t, t.narrow()
}

func (i Issuer) check() error {
	given := 0
	for _, yes := range []bool{!i.Key.IsZero(), i.KeySet != nil, i.JWKS != ""} {
		if yes {
			given++
		}
	}
	switch {
	case given > 1:
		return errors.New("want one of Key, KeySet and JWKS")
	case i.Namespace != "" && !ebb.ValidNamespace(i.Namespace):
		return fmt.Errorf("its Namespace is %q, want 1 to 16 of a-z and 0-9", i.Namespace)
	case slices.Contains(i.Audiences, ""):
		return errors.New("an audience is empty")
	case i.MaxLife < 0:
		return errors.New("MaxLife cannot be negative")
	}
	return nil
}

// source returns where the keys are to be fetched.
func (i Issuer) source() (source, error) {
	if i.JWKS != "" {
		if _, err := webURL(i.JWKS); err != nil {
			return source{}, errors.New("JWKS must be a URL, http or https")
		}
		return source{jwks: i.JWKS}, nil
	}
	if u, err := webURL(i.Name); err != nil || u.RawQuery != "" || u.Fragment != "" {
		return source{}, errors.New("without Key, KeySet and JWKS its Name must be the URL of an OpenID provider, http or https")
	}
	return source{issuer: i.Name}, nil
}

// webURL reads a URL that can be fetched.
func webURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("no URL, http or https")
	}
	return u, nil
}

// narrow leaves the algorithms that were chosen.
func (t *trusted) narrow() error {
	if len(t.Algorithms) == 0 {
		return nil
	}
	good := t.algs
	t.algs = nil
	for _, name := range t.Algorithms {
		alg := jose.SignatureAlgorithm(name)
		if !slices.Contains(good, alg) {
			return fmt.Errorf("its Algorithms have %.20q, its keys can be for %v", name, good)
		}
		t.algs = append(t.algs, alg)
	}
	return nil
}
