package gateway_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ebb-events/ebb/gateway"
)

const keysURL = "https://issuer.test/keys?secret=canary"

// issuer publishes keys. It is a transport, so that time can be faked.
type issuer struct {
	mu    sync.Mutex
	body  string
	code  int
	err   error
	delay time.Duration
	asked []string
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.asked = append(i.asked, r.URL.String())
	body, code, err, delay := i.body, i.code, i.err, i.delay
	i.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	if code == 0 {
		code = 200
	}
	return &http.Response{
		StatusCode: code,
		Header:     http.Header{"Location": {"https://evil.test/keys"}},
		Body:       io.NopCloser(strings.NewReader(body)),
		Request:    r,
	}, nil
}

// change lets the issuer behave in another way.
func (i *issuer) change(do func(*issuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	do(i)
}

func (i *issuer) times() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.asked)
}

func keySet(keys ...jose.JSONWebKey) string {
	b, _ := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	return string(b)
}

// withIssuer returns a gateway that trusts i, by the bubble's clock.
func withIssuer(t *testing.T, i *issuer) *world {
	w := newWorld(t, func(c *gateway.Config) {
		c.Issuers, c.Transport = []gateway.Issuer{{JWKS: keysURL}}, i
		c.Now = time.Now
	})
	w.now = time.Now()
	return w
}

// opens returns the status for a token.
func (w *world) opens(token string) int {
	w.t.Helper()
	return w.ask("POST", "/api/sse", "", "Authorization", "Bearer "+token).Code
}

func TestJWKSChoosesTheKeyByItsID(t *testing.T) {
	pairs := keyPairs(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{body: strings.Replace(keySet(
			jose.JSONWebKey{Key: pairs[0].private.Public(), KeyID: "rsa"},
			jose.JSONWebKey{Key: pairs[0].private.Public(), KeyID: "rs256", Algorithm: "RS256", Use: "sig"},
			jose.JSONWebKey{Key: pairs[0].private.Public(), KeyID: "odd", Algorithm: "HS256"},
			jose.JSONWebKey{Key: pairs[0].private.Public(), KeyID: "enc", Use: "enc"},
			jose.JSONWebKey{Key: pairs[1].private.Public(), KeyID: "ec+/="},
			jose.JSONWebKey{Key: curve.Public(), KeyID: "ec384"},
			jose.JSONWebKey{Key: pairs[2].private.Public(), KeyID: "ed"},
			jose.JSONWebKey{Key: small.Public(), KeyID: "small"},
			jose.JSONWebKey{Key: secretBytes("token"), KeyID: "secret"},
			jose.JSONWebKey{Key: pairs[1].private, KeyID: "private"},
			jose.JSONWebKey{Key: pairs[2].private.Public()},
			jose.JSONWebKey{Key: pairs[2].private.Public(), KeyID: "rsa"},
		), `[`, `[{"kty":"new"},7,{"kty":"EC","kid":"broken"},`, 1)}
		w := withIssuer(t, i)
		tests := []struct {
			alg  jose.SignatureAlgorithm
			key  any
			kid  string
			want int
		}{
			{jose.RS256, pairs[0].private, "rsa", 200},
			{jose.PS512, pairs[0].private, "rsa", 200},
			{jose.RS256, pairs[0].private, "rs256", 200},
			{jose.PS256, pairs[0].private, "rs256", 401},
			{jose.RS256, pairs[0].private, "odd", 401},
			{jose.RS256, pairs[0].private, "enc", 401},
			{jose.ES256, pairs[1].private, "ec+/=", 200},
			{jose.ES384, curve, "ec384", 200},
			{jose.EdDSA, pairs[2].private, "ed", 200},
			{jose.ES256, pairs[1].private, "ed", 401},
			{jose.RS256, small, "small", 401},
			{jose.HS256, secretBytes("token"), "secret", 401},
			{jose.ES256, pairs[1].private, "private", 401},
			{jose.EdDSA, pairs[2].private, "", 401},
			{jose.EdDSA, pairs[2].private, "rsa", 401},
			{jose.EdDSA, pairs[2].private, "no such", 401},
		}
		for _, tt := range tests {
			if got := w.opens(w.signWith(tt.alg, tt.key, tt.kid)); got != tt.want {
				t.Errorf("%s with %q: got %d, want %d", tt.alg, tt.kid, got, tt.want)
			}
		}
		if n := i.times(); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
	})
}

