// Package aggregate turns commands into events, one instance at a time. A team
// writes a [Type]: the Go type of the state and a [Reducer] for every command.
//
//	type Counter struct {
//		Value int `json:"value"`
//	}
//
//	counters := aggregate.Type[Counter]{
//		Name: "plusminus-counter",
//		On: map[string]aggregate.Reducer[Counter]{
//			"plus": func(_ context.Context, c Counter, _ aggregate.Command) (Counter, error) {
//				c.Value++
//				return c, nil
//			},
//		},
//	}
//	err := counters.Run(ctx, log, aggregate.Config{})
//
// # What comes out
//
// Every command gets an answer on the reply topic, in order. One that changes
// something gives an event besides, whose _ops lead from the old state to the
// new. A batch of commands, their offsets, events, replies and states are one
// transaction: after an error nothing of it has happened, here too, and the
// batch is executed again. A batch writes each touched state once, at its end.
//
// A state record is the state with _id, _type and _seq, and the _corr, _jwt
// and _timestamp of its last event. Its headers carry what must outlive a
// restart: ebb-partitions, the topic's number of partitions; ebb-outcomes, the
// outcomes of the last 64 commands, so that a repeat is known as one; and
// ebb-at, how far the partition's commands were done with this batch, so that
// none is executed again if the group's offsets go back. A
// deleted instance keeps its record, with _deleted and no state: its _seq goes
// on. So does one that was never there and only refused commands: its _seq is
// -1. Whoever reads states takes both, by their _deleted, for absent.
//
// # The rules of a command
//
// [Type] says which commands there are; none is open by default. [Put],
// [Patch] and [Delete] are reducers that need no writing. Before a reducer
// comes the command's JSON Schema (Schemas), then the validator (Check); after
// it the state's (Schema). Schemas see the fields without an underscore. What
// they find is told at its place, with the keyword as the code. Give the fields
// that commands are decoded into a json tag: then a field in other letters,
// which no schema saw, is not taken for it.
//
// Of the fields with an underscore only _acl and _subscriptions are a state's.
//
// # Fields the Go type does not know
//
// They stay: what a reducer changed in its T is carried over to the state as
// it is stored, field by field through nested objects, but not within arrays.
// Numbers in untyped parts are [encoding/json.Number], so none is altered.
//
// # Unique values
//
// A type with Unique has one instance for each value, such as an account for
// each address. A service first puts commands under their values, on the topic
// <type>-unique, and executes them from there; that takes a second member of a
// group, Config.Unique. The _id of the first command stays the instance's, also
// when it was refused and when the instance is deleted: a later command makes
// the instance anew under the same _id, and its _seq goes on. Replies say which
// _id that is. A value never changes, for a command with another one is for
// another instance. So every command must carry it: one without it is rejected
// with the code UNIQUE. An _id is for one value, too, and whoever sends a command
// for a new one makes a new _id. A second value for an _id is rejected where
// that can be seen, which is in the same partition; elsewhere there would be two
// instances with one _id, and readers would see one of them.
//
// Values are the same if their JSON is, the order of fields and the writing of
// numbers apart. Letters are not: Unique itself puts addresses into lower case.
// To add Unique to a type that has states, or to take it away, is another type:
// the service refuses to start, for it would not find its instances.
package aggregate

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ebb-events/ebb"
)

// Type is an aggregate type: the commands that it has, and their rules.
type Type[T any] struct {
	Name string                // <app>-<type>
	On   map[string]Reducer[T] // by the command's name; put, patch and delete too are commands only if they are here

	Check   Validator[T]      // before every reducer, none if nil
	Schemas map[string]string // by the command's name: JSON Schema of its own fields
	Schema  string            // JSON Schema of the state's own fields, whatever command led to it

	FullEvents bool // write each event with the states before and after it to <type>-event-full, too
	BreakGlass bool // commands pass _acl if _jwt says breakingTheGlass, and are logged

	// Unique returns the value that tells instances apart, if their _id does
	// not: commands with the same value go to one instance, whatever their _id
	// is. It must be quick, and depend on the command's fields alone.
	Unique func(Command) (value any, ok bool)
}

