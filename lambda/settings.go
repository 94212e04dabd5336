package lambda

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/ebb-events/ebb/grip"
)

// Settings is a function's environment. What is wrong with it is collected, and
// told by Err all at once.
type Settings struct {
	Log *slog.Logger

	lookup  func(name string) string
	resolve func(text string) (string, error) // what a reference means
	errs    []error
}

// Err says what was wrong with the variables that were read.
func (s *Settings) Err() error { return errors.Join(s.errs...) }

func (s *Settings) wrong(name string, err error) {
	s.errs = append(s.errs, fmt.Errorf("%s: %w", name, err))
}

var errMissing = errors.New("it is required")

// Text returns a variable, empty if it is not there.
func (s *Settings) Text(name string) string { return s.lookup(name) }

// Required returns a variable that must be there.
func (s *Settings) Required(name string) string {
	v := s.lookup(name)
	if v == "" {
		s.wrong(name, errMissing)
	}
	return v
}

// List returns what stands between commas.
func (s *Settings) List(name string) (list []string) {
	for one := range strings.SplitSeq(s.lookup(name), ",") {
		if one = strings.TrimSpace(one); one != "" {
			list = append(list, one)
		}
	}
	return list
}

// Duration returns a time like 60s.
func (s *Settings) Duration(name string) time.Duration {
	d, err := parse(s, name, time.ParseDuration)
	if err == nil && d < 0 {
		s.wrong(name, errors.New("it cannot be negative"))
	}
	return d
}

// Int returns a whole number.
func (s *Settings) Int(name string) int {
	n, _ := parse(s, name, strconv.Atoi)
	return n
}

// Bool returns whether a variable is true.
func (s *Settings) Bool(name string) bool {
	b, _ := parse(s, name, strconv.ParseBool)
	return b
}

// parse reads a variable that may not be there.
func parse[T any](s *Settings, name string, read func(string) (T, error)) (v T, err error) {
	text := s.lookup(name)
	if text == "" {
		return v, nil
	}
	if v, err = read(text); err != nil {
		s.wrong(name, err)
	}
	return v, err
}

// Key returns a key, the zero key if there is none. One that could be guessed
// is refused.
func (s *Settings) Key(name string) grip.Key { return s.key(name, s.lookup(name)) }

func (s *Settings) key(name, text string) grip.Key {
	if text == "" {
		return grip.Key{}
	}
	text, err := s.resolve(text)
	if err != nil {
		s.wrong(name, err)
		return grip.Key{}
	}
	k, err := grip.ParseKey(text)
	if err == nil {
		err = k.Strong()
	}
	if err != nil {
		s.wrong(name, err)
	}
	return k
}

// Keys returns a key that must be there, and the one before it (name_OLD), if
// there is one that can be had.
func (s *Settings) Keys(name string) []grip.Key {
	keys := []grip.Key{s.Key(name)}
	if s.lookup(name) == "" {
		s.wrong(name, errMissing)
	}
	before := len(s.errs)
	old := s.Key(name + "_OLD")
	if len(s.errs) > before && isReference(s.lookup(name+"_OLD")) {
		// A secret that was never rotated has no former value.
		s.Log.Info("no former key", "name", name+"_OLD", "cause", s.errs[before])
		s.errs, old = s.errs[:before], grip.Key{}
	}
	if !old.IsZero() && old.ID() != keys[0].ID() {
		keys = append(keys, old)
	}
	return keys
}

// opaque returns a secret that is sent as it is.
func (s *Settings) opaque(name string) string {
	text, err := s.resolve(s.lookup(name))
	if err != nil {
		s.wrong(name, err)
	}
	return strings.TrimSpace(text)
}
