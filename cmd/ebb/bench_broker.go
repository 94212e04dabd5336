package main

import (
	"context"

	"github.com/ebb-events/ebb/internal/broker"
)

// benchBrokerCmd is the embedded broker alone, for ebb bench commands.
type benchBrokerCmd struct {
	Addr string `required:"" placeholder:"HOST:PORT" help:"Address to listen on."`
	Data string `required:"" placeholder:"DIR" help:"Directory for its data."`
}

// Run is ebb bench broker.
func (b *benchBrokerCmd) Run(ctx context.Context, env *environment) error {
	p := newProcess(env)
	defer p.close()
	seeds, err := startBroker(p, broker.Config{Dir: b.Data, Addr: b.Addr})
	if err != nil {
		return err
	}
	return p.run(ctx, "ready "+seeds[0])
}
