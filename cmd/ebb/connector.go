package main

import (
	"context"
	"errors"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/connector"
	"github.com/ebb-events/ebb/kafka"
)

type connectorCmd struct {
	Group     string   `default:"ebb-connector" placeholder:"NAME" help:"Consumer group; connectors of one group share the work."`
	Exclude   []string `placeholder:"USER" help:"Users who get no events."`
	MaxEvent  int      `default:"900000" placeholder:"BYTES" help:"Longest event; a longer one is replaced by a placeholder."`
	Issuers   string   `placeholder:"FILE" help:"The gateways' file of several issuers: replies must be to users of theirs."`
	AdminAddr string   `default:"127.0.0.1:8085" placeholder:"HOST:PORT" help:"Address for operators: /metrics, /healthz, /readyz, /debug/pprof/."`
	kafkaFlags
	traceFlags `embed:"" group:"Traces:"`
}

// Run is ebb connector.
func (c *connectorCmd) Run(ctx context.Context, env *environment) error {
	issuers, err := namespaces(c.Issuers)
	if err != nil {
		return err
	}
	p := newProcess(env)
	defer p.close()
	if err := errors.Join(p.serveAdmin(c.AdminAddr), c.trace(p)); err != nil {
		return err
	}
	client, err := c.reach(ctx, p, false, ebb.Replies, kafka.ChannelLog)
	if err != nil {
		return err
	}
	if err := client.PrepareDead(ctx, ebb.Replies); err != nil {
		return err
	}
	if err := c.add(p, client, issuers); err != nil {
		return err
	}
	return p.run(ctx, "ready")
}

// add puts a connector into a process, for the users of those issuers.
func (c *connectorCmd) add(p *process, client *kafka.Client, issuers map[string]string) error {
	group := c.Group
	if c.Environment != "" {
		group += "-" + c.Environment
	}
	source := client.Replies(group)
	p.atEnd(source.Close)
	box, err := connector.New(connector.Config{
		Source:   source,
		Sink:     client.Channels(),
		MaxEvent: c.MaxEvent,
		Exclude:  c.Exclude,
		Issuers:  issuers,
		Log:      p.env.log.With("part", "connector"),
		Tracer:   p.traces.Tracer("connector"),
		Metrics:  connectorMetrics(p.admin.Metrics),
	})
	if err != nil {
		return err
	}
	p.worker("connector", box.Run)
	return nil
}
