package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/aggregate"
	"github.com/ebb-events/ebb/demo"
	"github.com/ebb-events/ebb/kafka"
)

type demoCmd struct {
	AdminAddr string `default:"127.0.0.1:8086" placeholder:"HOST:PORT" help:"Address for operators: /metrics, /healthz, /readyz, /debug/pprof/."`
	kafkaFlags
	traceFlags `embed:"" group:"Traces:"`
}

// Run is ebb demo.
func (d *demoCmd) Run(ctx context.Context, env *environment) error {
	p := newProcess(env)
	defer p.close()
	if err := errors.Join(p.serveAdmin(d.AdminAddr), d.trace(p)); err != nil {
		return err
	}
	d.Types = []string{demo.Tasks().Name}
	client, err := d.reach(ctx, p, false, ebb.Commands, ebb.Events, ebb.Aggregates, ebb.Replies)
	if err != nil {
		return err
	}
	if err := client.PrepareDead(ctx, ebb.Commands); err != nil {
		return err
	}
	d.add(p, client)
	return p.run(ctx, "ready")
}

// add puts the task board's aggregate into a process.
func (d *demoCmd) add(p *process, client *kafka.Client) {
	tasks := demo.Tasks()
	group := tasks.Name
	if d.Environment != "" {
		group += "-" + d.Environment
	}
	log := client.Commands(tasks.Name, group)
	p.atEnd(log.Close)
	var assigned atomic.Bool
	metrics := aggregateMetrics(p.admin.Metrics)
	restored := metrics.Restored
	metrics.Restored = func(instances int, took time.Duration) {
		assigned.Store(true)
		restored(instances, took)
	}
	p.admin.Check("demo", func() error {
		if assigned.Load() {
			return nil
		}
		return errors.New("waiting for partitions of the command topic")
	})
	tracer := p.traces.Tracer("demo")
	p.worker("demo", func(ctx context.Context) error {
		return tasks.Run(ctx, log, aggregate.Config{
			Environment: d.Environment,
			Logger:      p.env.log.With("part", "demo"),
			Tracer:      tracer,
			Metrics:     metrics,
		})
	})
}
