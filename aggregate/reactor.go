package aggregate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ebb-events/ebb"
)

// Reactor sends commands to other types when something happens in one.
//
//	shipping := aggregate.Reactor{
//		Name: "shipping",
//		On: map[string]aggregate.Reaction{
//			"pay": func(_ context.Context, e aggregate.Event) ([]aggregate.Send, error) {
//				return []aggregate.Send{{Type: "shop-parcel", ID: e.ID, Command: "pack"}}, nil
//			},
//		},
//	}
//	err := shipping.Run(ctx, client.Events("shop-order", "shipping"), aggregate.Config{})
//
// The commands have the user and the _corr of the one that the event comes
// from, so its sender hears their replies too. They are written in one
// transaction with the position on the event topic: exactly once, through
// crashes. A group that is new begins with the oldest event there is.
//
// A reaction that returns an error, panics or is not back in time is called
// again, three times in all. Then the event goes to the dead-letter topic with
// the reason, and the reactor goes on. It waits for a topic that is not there
// yet, since the receiver's service makes it. Where types react to each other
// in a circle, it is the reactions that must come to an end.
type Reactor struct {
	Name string              // of the reactor, for logs and for the commands' cause; keep it
	On   map[string]Reaction // by the name of the command that an event comes from
}

// Reaction returns the commands to send because of an event. Reactions run side
// by side for different instances, in order for each, and again if the
// transaction fails.
type Reaction func(ctx context.Context, e Event) ([]Send, error)

// Run reacts to the events that stage gives until ctx ends. It waits for a
// broker that is away, but returns at once what is wrong with r or cfg.
func (r Reactor) Run(ctx context.Context, stage Stage, cfg Config) error {
	switch {
	case r.Name == "" || strings.Contains(r.Name, "/"):
		return fmt.Errorf("aggregate: reactor %q: want a name without a slash", r.Name)
	case len(r.On) == 0:
		return fmt.Errorf("aggregate: reactor %s has no reactions", r.Name)
	case stage == nil:
		return fmt.Errorf("aggregate: reactor %s: a stage is required", r.Name)
	case cfg.Unique != nil || cfg.Store != nil:
		return fmt.Errorf("aggregate: reactor %s: Unique and Store of the Config are for types", r.Name)
	}
	for name, f := range r.On {
		if name == "" || f == nil {
			return fmt.Errorf("aggregate: reactor %s: command %q needs a name and a reaction", r.Name, name)
		}
	}
	if err := cfg.fill(); err != nil {
		return err
	}
	cfg.Logger = cfg.Logger.With("reactor", r.Name)
	re := reacting{Config: cfg, Reactor: r, stage: stage}
	l := loop{part: "reactor", stage: stage, work: re.work, logger: cfg.Logger, metrics: cfg.Metrics}
	return l.run(ctx)
}

// reacting is a running [Reactor].
type reacting struct {
	Config
	Reactor
	stage Stage
	still int // batches in a row that were late because nothing ran
}

// reaction is what becomes of an event.
type reaction struct {
	record ebb.Record
	event  Event
	dead   string // why it was none, or led to nothing
	err    error  // the reaction's
	late   bool   // it was not back in time
	sends  []ebb.Record
}

// work reacts to a batch of events, and sends what comes of them.
func (r *reacting) work(ctx context.Context, batch ebb.Batch) error {
	if len(batch.Records) == 0 {
		return nil
	}
	start := time.Now()
	all := make([]*reaction, len(batch.Records))
	var lanes [][]*reaction
	byPlace := map[place]int{}
	for i, record := range batch.Records {
		e := &reaction{record: record}
		all[i] = e
		if e.event, e.dead = parseEvent(record); e.dead != "" {
			continue
		}
		at := place{record.Partition, string(record.Key)}
		n, ok := byPlace[at]
		if !ok {
			n = len(lanes)
			byPlace[at], lanes = n, append(lanes, nil)
		}
		lanes[n] = append(lanes[n], e)
	}
	// Reactions that fail must not hold a batch until the group gives up on us.
	patience := time.Now().Add(2 * r.Deadline)
	stood := r.watch()
	sideBySide(r.Parallel, len(lanes), func(i int) {
		for _, e := range lanes[i] {
			r.react(ctx, e, patience)
		}
	})
	still := stood()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	late := slices.ContainsFunc(all, func(e *reaction) bool { return e.late })
	if err := excuse(&r.still, still && late); err != nil {
		return err
	}
	var out []ebb.Record
	for _, e := range all {
		if e.dead != "" {
			r.stage.Dead(e.record, e.dead)
		}
		out = append(out, e.sends...)
	}
	if err := r.stage.Commit(ctx, out); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	for _, e := range all {
		if e.dead != "" {
			r.Metrics.Dead(e.dead)
			r.Logger.Error("event put aside", "topic", e.record.Topic, "partition", e.record.Partition, "offset", e.record.Offset,
				"corr", e.event.Corr, "reason", e.dead, "err", e.err)
		}
	}
	for _, command := range out {
		typ, _ := ebb.TypeOf(command.Topic, ebb.Commands, r.Environment)
		r.Metrics.Sent(typ)
	}
	r.Metrics.Committed(len(all), time.Since(start))
	return nil
}

// tries is how often a reaction is called that fails.
const tries = 3

// errSend is a reaction's that would be the same the next time.
var errSend = errors.New("what it sends cannot be sent")

// react calls an event's reaction, again if it fails and there is time.
func (r *reacting) react(ctx context.Context, e *reaction, patience time.Time) {
	f := r.On[e.event.Name]
	if f == nil {
		return
	}
	ctx, trace := r.beginReact(ctx, e.record)
	defer trace.end(e)
	for n := 0; ; n++ {
		limit := min(r.Deadline, max(time.Until(patience), r.Deadline/100))
		sends, err := guard(ctx, limit, r.Metrics.Abandoned, func(ctx context.Context) ([]Send, error) { return f(ctx, e.event) })
		if err == nil {
			e.sends, err = r.commands(e.event, sends)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		if n == tries-1 || errors.Is(err, errSend) || time.Now().After(patience) {
			e.dead, e.err, e.late = "reaction failed", err, errors.Is(err, context.DeadlineExceeded)
			return
		}
		select {
		case <-time.After(100 * time.Millisecond << n):
		case <-ctx.Done():
		}
	}
}

// commands are the records of what a reaction sends.
func (r *reacting) commands(e Event, sends []Send) (out []ebb.Record, err error) {
	for n, s := range sends {
		record, err := s.command(e, r.Name, n, r.Environment)
		if err == nil && len(record.Value) > r.MaxBytes-reserved {
			err = fmt.Errorf("command %q has %d bytes, too many", s.Command, len(record.Value))
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errSend, err)
		}
		out = append(out, record)
	}
	return out, nil
}