// Reducer returns the state that a command leads to, or what is wrong with it:
// [Reject] for the sender's mistakes, any other error for its own failure.
//
// The state is the zero value where the instance does not exist; it is the
// reducer's to alter. Reducers run side by side for different instances, and
// again if the transaction fails. One that is not back when ctx ends has failed.
type Reducer[T any] func(ctx context.Context, state T, cmd Command) (T, error)

// Validator returns what is wrong with a command, as a [Reducer] does. It must
// not alter what state points to.
type Validator[T any] func(ctx context.Context, state T, cmd Command) error

// Config says how to run a type.
type Config struct {
	Environment string        // suffix of the topics, none if empty
	Deadline    time.Duration // most time for a reducer, 5 s if zero; far less once a batch took twice that
	Parallel    int           // instances executed at the same time, 16 if zero
	MaxBytes    int           // most bytes of a record, 1 MB if zero
	Unique      Log           // of the topic of unique values; for a type with Unique, and only then
	Store       Store         // holds the instances, of this service alone; memory if nil
	Logger      *slog.Logger  // silent if nil
	Tracer      trace.Tracer  // of OpenTelemetry, for commands; a reducer's context has its span; no traces if nil
	Metrics     Metrics

	watch func() (stood func() bool) // watchStill, but in tests
}

// Run executes the commands that log gives until ctx ends. It waits for a
// broker that is away, but returns at once what is wrong with t, cfg, or the
// stored state.
func (t Type[T]) Run(ctx context.Context, log Log, cfg Config) error {
	if (t.Unique == nil) != (cfg.Unique == nil) {
		return fmt.Errorf("aggregate: %s: Unique of the Type and Unique of the Config belong together", t.Name)
	}
	s, err := newService(t.Name, log, cfg)
	if err != nil {
		return err
	}
	if s.reducers, err = t.steps(s.room()); err != nil {
		return err
	}
	s.fullEvents, s.breakGlass = t.FullEvents, t.BreakGlass
	if t.Unique != nil {
		s.log, s.unique = cfg.Unique, true
		k := rekeyer{service: s, stage: log, value: t.Unique}
		return k.run(ctx)
	}
	return s.run(ctx)
}

func newService(typ string, log Log, cfg Config) (*service, error) {
	switch {
	case !ebb.ValidType(typ):
		return nil, fmt.Errorf("aggregate: Name is %q, want <app>-<type>", typ)
	case log == nil:
		return nil, fmt.Errorf("aggregate: %s: log is required", typ)
	}
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	cfg.Logger = cfg.Logger.With("type", typ)
	return &service{
		Config: cfg, typ: typ, log: log,
		wanted: map[int32]bool{}, held: map[int32]bool{}, done: map[int32]position{}, told: map[int32]bool{},
	}, nil
}

// fill checks cfg and puts in what is left out.
func (cfg *Config) fill() error {
	switch {
	case cfg.Deadline < 0 || cfg.Parallel < 0:
		return fmt.Errorf("aggregate: Deadline is %v and Parallel %d, want none or more", cfg.Deadline, cfg.Parallel)
	case cfg.MaxBytes != 0 && cfg.MaxBytes < 2*reserved:
		return fmt.Errorf("aggregate: MaxBytes is %d, want at least %d", cfg.MaxBytes, 2*reserved)
	}
	if cfg.Deadline == 0 {
		cfg.Deadline = 5 * time.Second
	}
	if cfg.Parallel == 0 {
		cfg.Parallel = 16
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 1_000_000
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Store == nil {
		cfg.Store = newMemory()
	}
	if cfg.watch == nil {
		cfg.watch = watchStill
	}
	cfg.Metrics.fill()
	return nil
}