// TestJWKSFaults: keys that were good stay so for an hour, whatever the issuer
// does, and what cannot be checked is not let in.
func TestJWKSFaults(t *testing.T) {
	pair := keyPairs(t)[1]
	good := keySet(jose.JSONWebKey{Key: pair.private.Public(), KeyID: "a"})
	for name, fault := range map[string]func(*issuer){
		"down":     func(i *issuer) { i.err = errors.New("no route") },
		"slow":     func(i *issuer) { i.delay = time.Minute },
		"500":      func(i *issuer) { i.code = 500 },
		"redirect": func(i *issuer) { i.code = 302 },
		"empty":    func(i *issuer) { i.body = "" },
		"no keys":  func(i *issuer) { i.body = `{"keys":[]}` },
		"HTML":     func(i *issuer) { i.body = "<html>" },
		"huge":     func(i *issuer) { i.body = strings.Repeat(" ", 1<<20) + good },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := &issuer{body: good}
				i.change(fault)
				w := withIssuer(t, i)
				token := w.signWith(jose.ES256, pair.private, "a")
				began := time.Now()
				if got := w.opens(token); got != 503 {
					t.Errorf("got %d without keys, want 503", got)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("took %v, want at most 5 s", took)
				}
				i.change(func(i *issuer) { i.body, i.code, i.err, i.delay = good, 0, nil, 0 })
				time.Sleep(10 * time.Second)
				if got := w.opens(token); got != 200 {
					t.Errorf("got %d when the issuer is back", got)
				}
				i.change(fault)
				for _, tt := range []struct {
					after time.Duration
					want  int
				}{{9 * time.Minute, 200}, {40 * time.Minute, 200}, {15 * time.Minute, 503}} {
					time.Sleep(tt.after)
					w.now = time.Now()
					token := w.signWith(jose.ES256, pair.private, "a")
					if got := w.opens(token); got != tt.want {
						t.Errorf("%v later: got %d, want %d", tt.after, got, tt.want)
					}
				}
				for _, u := range i.asked {
					if u != keysURL {
						t.Errorf("asked %s", u)
					}
				}
			})
		})
	}
}

func TestUnknownKeyAsksAtMostEveryTenSeconds(t *testing.T) {
	pair := keyPairs(t)[1]
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{body: keySet(jose.JSONWebKey{Key: pair.private.Public(), KeyID: "a"})}
		w := withIssuer(t, i)
		for n := range 600 {
			if got := w.opens(w.signWith(jose.ES256, pair.private, fmt.Sprint("x", n))); got != 401 {
				t.Fatalf("got %d for an unknown key", got)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := i.times(); n < 5 || n > 7 {
			t.Errorf("asked %d times in a minute, want 6", n)
		}
		i.change(func(i *issuer) { i.body = keySet(jose.JSONWebKey{Key: pair.private.Public(), KeyID: "b"}) })
		time.Sleep(10 * time.Second)
		if got := w.opens(w.signWith(jose.ES256, pair.private, "b")); got != 200 {
			t.Errorf("got %d for a key that is new", got)
		}
		if got := w.opens(w.signWith(jose.ES256, pair.private, "a")); got != 401 {
			t.Errorf("got %d for a key that was withdrawn", got)
		}
		n := i.times()
		for range 100 {
			w.opens(w.signWith(jose.ES256, pair.private, "b")[:100] + ".AAAA")
		}
		if i.times() != n {
			t.Error("a bad signature made it ask again")
		}
	})
}

func TestOneFetchServesAll(t *testing.T) {
	pair := keyPairs(t)[1]
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{body: keySet(jose.JSONWebKey{Key: pair.private.Public(), KeyID: "a"}), delay: 3 * time.Second}
		w := withIssuer(t, i)
		token := w.signWith(jose.ES256, pair.private, "a")
		all := func() (delayed int32) {
			var n atomic.Int32
			var wait sync.WaitGroup
			for range 50 {
				wait.Go(func() {
					began := time.Now()
					if got := w.opens(token); got != 200 {
						t.Errorf("got %d", got)
					}
					if time.Since(began) > 0 {
						n.Add(1)
					}
				})
			}
			wait.Wait()
			return n.Load()
		}
		all()
		if n := i.times(); n != 1 {
			t.Errorf("50 requests asked %d times", n)
		}
		time.Sleep(11 * time.Minute)
		if n := all(); n != 1 {
			t.Errorf("%d requests waited though there were keys, want the one that asks", n)
		}
		if n := i.times(); n != 2 {
			t.Errorf("50 requests with old keys made it %d times", n)
		}
	})
}

