package main

import (
	"context"
	"errors"
	"time"

	"github.com/alecthomas/kong"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/grip"
	"github.com/ebb-events/ebb/internal/serve"
	"github.com/ebb-events/ebb/kafka"
	"github.com/ebb-events/ebb/view"
)

type gatewayCmd struct {
	Addr      string   `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address for browsers."`
	EdgeURL   string   `name:"edge-url" required:"" placeholder:"URL" help:"The edge's URL for browsers."`
	TicketKey []secret `required:"" sep:"none" placeholder:"file:PATH" help:"Key of 32 bytes or more that seals the user into the redirect; of several, the first seals and all open."`
	GripKey   []secret `required:"" sep:"none" placeholder:"file:PATH" help:"Key that the edge signs with; of several, any will do."`
	GripIss   string   `placeholder:"NAME" help:"Name that the edge signs with; any if not given."`
	Origins   []string `placeholder:"URL" help:"Pages on other hosts that may call, as https://host."`
	AdminAddr string   `default:"127.0.0.1:8084" placeholder:"HOST:PORT" help:"Address for operators: /metrics, /healthz, /readyz, /debug/pprof/."`
	accessFlags
	tokenFlags
	frontFlags    `embed:""`
	gatewayLimits `embed:"" group:"Limits:"`
	kafkaFlags
	traceFlags `embed:"" group:"Traces:"`

	FirstUse time.Duration `default:"60s" placeholder:"TIME" help:"How long a ticket opens a stream by itself, a minute at most; later it takes an id of the session's, too."`
}

// accessFlags say what clients may do.
type accessFlags struct {
	ACLTypes      []string            `name:"acl-types" placeholder:"APP-TYPE" help:"Types whose clients may set _acl and _subscriptions."`
	Roles         map[string][]string `placeholder:"RULE;..." help:"Rules APP-TYPE.COMMAND=ROLE,...: who sends a command needs one of the roles. get is reading, the role * everybody."`
	DenyByDefault bool                `help:"Refuse commands and reading that --roles does not mention."`
}

// Validate asks all groups of flags, of which Go would promote none.
func (g *gatewayCmd) Validate(parsed *kong.Context) error {
	return errors.Join(g.frontFlags.Validate(), g.tokenFlags.Validate(parsed), g.gatewayLimits.Validate(), g.traceFlags.Validate())
}

// Run is ebb gateway.
func (g *gatewayCmd) Run(ctx context.Context, env *environment) error {
	tickets, err1 := keys(g.TicketKey, "--ticket-key")
	grips, err2 := keys(g.GripKey, "--grip-key")
	issuers, err3 := g.issuers()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	p := newProcess(env)
	defer p.close()
	scheme, secure, err := g.secure(p, "gateway")
	if err != nil {
		return err
	}
	ln, err := p.listen(g.Addr, "--addr", "gateway")
	if err != nil {
		return err
	}
	if err := errors.Join(p.serveAdmin(g.AdminAddr), g.trace(p)); err != nil {
		return err
	}
	client, err := g.reach(ctx, p, false, ebb.Commands, ebb.Aggregates, kafka.SessionLog)
	if err != nil {
		return err
	}
	box, err := g.add(p, client, tickets, grips, issuers)
	if err != nil {
		return err
	}
	p.server("gateway", ln, g.onFront(serve.Server{Handler: box, Drain: box.Drain}, secure))
	return p.run(ctx, "ready "+scheme+"://"+ln.Addr().String())
}

// add puts a gateway and the view it reads from into a process, and leaves
// serving it to the caller.
func (g *gatewayCmd) add(p *process, client *kafka.Client, tickets, grips []grip.Key, issuers []gateway.Issuer) (*gateway.Gateway, error) {
	log := p.env.log.With("part", "gateway")
	states, err := view.New(view.Config{Source: client.States(), Log: log, Metrics: viewMetrics(p.admin.Metrics)})
	if err != nil {
		return nil, err
	}
	box, err := gateway.New(gateway.Config{
		Sender:        client.Sender(),
		Reader:        states,
		Tail:          client.Tail(),
		Answers:       client.Answers(),
		Sessions:      client.Sessions(),
		EdgeURL:       g.EdgeURL,
		TicketKeys:    tickets,
		GripKeys:      grips,
		GripIssuer:    g.GripIss,
		Issuers:       issuers,
		Cookie:        g.Cookie,
		Origins:       g.Origins,
		FirstUse:      g.FirstUse,
		ACLTypes:      g.ACLTypes,
		Roles:         g.Roles,
		DenyByDefault: g.DenyByDefault,
		Limits:        g.limits(g.prefixes()),
		Log:           log,
		Tracer:        p.traces.Tracer("gateway"),
		Metrics:       gatewayMetrics(p.admin.Metrics),
	})
	if err != nil {
		return nil, err
	}
	p.admin.Check("gateway", box.Ready)
	p.admin.Handle("POST /revoke", box.Revoke)
	p.worker("view", states.Run)
	p.worker("gateway", box.Run)
	p.worker("issuers", box.KeepKeys)
	return box, nil
}
