package gateway

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

const minRSA = 2048 // bits

var (
	rsaAlgs = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}
	ecAlgs  = []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}
)

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
		if _, secret := k.Key.([]byte); secret {
			continue // what is published is none
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

// algsOf returns what a key of that type is good for. A shared secret has as
// many bits as the hash at least.
func algsOf(key any) []jose.SignatureAlgorithm {
	switch k := key.(type) {
	case []byte:
		algs := []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512}
		return algs[:min(max(len(k)/16-1, 0), len(algs))]
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