// TestJWKSUrlNeverFromToken: a token cannot say where its key is (S03).
func TestJWKSUrlNeverFromToken(t *testing.T) {
	pair := keyPairs(t)[1]
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{body: keySet(jose.JSONWebKey{Key: pair.private.Public(), KeyID: "a"})}
		w := withIssuer(t, i)
		jwt := b64(`{"alg":"ES256","kid":"evil","jku":"https://evil.test/keys","x5u":"https://evil.test/x"}`) + "." +
			b64(`{"iss":"https://evil.test","sub":"ann","exp":99999999999}`) + "." + strings.Repeat("A", 86)
		if got := w.opens(jwt); got != 401 {
			t.Errorf("got %d", got)
		}
		for _, u := range i.asked {
			if u != keysURL {
				t.Errorf("asked %s", u)
			}
		}
	})
}

// TestKeysAreFreshBeforeTheyAreNeeded: with KeepKeys no request waits for them, and
// an issuer that is away at the start harms nobody.
func TestKeysAreFreshBeforeTheyAreNeeded(t *testing.T) {
	pair := keyPairs(t)[1]
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{err: errors.New("no route"), delay: time.Second}
		w := withIssuer(t, i)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.gw.KeepKeys(ctx) }()
		defer func() {
			stop()
			if err := <-done; err != nil {
				t.Errorf("KeepKeys: %v", err)
			}
		}()
		time.Sleep(5 * time.Second)
		i.change(func(i *issuer) {
			i.err, i.body = nil, keySet(jose.JSONWebKey{Key: pair.private.Public(), KeyID: "a"})
		})
		time.Sleep(15 * time.Second)
		for range 60 {
			w.now = time.Now()
			began := time.Now()
			if got := w.opens(w.signWith(jose.ES256, pair.private, "a")); got != 200 {
				t.Errorf("got %d", got)
			}
			if took := time.Since(began); took > 0 {
				t.Errorf("a request waited %v for keys", took)
			}
			time.Sleep(time.Minute)
		}
		if n := i.times(); n < 7 || n > 9 {
			t.Errorf("asked %d times in an hour, want about 8", n)
		}
	})
}

// TestAwayIssuerIsToldOnce, and once that it is back.
func TestAwayIssuerIsToldOnce(t *testing.T) {
	pair := keyPairs(t)[1]
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		i := &issuer{err: errors.New("no route")}
		w := newWorld(t, func(c *gateway.Config) {
			c.Issuers, c.Transport, c.Now = []gateway.Issuer{{JWKS: keysURL, Audiences: []string{"ebb"}}}, i, time.Now
			c.Log = slog.New(slog.NewTextHandler(&log, nil))
		})
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
		defer stop()
		time.AfterFunc(5*time.Minute, func() {
			i.change(func(i *issuer) {
				i.err, i.body = nil, keySet(jose.JSONWebKey{Key: pair.private.Public(), KeyID: "a"})
			})
		})
		if err := w.gw.KeepKeys(ctx); err != nil {
			t.Error(err)
		}
		if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "not fetched") || !strings.Contains(got, "fetched again") {
			t.Errorf("logged %s", got)
		}
		if n := i.times(); n < 25 || n > 35 {
			t.Errorf("asked %d times, want every ten seconds while it was away", n)
		}
	})
}

// TestNewKeyIsFoundAtOnce though the keys have just been fetched, as long as no
// unknown kid was the reason.
func TestNewKeyIsFoundAtOnce(t *testing.T) {
	pairs := []keyPair{keyPairs(t)[1], keyPairs(t)[1]}
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{body: keySet(jose.JSONWebKey{Key: pairs[0].private.Public(), KeyID: "a"})}
		w := withIssuer(t, i)
		if got := w.opens(w.signWith(jose.ES256, pairs[0].private, "a")); got != 200 {
			t.Errorf("got %d", got)
		}
		time.Sleep(11 * time.Minute)
		w.now = time.Now()
		if got := w.opens(w.signWith(jose.ES256, pairs[0].private, "a")); got != 200 { // fetched for age
			t.Errorf("got %d", got)
		}
		i.change(func(i *issuer) { i.body = keySet(jose.JSONWebKey{Key: pairs[1].private.Public(), KeyID: "b"}) })
		time.Sleep(time.Second)
		if got := w.opens(w.signWith(jose.ES256, pairs[1].private, "b")); got != 200 {
			t.Errorf("got %d for a key that is new", got)
		}
	})
}
