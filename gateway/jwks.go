package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/ebb-events/ebb/internal/dial"
)

const (
	keysFresh   = 10 * time.Minute // then they are fetched again
	keysStale   = time.Hour        // after which they are not used, if that fails
	keysRefetch = 10 * time.Second // least time after a failure, and between fetches for kids that are not there
	keysTimeout = 5 * time.Second  // of one fetch
	maxKeySet   = 1 << 20          // bytes
)

var (
	errNoKeys     = errors.New("the issuer's keys cannot be had")
	errUnknownKey = errors.New("no key with that kid")
)

// keySet caches the keys that an issuer publishes. Only a kid that it does not
// know, or age, makes it ask again, and one request at a time does.
type keySet struct {
	source source
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	mu       sync.Mutex
	keys     map[string]verifier
	good     time.Time     // when keys was fetched
	tried    time.Time     // when that was last begun
	asked    time.Time     // when a kid that was not there last made it begin
	away     bool          // the last one failed
	fetching chan struct{} // closed at the end of the fetch that goes on
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
		case s.away && now.Sub(s.tried) < keysRefetch:
			return verifier{}, errNoKeys
		case !known && now.Sub(s.asked) < keysRefetch:
			return verifier{}, errUnknownKey
		default:
			if !known {
				s.asked = now
			}
			// Others wait for it too, so it does not end with this request.
			s.refresh(context.WithoutCancel(ctx))
		}
	}
}

// keep keeps the keys fresh until ctx ends, so that no request waits for them.
func (s *keySet) keep(ctx context.Context) {
	for {
		timer := time.NewTimer(s.renew(ctx))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// renew fetches the keys and returns when to do that again.
func (s *keySet) renew(ctx context.Context) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetching == nil {
		s.refresh(ctx)
	} else if s.wait(ctx) != nil {
		return 0
	}
	if s.away {
		return keysRefetch
	}
	return keysFresh - time.Minute
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
	s.tried = s.now()
	s.fetching = make(chan struct{})
	defer func() {
		close(s.fetching)
		s.fetching = nil
	}()
	keys, err := func() (map[string]verifier, error) {
		s.mu.Unlock()
		defer s.mu.Lock()
		ctx, cancel := context.WithTimeout(ctx, keysTimeout)
		defer cancel()
		return s.source.fetch(ctx, s.client)
	}()
	was := s.away
	s.away = err != nil
	switch {
	case err == nil && was:
		s.log.Info("issuer's keys fetched again", "host", s.source.host())
	case err != nil && !was:
		s.log.Warn("issuer's keys not fetched", "host", s.source.host(), "cause", err)
	}
	if err == nil {
		s.keys, s.good = keys, s.tried
	}
}

// keysClient fetches keys and follows no redirect.
func keysClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		t := dial.Transport(dial.Dialer{})
		t.Proxy = http.ProxyFromEnvironment // often the only way out to an issuer
		transport = t
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       keysTimeout,
	}
}
