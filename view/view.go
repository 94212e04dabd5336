// Package view keeps the latest state of every instance in memory, for
// reading.
//
// What was read of the topics is one piece: when a log was cut or made anew,
// all of it is forgotten and read again, and readers wait for that.
package view

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"
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
	cfg   Config
	cur   atomic.Pointer[reading]
	scans chan struct{} // holds one for each list that is filtered now
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
	// Filters leave half of the processors to everything else.
	v := &View{cfg: cfg, scans: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
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
