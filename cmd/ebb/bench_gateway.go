package main

import (
	"context"
	"errors"

	"github.com/ebb-events/ebb/gateway"
	"github.com/ebb-events/ebb/grip"
)

// benchGatewayCmd is a gateway without Kafka, for measurements of the edge: it
// gives out tickets and answers set-up calls, and takes no commands.
type benchGatewayCmd struct {
	Addr      string `required:"" placeholder:"HOST:PORT" help:"Address for browsers and the edge."`
	EdgeURL   string `name:"edge-url" required:"" placeholder:"URL" help:"The edge's URL for browsers."`
	JWTKey    secret `name:"jwt-key" required:"" placeholder:"file:PATH" help:"The key that checks access tokens."`
	TicketKey secret `required:"" placeholder:"file:PATH" help:"Key that seals the user into the redirect."`
	GripKey   secret `required:"" placeholder:"file:PATH" help:"Key that the edge signs with."`
}

// Run is ebb bench gateway.
func (g *benchGatewayCmd) Run(ctx context.Context, env *environment) error {
	tokens, err1 := g.JWTKey.key("--jwt-key")
	tickets, err2 := g.TicketKey.key("--ticket-key")
	signs, err3 := g.GripKey.key("--grip-key")
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	p := newProcess(env)
	defer p.close()
	ln, err := p.listen(g.Addr, "--addr", "gateway")
	if err != nil {
		return err
	}
	box, err := gateway.New(gateway.Config{
		EdgeURL:    g.EdgeURL,
		TicketKeys: []grip.Key{tickets},
		GripKeys:   []grip.Key{signs},
		Issuers:    []gateway.Issuer{{Key: tokens}},
		Log:        env.log,
	})
	if err != nil {
		return err
	}
	p.handler("gateway", ln, box)
	return p.run(ctx, "ready http://"+ln.Addr().String())
}
