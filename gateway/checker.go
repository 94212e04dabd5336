package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ebb-events/ebb"
)

// checker checks access tokens.
type checker struct {
	issuers []*trusted
	sets    []*keySet // that are fetched
	algs    []jose.SignatureAlgorithm
	now     func() time.Time
}

func newChecker(issuers []Issuer, client *http.Client, now func() time.Time, log *slog.Logger) (*checker, error) {
	if len(issuers) == 0 {
		return nil, nil
	}
	c := &checker{now: now}
	if err := distinct(issuers); err != nil {
		return nil, err
	}
	bySource := map[source]*keySet{}
	fetched := func(at source) *keySet {
		if bySource[at] == nil {
			bySource[at] = &keySet{source: at, client: client, now: now, log: log}
			c.sets = append(c.sets, bySource[at])
		}
		return bySource[at]
	}
	for n, i := range issuers {
		t, err := newTrusted(i, fetched)
		if err != nil {
			return nil, fmt.Errorf("issuer %s: %w", nameOf(i, n), err)
		}
		if i.Key.IsZero() && len(i.Audiences) == 0 {
			log.Warn("tokens that an issuer makes for any application are taken: it has no audience", "issuer", nameOf(i, n))
		}
		c.issuers = append(c.issuers, t)
		c.algs = append(c.algs, t.algs...)
	}
	slices.Sort(c.algs)
	c.algs = slices.Compact(c.algs)
	return c, nil
}

// nameOf is what to call the issuer at place n in errors.
func nameOf(i Issuer, n int) string {
	if i.Name != "" {
		return fmt.Sprintf("%q", i.Name)
	}
	return fmt.Sprint(n + 1)
}

// distinct wants several issuers to be told from each other, so that no user
// of one is a user of another.
func distinct(issuers []Issuer) error {
	if len(issuers) < 2 {
		return nil
	}
	names, namespaces, secrets := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for n, i := range issuers {
		secret := ""
		if i.Key.Secret() != nil {
			secret = i.Key.ID()
		}
		switch {
		case i.Name == "":
			return fmt.Errorf("issuer %d: it needs a Name, as there are several", n+1)
		case i.Namespace == "":
			return fmt.Errorf("issuer %q: it needs a Namespace, as there are several", i.Name)
		case names[i.Name]:
			return fmt.Errorf("issuer %q: it is there twice", i.Name)
		case namespaces[i.Namespace]:
			return fmt.Errorf("issuer %q: another one has its Namespace %q", i.Name, i.Namespace)
		case secrets[secret]:
			return fmt.Errorf("issuer %q: another one has its secret, and could make its tokens", i.Name)
		}
		names[i.Name], namespaces[i.Namespace], secrets[secret] = true, true, secret != ""
	}
	return nil
}

// issuer returns who says to have issued a token. Nothing is believed yet: it
// is looked up among the configured ones, whose keys decide.
func (c *checker) issuer(payload []byte) (*trusted, error) {
	if len(c.issuers) == 1 {
		return c.issuers[0], nil
	}
	m, err := ebb.ParseMessage(payload)
	if err != nil || plain(payload) != nil {
		return nil, errNotPlain
	}
	name := m.String("iss")
	for _, t := range c.issuers {
		if t.Name == name {
			return t, nil
		}
	}
	return nil, errors.New("of no issuer that is known")
}

// KeepKeys keeps the issuers' keys fresh until ctx ends. Without it they are
// fetched by the requests that need them.
func (g *Gateway) KeepKeys(ctx context.Context) error {
	var all sync.WaitGroup
	if g.tokens != nil {
		for _, set := range g.tokens.sets {
			all.Go(func() { set.keep(ctx) })
		}
	}
	all.Wait()
	<-ctx.Done()
	return nil
}
