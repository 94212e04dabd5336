package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/demo"
	"github.com/ebb-events/ebb/dev"
	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/internal/serve"
	"github.com/ebb-events/ebb/kafka"
)

type devCmd struct {
	Addr        string   `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address of the page and the API."`
	EdgeAddr    string   `default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Address of the streams."`
	ControlAddr string   `default:"127.0.0.1:8082" placeholder:"HOST:PORT" help:"Address for publishers: POST /publish/."`
	AdminAddr   string   `default:"127.0.0.1:8083" placeholder:"HOST:PORT" help:"Address for operators: /metrics, /healthz, /readyz, /debug/pprof/."`
	KafkaAddr   string   `default:"127.0.0.1:9092" placeholder:"HOST:PORT" help:"Address of the embedded broker."`
	Data        string   `default:"./ebb-data" placeholder:"DIR" help:"Directory for the embedded broker's data and the keys."`
	Sync        bool     `help:"Survive a power loss, too; slower."`
	EdgeURL     *url.URL `name:"edge-url" placeholder:"URL" help:"URL of the edge for browsers, where they cannot use its address."`
	GripKey     secret   `placeholder:"file:PATH" help:"Key to share with an edge outside, not that of the data directory."`
	PublishKey  secret   `placeholder:"file:PATH" help:"Key that publishers must have, not that of the data directory."`

	accessFlags

	Kafka      []string `group:"Kafka:" placeholder:"HOST:PORT" help:"Brokers to use instead of the embedded one."`
	topicFlags `embed:"" group:"Kafka:"`

	collectorFlags `embed:"" group:"Traces:"`

	FirstUse time.Duration `default:"60s" placeholder:"TIME" help:"How long a ticket opens a stream by itself, a minute at most."`

	Lambda        bool   `group:"Functions:" help:"Take the AWS Lambda functions, and SNS, in the places of gateway and connector."`
	SNSAddr       string `group:"Functions:" name:"sns-addr" default:"127.0.0.1:8086" placeholder:"HOST:PORT" help:"Address of the SNS stand-in, with --lambda: POST /redeliver?last=N, GET /failures."`
	functionFlags `embed:"" group:"Functions:"`
}

// Run is ebb dev: what the other subcommands run, in one process.
func (d *devCmd) Run(ctx context.Context, env *environment) error {
	p := newProcess(env)
	defer p.close()
	on, err := d.listen(p)
	if err != nil {
		return err
	}
	var spans dev.Spans
	if err := d.trace(p, 1, spans.Add); err != nil {
		return err
	}
	brokers := kafkaFlags{Kafka: d.Kafka, topicFlags: d.topicFlags}
	embedded := len(d.Kafka) == 0
	var own *devBroker
	if embedded { // before the keys: it takes the data directory for this process
		if own, brokers.Kafka, err = startDevBroker(ctx, p, broker.Config{Dir: d.Data, Addr: d.KafkaAddr, Sync: d.Sync}); err != nil {
			return err
		}
	}
	keys, err := d.openKeys()
	if err != nil {
		return err
	}
	client, err := brokers.reach(ctx, p, embedded, kafka.ChannelLog, kafka.SessionLog)
	if err != nil {
		return err
	}
	// The demonstration is a service as others write it. Its topics are there
	// before anything looks for topics.
	tasks := demoCmd{kafkaFlags: brokers}
	tasks.Types = []string{demo.Tasks().Name}
	service, err := tasks.reach(ctx, p, embedded, ebb.Commands, ebb.Events, ebb.Aggregates, ebb.Replies)
	if err != nil {
		return err
	}
	if err := d.add(p, client, brokers, own, keys, &spans, on); err != nil {
		return err
	}
	tasks.add(p, service)
	return p.run(ctx, "ready "+baseURL(on.front.Addr(), "/"))
}

// devListeners are open before anything has begun.
type devListeners struct {
	front, edge, control net.Listener
	sns                  net.Listener      // of --lambda
	functions            map[string]string // its programs
}

// listen opens the addresses first, so that one in use is told before anything
// has begun.
func (d *devCmd) listen(p *process) (on devListeners, err error) {
	if on.front, err = p.listen(d.Addr, "--addr", "gateway"); err != nil {
		return on, err
	}
	if on.edge, err = p.listen(d.EdgeAddr, "--edge-addr", "edge"); err != nil {
		return on, err
	}
	if on.control, err = p.listen(d.ControlAddr, "--control-addr", "control"); err != nil {
		return on, err
	}
	if d.EdgeURL == nil {
		d.EdgeURL = mustParse(baseURL(on.edge.Addr(), ""))
	}
	if d.Lambda {
		if err := d.listenLambda(p, &on); err != nil {
			return on, err
		}
	}
	return on, p.serveAdmin(d.AdminAddr)
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
		if *own.key, err = own.secret.anyKey(own.flag); err != nil {
			return dev.Keys{}, err
		}
	}
	return keys, nil
}

// add puts every box into the process, made as their own subcommands make them.
// own is the broker if it is in the process too.
func (d *devCmd) add(p *process, client *kafka.Client, brokers kafkaFlags, own *devBroker, keys dev.Keys, spans *dev.Spans, on devListeners) error {
	front := gatewayCmd{EdgeURL: d.EdgeURL.String(), FirstUse: d.FirstUse, GripIss: "ebb", accessFlags: d.accessFlags, kafkaFlags: brokers}
	logins := []gateway.Issuer{{Name: dev.Issuer, Audiences: []string{dev.Issuer}, Key: keys.Tokens}}
	api, err := front.add(p, client, []grip.Key{keys.Ticket}, []grip.Key{keys.Grip}, logins)
	if err != nil {
		return err
	}
	handler := http.Handler(api)
	if d.Lambda {
		if handler, err = d.addLambda(p, client, api, on); err != nil {
			return err
		}
	}
	local := frontFlags{Proxies: thisMachine}
	streams := d.edge(p, client, keys, on, local)
	if err := streams.addTo(p, on.edge, on.control); err != nil {
		return err
	}
	buttons := dev.Buttons{Cut: streams.Cut, RestartEdge: streams.Restart, EdgeUp: streams.Up}
	if own != nil {
		buttons.StopBroker, buttons.BrokerBack = own.Stop, own.Back
	}
	p.server("gateway", on.front, local.onFront(serve.Server{Handler: dev.New(dev.Config{
		API: handler, Page: demo.Page(), Keys: keys, EdgeURL: d.EdgeURL, Buttons: buttons, Spans: spans,
	}), Drain: api.Drain}, nil))

	if d.Lambda {
		return nil // notify is in the connector's place
	}
	connector := connectorCmd{Group: "ebb-connector", MaxEvent: 900_000, kafkaFlags: brokers}
	return connector.add(p, client, nil)
}

// edge is made as ebb edge makes it, again and again.
func (d *devCmd) edge(p *process, client *kafka.Client, keys dev.Keys, on devListeners, local frontFlags) *devEdge {
	e := edgeCmd{Origin: mustParse(baseURL(on.front.Addr(), "")), GripIss: "ebb", Window: 64, Grace: 2 * time.Second, frontFlags: local}
	own := edgeKeys{grip: keys.Grip, publish: keys.Publish}
	cfg := e.config(p, own, edgeMetrics(p.admin.Metrics))
	return &devEdge{
		make: func() (*edge.Edge, error) {
			anew := cfg
			e.reads(&anew, client, client.Sessions())
			return edge.New(anew)
		},
		server: func(box *edge.Edge) serve.Server { return e.server(box, own) },
		limit:  cfg.Streams,
	}
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
