package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/demo"
	"github.com/ebb-events/ebb/dev"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/internal/serve"
	"github.com/ebb-events/ebb/kafka"
)

type devCmd struct {
	Addr        string   `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where the page and the API are."`
	EdgeAddr    string   `default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Where the streams are."`
	ControlAddr string   `default:"127.0.0.1:8082" placeholder:"HOST:PORT" help:"Where publishers connect."`
	AdminAddr   string   `default:"127.0.0.1:8083" placeholder:"HOST:PORT" help:"Where metrics and health are told."`
	KafkaAddr   string   `default:"127.0.0.1:9092" placeholder:"HOST:PORT" help:"Where the embedded broker is."`
	Data        string   `default:"./ebb-data" placeholder:"DIR" help:"Where the embedded broker and the keys are kept."`
	Sync        bool     `help:"Survive a power loss, too: slower."`
	EdgeURL     *url.URL `name:"edge-url" placeholder:"URL" help:"Where browsers find the edge, if not at its address."`
	GripKey     secret   `placeholder:"file:PATH" help:"Shared with an edge of its own process; one of the data directory if none."`
	PublishKey  secret   `placeholder:"file:PATH" help:"Who has it may publish; one of the data directory if none."`
	kafkaFlags
}

// Run is ebb dev: what the other subcommands run, in one process.
func (d *devCmd) Run(ctx context.Context, env *environment) error {
	p := newProcess(env)
	defer p.close()
	front, edgeLn, err := d.listen(p)
	if err != nil {
		return err
	}
	keys, err := d.openKeys()
	if err != nil {
		return err
	}
	embedded := len(d.Kafka) == 0
	if embedded {
		if err := d.startBroker(p); err != nil {
			return err
		}
	}
	client, err := d.reach(ctx, p, embedded, kafka.ChannelLog)
	if err != nil {
		return err
	}
	// The demonstration is a service as others write it. Its topics are there
	// before anything looks for topics.
	tasks := demoCmd{kafkaFlags: d.kafkaFlags}
	tasks.Types = []string{demo.Tasks().Name}
	service, err := tasks.reach(ctx, p, embedded, ebb.Commands, ebb.Events, ebb.Aggregates, ebb.Replies)
	if err != nil {
		return err
	}
	if err := d.add(p, client, keys, front, edgeLn); err != nil {
		return err
	}
	tasks.add(p, service)
	return p.run(ctx, "ready "+baseURL(front.Addr(), "/"))
}

// listen opens the addresses first, so that one in use is told before anything
// has begun.
func (d *devCmd) listen(p *process) (front net.Listener, edge *dev.Cutter, err error) {
	if front, err = p.listen(d.Addr, "--addr", "gateway"); err != nil {
		return nil, nil, err
	}
	ln, err := p.listen(d.EdgeAddr, "--edge-addr", "edge")
	if err != nil {
		return nil, nil, err
	}
	if err := p.serveAdmin(d.AdminAddr); err != nil {
		return nil, nil, err
	}
	if d.EdgeURL == nil {
		d.EdgeURL = mustParse(baseURL(ln.Addr(), ""))
	}
	return front, dev.NewCutter(ln), nil
}

func (d *devCmd) openKeys() (dev.Keys, error) {
	if err := os.MkdirAll(d.Data, 0o755); err != nil {
		return dev.Keys{}, fmt.Errorf("data directory (--data): %w", err)
	}
	keys, err := dev.OpenKeys(d.Data)
	if err != nil {
		return dev.Keys{}, err
	}
	for _, own := range []struct {
		secret secret
		key    *grip.Key
		flag   string
	}{{d.GripKey, &keys.Grip, "--grip-key"}, {d.PublishKey, &keys.Publish, "--publish-key"}} {
		if own.secret == "" {
			continue
		}
		if *own.key, err = own.secret.key(own.flag); err != nil {
			return dev.Keys{}, err
		}
	}
	return keys, nil
}

func (d *devCmd) startBroker(p *process) error {
	b, err := broker.Start(broker.Config{Dir: d.Data, Addr: d.KafkaAddr, Sync: d.Sync, Log: p.env.log})
	if err != nil {
		return err
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
	d.Kafka = []string{b.Addr()}
	return nil
}

// add puts every box into the process, made as their own subcommands make them.
func (d *devCmd) add(p *process, client *kafka.Client, keys dev.Keys, front net.Listener, edgeLn *dev.Cutter) error {
	gateway := gatewayCmd{EdgeURL: d.EdgeURL.String(), GripIss: "ebb", Issuer: dev.Issuer, Audience: dev.Issuer, kafkaFlags: d.kafkaFlags}
	api, err := gateway.add(p, client, []grip.Key{keys.Ticket}, []grip.Key{keys.Grip}, keys.Tokens)
	if err != nil {
		return err
	}
	p.handler("gateway", front, dev.New(dev.Config{
		API: api, Page: demo.Page(), Keys: keys, EdgeURL: d.EdgeURL, Cut: edgeLn.Cut,
	}))

	edge := edgeCmd{ControlAddr: d.ControlAddr, Origin: mustParse(baseURL(front.Addr(), "")), GripIss: "ebb", Window: 64, Grace: 2 * time.Second}
	if err := edge.add(p, client, edgeLn, keys.Grip, keys.Publish); err != nil {
		return err
	}
	connector := connectorCmd{Group: "ebb-connector", MaxEvent: 900_000, kafkaFlags: d.kafkaFlags}
	return connector.add(p, client)
}

// baseURL is the URL of an address of ours. One of all interfaces is that of
// this machine.
func baseURL(addr net.Addr, path string) string {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + path
}

func mustParse(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err) // made of an address of ours
	}
	return u
}
