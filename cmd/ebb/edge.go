package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/ebb-events/ebb/edge"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/broker"
	"github.com/ebb-events/ebb/internal/serve"
	"github.com/ebb-events/ebb/kafka"
)

type edgeCmd struct {
	Addr        string        `default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Address for browsers."`
	ControlAddr string        `default:"127.0.0.1:8082" placeholder:"HOST:PORT" help:"Address for publishers: POST /publish/."`
	AdminAddr   string        `default:"127.0.0.1:8083" placeholder:"HOST:PORT" help:"Address for operators: /metrics, /healthz, /readyz, /debug/pprof/."`
	Window      int64         `default:"256" placeholder:"MIB" help:"Memory for recent events; older ones are read from the log."`
	Streams     int           `default:"0" placeholder:"N" help:"Most streams to hold, others come back later; 0: what the open-file limit allows."`
	Grace       time.Duration `default:"2s" placeholder:"TIME" help:"Time over which streams are ended when the edge stops."`
	frontFlags  `embed:""`
	edgeLimits  `embed:"" group:"Limits:"`

	Origin     *url.URL `group:"Back ends:" placeholder:"URL" help:"Where requests are proxied to that no route is for: the gateway."`
	GripKey    secret   `group:"Back ends:" placeholder:"file:PATH" help:"Key that signs requests to the origin, which has the same."`
	GripIss    string   `group:"Back ends:" default:"ebb" placeholder:"NAME" help:"Name that it signs with."`
	PublishKey secret   `group:"Back ends:" placeholder:"file:PATH" help:"Key that publishers must have; nobody may publish without one."`
	Routes     string   `group:"Back ends:" placeholder:"FILE" help:"Routes to other origins, in YAML or JSON; docs/operating.md shows one."`
	Route      []string `group:"Back ends:" sep:"none" placeholder:"ROUTE" help:"One more: {host: HOST, path: /PATH, origin: URL, prefix: NAME}."`

	Data string `group:"Without Kafka:" default:"./ebb-data" placeholder:"DIR" help:"Directory for the embedded broker's data."`
	Sync bool   `group:"Without Kafka:" help:"Survive a power loss, too; slower."`

	Kafka      []string `group:"Kafka:" placeholder:"HOST:PORT" help:"Brokers to use instead of an embedded one."`
	topicFlags `embed:"" group:"Kafka:"`
	traceFlags `embed:"" group:"Traces:"`
}

// Validate says which flags do not go together.
func (e *edgeCmd) Validate() error {
	switch {
	case e.Origin == nil && e.Routes == "" && len(e.Route) == 0:
		return errors.New("missing flags: --origin=URL, or --routes=FILE, or --route=ROUTE")
	case e.Origin != nil && e.GripKey == "":
		return errors.New("missing flags: --grip-key=file:PATH (EBB_GRIP_KEY), by which the origin knows this edge")
	case e.Streams < 0:
		return errors.New("--streams cannot be negative")
	}
	return errors.Join(e.frontFlags.Validate(), e.edgeLimits.Validate(), e.traceFlags.Validate())
}

// Run is ebb edge.
func (e *edgeCmd) Run(ctx context.Context, env *environment) error {
	gripKey, err1 := e.GripKey.key("--grip-key")
	publishKey, err2 := e.PublishKey.key("--publish-key")
	routes, text, err3 := e.routes()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	if err := e.onePurposeEach(gripKey, publishKey, routes); err != nil {
		return err
	}
	p := newProcess(env)
	defer p.close()
	scheme, secure, err := e.secure(p, "edge")
	if err != nil {
		return err
	}
	ln, err := p.listen(e.Addr, "--addr", "edge")
	if err != nil {
		return err
	}
	control, err := p.listen(e.ControlAddr, "--control-addr", "control")
	if err != nil {
		return err
	}
	if err := errors.Join(p.serveAdmin(e.AdminAddr), e.trace(p)); err != nil {
		return err
	}
	client, sessions, err := e.reach(ctx, p)
	if err != nil {
		return err
	}
	keys := edgeKeys{grip: gripKey, publish: publishKey, routes: routes, file: text, tls: secure}
	if err := e.add(p, client, sessions, ln, control, keys); err != nil {
		return err
	}
	return p.run(ctx, "ready "+scheme+"://"+ln.Addr().String())
}

