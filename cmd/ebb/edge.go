package main

import (
	"context"
	"errors"
	"net"
	"net/url"
	"time"

	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/serve"
	"github.com/ebb-events/ebb/kafka"
)

type edgeCmd struct {
	Addr        string        `default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Address for browsers."`
	ControlAddr string        `default:"127.0.0.1:8082" placeholder:"HOST:PORT" help:"Address for publishers: POST /publish/."`
	AdminAddr   string        `default:"127.0.0.1:8083" placeholder:"HOST:PORT" help:"Address for operators: /metrics, /healthz, /readyz, /debug/pprof/."`
	Origin      *url.URL      `required:"" placeholder:"URL" help:"Where requests are proxied to: the gateway."`
	GripKey     secret        `placeholder:"file:PATH" help:"Key that signs requests to the origin; the gateway has the same."`
	GripIss     string        `default:"ebb" placeholder:"NAME" help:"Name that it signs with."`
	PublishKey  secret        `placeholder:"file:PATH" help:"Key that publishers must have; nobody may publish without one."`
	Window      int64         `default:"256" placeholder:"MIB" help:"Memory for recent events; older ones are read from Kafka."`
	Grace       time.Duration `default:"2s" placeholder:"TIME" help:"Time over which streams are ended when the edge stops."`
	kafkaFlags
}

// Run is ebb edge.
func (e *edgeCmd) Run(ctx context.Context, env *environment) error {
	gripKey, err1 := e.GripKey.key("--grip-key")
	publishKey, err2 := e.PublishKey.key("--publish-key")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	p := newProcess(env)
	defer p.close()
	ln, err := p.listen(e.Addr, "--addr", "edge")
	if err != nil {
		return err
	}
	control, err := p.listen(e.ControlAddr, "--control-addr", "control")
	if err != nil {
		return err
	}
	if err := p.serveAdmin(e.AdminAddr); err != nil {
		return err
	}
	client, err := e.reach(ctx, p, false, kafka.ChannelLog)
	if err != nil {
		return err
	}
	if err := e.add(p, client, ln, control, gripKey, publishKey); err != nil {
		return err
	}
	return p.run(ctx, "ready http://"+ln.Addr().String())
}

// add puts an edge into a process: on ln for browsers, on control for
// publishers.
func (e *edgeCmd) add(p *process, client *kafka.Client, ln, control net.Listener, gripKey, publishKey grip.Key) error {
	channels := client.Channels()
	box, err := edge.New(edge.Config{
		Log:        channels,
		Publisher:  channels,
		Origin:     e.Origin,
		GripKey:    gripKey,
		GripIssuer: e.GripIss,
		PublishKey: publishKey,
		Window:     e.Window << 20,
		Logger:     p.env.log,
		Metrics:    edgeMetrics(p.admin.Metrics),
	})
	if err != nil {
		return err
	}
	p.admin.Gauge("edge_streams", "Streams held now.", func() float64 { return float64(box.Streams()) })
	p.admin.Check("edge", box.Ready)
	p.server("edge", ln, serve.Server{Handler: box, ConnContext: edge.ConnContext, Drain: box.Drain, Grace: e.Grace})
	p.handler("control", control, box.Control())
	p.worker("edge", box.Run)
	return nil
}
