// Package view keeps the latest state of every instance in memory, for
// reading.
//
// What was read of the topics is one piece: when a log was cut or made anew,
// all of it is forgotten and read again, and readers wait for that.
package view

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ebb-events/ebb"
)

// Config says what to keep.
type Config struct {
	Source  Source       // required
	Log     *slog.Logger // silent if nil
	Metrics Metrics      // each func may be nil
}

// Metrics is told what happens.
type Metrics struct {
	Read     func(records int) // off the topics
	Garbage  func()            // a record is no state
	Restarts func()            // everything is read anew
}

// View is the latest state of every instance.
type View struct {
	cfg Config
	cur atomic.Pointer[reading]
}

// New returns a view that is empty until [View.Run].
func New(cfg Config) (*View, error) {
	if cfg.Source == nil {
		return nil, errors.New("view: Source is required")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Metrics.Read == nil {
		cfg.Metrics.Read = func(int) {}
	}
	if cfg.Metrics.Garbage == nil {
		cfg.Metrics.Garbage = func() {}
	}
	if cfg.Metrics.Restarts == nil {
		cfg.Metrics.Restarts = func() {}
	}
	v := &View{cfg: cfg}
	v.cur.Store(newReading())
	return v, nil
}

// Run follows the topics until ctx ends.
func (v *View) Run(ctx context.Context) error {
	const shortest, longest = 100 * time.Millisecond, 10 * time.Second
	for wait := shortest; ; wait = min(2*wait, longest) {
		began := time.Now()
		err := v.cfg.Source.Follow(ctx, v.take)
		if ctx.Err() != nil {
			return nil
		}
		close(v.cur.Swap(newReading()).over)
		v.cfg.Metrics.Restarts()
		if time.Since(began) > longest {
			wait = shortest
		}
		v.cfg.Log.Warn("reading all states anew", "in", wait, "cause", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
	}
}

// Get returns the state of an instance without _jwt, nil if there is none that
// u may read. It waits until the type was read as far as its topic went when
// it was first asked for or, if fresh, as far as it goes now.
func (v *View) Get(ctx context.Context, typ, id string, u ebb.User, fresh bool) (json.RawMessage, error) {
	r, topic, err := v.await(ctx, typ, fresh)
	if err != nil {
		return nil, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if s, ok := r.states[topic][strings.ToLower(id)]; ok && s.acl.Allows(u, ebb.ActionGet) {
		return s.json, nil
	}
	return nil, nil
}

// List returns the states of a type that u may read, sorted by id. It waits as
// [View.Get] does.
func (v *View) List(ctx context.Context, typ string, u ebb.User, fresh bool) ([]json.RawMessage, error) {
	r, topic, err := v.await(ctx, typ, fresh)
	if err != nil {
		return nil, err
	}
	type item struct {
		id   string
		json json.RawMessage
	}
	var found []item
	r.mu.RLock()
	for id, s := range r.states[topic] {
		if s.acl.Allows(u, ebb.ActionGet) {
			found = append(found, item{id, s.json})
		}
	}
	r.mu.RUnlock()

	slices.SortFunc(found, func(a, b item) int { return strings.Compare(a.id, b.id) })
	list := make([]json.RawMessage, len(found))
	for i, it := range found {
		list[i] = it.json
	}
	return list, nil
}

// await returns a reading that has come far enough, and the type's topic.
func (v *View) await(ctx context.Context, typ string, fresh bool) (*reading, string, error) {
	for {
		r := v.cur.Load()
		if topic, ok := r.known(typ); ok && !fresh {
			return r, topic, nil
		}
		ends, err := v.cfg.Source.Ends(ctx, typ)
		if err != nil {
			return nil, "", err
		}
		switch again, err := r.wait(ctx, typ, ends); {
		case err != nil:
			return nil, "", err
		case !again:
			topic, _ := r.known(typ)
			return r, topic, nil
		}
	}
}