// reach returns the way to Kafka, or to a broker in this process, and to what
// becomes of sessions, nil if there cannot be any: a gateway is the origin, and
// has the same brokers.
func (e *edgeCmd) reach(ctx context.Context, p *process) (client *kafka.Client, sessions *kafka.Sessions, err error) {
	flags := kafkaFlags{Kafka: e.Kafka, topicFlags: e.topicFlags}
	embedded := len(flags.Kafka) == 0
	if embedded {
		flags.Kafka, err = startBroker(p, broker.Config{Dir: e.Data, Addr: "127.0.0.1:0", Sync: e.Sync})
		if err != nil {
			return nil, nil, err
		}
	}
	if embedded || e.Origin == nil {
		client, err = flags.reach(ctx, p, embedded, kafka.ChannelLog)
		return client, nil, err
	}
	client, err = flags.reach(ctx, p, embedded, kafka.ChannelLog, kafka.SessionLog)
	if err != nil {
		return nil, nil, err
	}
	return client, client.Sessions(), nil
}

// edgeKeys is what an edge has read from files.
type edgeKeys struct {
	grip, publish grip.Key
	routes        []edge.Route
	file          []byte // that routes are of, so that it is noticed when it changes
	tls           *tls.Config
}

// add puts an edge into a process: on ln for browsers, on control for
// publishers. sessions may be nil.
func (e *edgeCmd) add(p *process, client *kafka.Client, sessions *kafka.Sessions, ln, control net.Listener, keys edgeKeys) error {
	cfg := e.config(p, keys, edgeMetrics(p.admin.Metrics))
	e.reads(&cfg, client, sessions)
	box, err := edge.New(cfg)
	if err != nil {
		return err
	}
	edgeGauges(p.admin.Metrics, func() *edge.Edge { return box }, cfg.Streams)
	p.admin.Check("edge", box.Ready)
	p.server("edge", edge.Listen(ln), e.server(box, keys))
	p.handler("control", control, box.Control())
	p.worker("edge", box.Run)
	if e.Routes != "" {
		set := func(routes []edge.Route) error {
			if err := e.onePurposeEach(keys.grip, keys.publish, routes); err != nil {
				return err
			}
			return box.SetRoutes(routes)
		}
		p.worker("routes", func(ctx context.Context) error { return e.followRoutes(ctx, p.env.log, set, keys.file) })
	}
	return nil
}

// config is all of an edge's but the log.
func (e *edgeCmd) config(p *process, keys edgeKeys, metrics edge.Metrics) edge.Config {
	limit := e.Streams
	if limit == 0 {
		limit = streamsWithin(serve.OpenFileLimit())
	}
	return edge.Config{
		Origin:     e.Origin,
		Routes:     keys.routes,
		GripKey:    keys.grip,
		GripIssuer: e.GripIss,
		PublishKey: keys.publish,
		Window:     e.Window << 20,
		Streams:    limit,
		Limits:     e.limits(e.prefixes()),
		Logger:     p.env.log,
		Tracer:     p.traces.Tracer("edge"),
		Metrics:    metrics,
	}
}

// reads has an edge read the log, and what becomes of sessions if anything does.
func (e *edgeCmd) reads(cfg *edge.Config, client *kafka.Client, sessions *kafka.Sessions) {
	channels := client.Channels()
	cfg.Log, cfg.Publisher = channels, channels
	if sessions != nil {
		cfg.Sessions = sessions
	}
}

// server is what serves browsers.
func (e *edgeCmd) server(box *edge.Edge, keys edgeKeys) serve.Server {
	return e.onFront(serve.Server{
		Handler: box, Full: http.HandlerFunc(box.Shed), ConnContext: edge.ConnContext,
		Drain: box.Drain, Grace: e.Grace,
	}, keys.tls)
}

// streamsWithin is how many streams a limit of open files allows: there are
// also requests, and the ways to origins and brokers. 0 is any number.
func streamsWithin(files int) int {
	return files - max(files/10, min(files/2, 256))
}
