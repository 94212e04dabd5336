package main

import (
	"context"

	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/internal/serve"
)

// startBroker runs an embedded broker for as long as the process, and returns
// where it is. The process ends when the broker's disk fails.
func startBroker(p *process, cfg broker.Config) (seeds []string, err error) {
	cfg.Log = p.env.log
	b, err := broker.Start(cfg)
	if err != nil {
		return nil, err
	}
	p.atEnd(func() {
		if err := b.Close(); err != nil {
			p.env.log.Error("closing the embedded broker", "error", err)
		}
	})
	p.last = append(p.last, serve.Part{Name: "broker", Run: func(ctx context.Context) error {
		select {
		case err := <-b.Failed():
			return err
		case <-ctx.Done():
			return nil
		}
	}})
	p.env.log.Info("serving", "part", "kafka", "addr", b.Addr())
	return []string{b.Addr()}, nil
}
