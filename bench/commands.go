package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Commands measures a service: the time from a command to its reply, how many
// commands a second it executes, and how long it takes until it has its states
// back. Service and broker are processes of their own.
type Commands struct {
	Program string   // path of ebb; required
	Kafka   []string // a Kafka to measure on, with topics made for it; the embedded broker if none
	Name    string   // of that broker, for the table
	Only    []string // of [CommandParts]; all if nil
	Stores  []string // where the service keeps its states, for restoring: memory, disk; memory if nil

	Load      int           // commands for the throughput; 300,000 if zero
	Instances int           // that they are for; 10,000 if zero
	Rate      int           // commands a second, for the latency; 100 if zero
	Warmup    time.Duration // before the latency is measured; 3 s if zero
	Time      time.Duration // of measuring it; 20 s if zero
	States    int           // instances to restore; 1,000,000 if zero
	StateSize int           // bytes of each, as stored; 300 if zero, at least [MinState]

	Settle   time.Duration                     // most time to let memory settle; 20 s if zero
	Progress func(step string, done, want int) // is told of progress, one call at a time; may be nil

	service string // path of the program that is measured
}

// CommandParts are what can be measured of a service.
var CommandParts = []string{"throughput", "latency", "restore"}

// MinState is the least of a state that can be restored: it is what all have.
const MinState = 260

// Serving is what a [Commands] measured. What was not is nil.
type Serving struct {
	Commands Commands // as it was measured
	Waiting  *Executed
	Arriving *Executed
	Replies  *Taken
	Restored []Restored
}

func (c Commands) complete() (Commands, error) {
	if c.Program == "" {
		return c, errors.New("bench: Program is required")
	}
	for _, n := range []struct {
		to   *int
		none int
	}{{&c.Load, 300_000}, {&c.Instances, 10_000}, {&c.Rate, 100}, {&c.States, 1_000_000}, {&c.StateSize, 300}} {
		if *n.to < 0 {
			return c, errors.New("bench: numbers must not be negative")
		}
		if *n.to == 0 {
			*n.to = n.none
		}
	}
	if c.StateSize < MinState {
		return c, fmt.Errorf("bench: states of %d bytes, want at least %d", c.StateSize, MinState)
	}
	for _, n := range []struct {
		to   *time.Duration
		none time.Duration
	}{{&c.Warmup, 3 * time.Second}, {&c.Time, 20 * time.Second}, {&c.Settle, 20 * time.Second}} {
		if *n.to == 0 {
			*n.to = n.none
		}
	}
	for _, part := range c.Only {
		if !slices.Contains(CommandParts, part) {
			return c, fmt.Errorf("bench: %q is none of the parts %s", part, strings.Join(CommandParts, ", "))
		}
	}
	for _, store := range c.Stores {
		if store != "memory" && store != "disk" {
			return c, fmt.Errorf("bench: the store %q is none of memory, disk", store)
		}
	}
	if c.Only == nil {
		c.Only = CommandParts
	}
	if c.Stores == nil {
		c.Stores = []string{"memory"}
	}
	if c.Name == "" {
		c.Name = "embedded broker"
	}
	if c.Progress == nil {
		c.Progress = func(string, int, int) {}
	}
	return c, nil
}

// Run measures one part after the other, each on a broker or on topics of its
// own.
func (c Commands) Run(ctx context.Context) (*Serving, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ebb-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := c.build(ctx, dir); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	s := &Serving{Commands: c}
	for _, part := range []struct {
		name string
		run  func(context.Context, *rig) error
	}{
		{"throughput", func(ctx context.Context, r *rig) (err error) { s.Waiting, err = c.waiting(ctx, r); return err }},
		{"throughput", func(ctx context.Context, r *rig) (err error) { s.Arriving, err = c.arriving(ctx, r); return err }},
		{"latency", func(ctx context.Context, r *rig) (err error) { s.Replies, err = c.replies(ctx, r); return err }},
		{"restore", func(ctx context.Context, r *rig) (err error) { s.Restored, err = c.restore(ctx, r); return err }},
	} {
		if !slices.Contains(c.Only, part.name) {
			continue
		}
		if err := c.with(ctx, part.run); err != nil {
			return nil, fmt.Errorf("bench: %s: %w", part.name, err)
		}
	}
	return s, nil
}

// with runs f with a rig of its own.
func (c Commands) with(ctx context.Context, f func(context.Context, *rig) error) error {
	r, err := c.begin(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f(ctx, r), r.end())
}
