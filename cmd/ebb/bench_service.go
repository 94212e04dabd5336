package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/aggregate"
	"github.com/ebb-events/ebb/aggregate/disk"
	"github.com/ebb-events/ebb/bench"
)

// benchServiceCmd is a small service, for ebb bench commands.
type benchServiceCmd struct {
	AdminAddr string `required:"" placeholder:"HOST:PORT" help:"Address for operators: /metrics, /debug/pprof/."`
	Embedded  bool   `help:"The broker is the embedded one."`
	Store     string `enum:"memory,disk" default:"memory" help:"Where it keeps states: memory or disk."`
	Wait      int32  `default:"1" placeholder:"N" help:"Partitions to restore before it is ready."`
	kafkaFlags
}

// benchCounter is the state of an instance.
type benchCounter struct {
	Value int    `json:"value"`
	Note  string `json:"note,omitempty"`
}

var benchCounters = aggregate.Type[benchCounter]{
	Name: bench.ServiceType,
	On:   map[string]aggregate.Reducer[benchCounter]{"add": addUp},
}

func addUp(_ context.Context, c benchCounter, cmd aggregate.Command) (benchCounter, error) {
	want := struct {
		By   int    `json:"by"`
		Note string `json:"note"`
	}{Note: c.Note}
	if err := cmd.Decode(&want); err != nil {
		return c, err
	}
	c.Value += want.By
	c.Note = want.Note
	return c, nil
}

// Run is ebb bench service.
func (b *benchServiceCmd) Run(ctx context.Context, env *environment) error {
	p := newProcess(env)
	defer p.close()
	if err := p.serveAdmin(b.AdminAddr); err != nil {
		return err
	}
	b.Types = []string{benchCounters.Name}
	client, err := b.reach(ctx, p, b.Embedded, ebb.Commands, ebb.Events, ebb.Aggregates, ebb.Replies)
	if err != nil {
		return err
	}
	cfg := aggregate.Config{Environment: b.Environment, Logger: env.log}
	if err := b.store(p, &cfg); err != nil {
		return err
	}
	cfg.Metrics = aggregateMetrics(p.admin.Metrics)
	var partitions atomic.Int32
	restored := cfg.Metrics.Restored
	cfg.Metrics.Restored = func(instances int, took time.Duration) {
		restored(instances, took)
		partitions.Add(1)
	}
	p.admin.Check("service", func() error {
		if n := partitions.Load(); n < b.Wait {
			return fmt.Errorf("%d of %d partitions are restored", n, b.Wait)
		}
		return nil
	})
	log := client.Commands(benchCounters.Name, benchCounters.Name)
	p.atEnd(log.Close)
	p.worker("service", func(ctx context.Context) error { return benchCounters.Run(ctx, log, cfg) })
	return p.run(ctx, "ready http://"+b.AdminAddr)
}

// store has the service keep its states where it was told.
func (b *benchServiceCmd) store(p *process, cfg *aggregate.Config) error {
	if b.Store != "disk" {
		return nil // memory, where nothing is said
	}
	dir, err := os.MkdirTemp("", "ebb-bench-states-")
	if err != nil {
		return err
	}
	p.atEnd(func() { os.RemoveAll(dir) })
	store, err := disk.Open(dir)
	if err != nil {
		return err
	}
	p.atEnd(func() { store.Close() })
	cfg.Store = store
	return nil
}
