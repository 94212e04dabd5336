// Package connector carries replies from their topics to the channels of the
// users they are for: one record of the channel log per recipient, without the
// sender's claims.
//
// What a poll gives is appended in its order and confirmed only after that, so
// a failure at any moment repeats replies and never loses one. Every record
// says where it came from, which is how an edge knows a repeat; so there is
// nothing here to fence, and a connector that was thought dead does no harm.
package connector

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ebb-events/ebb"
)

// Config says what to carry, and where to.
type Config struct {
	Source Source // required
	Sink   Sink   // required

	MaxEvent  int            // longest payload in bytes, a placeholder stands for others; 900,000 if zero
	EventName string         // of the SSE events; a plain message if empty
	NameField string         // the field of a reply that names its event instead; none if empty
	Exclude   []ebb.Username // users who hear nothing

	// Issuers are those whose users replies may be for, where there are
	// several: their iss, and the namespace of their users' names. Replies for
	// others are put aside. If it is empty, names are taken as they are.
	Issuers map[string]string

	Log     *slog.Logger // silent if nil
	Tracer  trace.Tracer // of OpenTelemetry, for replies; no traces if nil
	Metrics Metrics
}

// Metrics are told what happens. Each may be nil.
type Metrics struct {
	Carried   func(replies, events int)      // confirmed, with the events made of them
	Dead      func(reason string)            // a reply was put aside
	Truncated func()                         // a placeholder went out
	Failed    func()                         // an attempt failed, and will be repeated
	Gap       func(replies int64)            // replies were gone before anybody saw them
	Delay     func(sinceReply time.Duration) // the age of the oldest reply of a batch once it is in the log
}

// Connector carries replies.
type Connector struct {
	cfg        Config
	translator *Translator
}

// New returns a connector, or says what is wrong with cfg.
func New(cfg Config) (*Connector, error) {
	if cfg.Source == nil || cfg.Sink == nil {
		return nil, errors.New("connector: Source and Sink are required")
	}
	translator, err := NewTranslator(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Metrics = cfg.Metrics.complete()
	return &Connector{cfg, translator}, nil
}

func (m Metrics) complete() Metrics {
	if m.Carried == nil {
		m.Carried = func(int, int) {}
	}
	if m.Dead == nil {
		m.Dead = func(string) {}
	}
	if m.Truncated == nil {
		m.Truncated = func() {}
	}
	if m.Failed == nil {
		m.Failed = func() {}
	}
	if m.Gap == nil {
		m.Gap = func(int64) {}
	}
	if m.Delay == nil {
		m.Delay = func(time.Duration) {}
	}
	return m
}

// The pause after a failure doubles from one to the other.
const (
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
)

// Run carries replies until ctx ends. It is called once. Failures are repeated
// until they are none.
func (c *Connector) Run(ctx context.Context) error {
	c.cfg.Log.Info("carrying replies")
	defer c.cfg.Log.Info("carrying replies ended")
	pause := time.Duration(0)
	for {
		err := c.step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && pause > 0:
			c.cfg.Log.Info("carrying replies again")
			pause = 0
		case err != nil:
			c.cfg.Metrics.Failed()
			if pause == 0 {
				c.cfg.Log.Warn("cannot carry replies, trying again", "error", err)
			}
			pause = min(max(2*pause, minPause), maxPause)
			if !sleep(ctx, pause/2+rand.N(pause/2)) {
				return nil
			}
		}
	}
}

// sleep tells whether it slept the whole time.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
