package main

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/demo"
	"github.com/ebb-events/ebb/dev"
	"github.com/ebb-events/ebb/internal/aws"
	"github.com/ebb-events/ebb/kafka"
)

// addLambda puts the functions into ebb dev, in the places of the gateway and
// the connector. Reading stays the gateway's. What a team's own subscribers and
// publishers of SNS would do, is done here: commands go to the service, and its
// replies come from it.
func (d *devCmd) addLambda(p *process, client *kafka.Client, gateway http.Handler, on devListeners) (http.Handler, error) {
	env, err := d.lambdaEnv(on)
	if err != nil {
		return nil, err
	}
	fs := newFunctions(on.functions, env, p.env.log)
	p.atEnd(fs.close)
	p.handler("sns", on.sns, fs.events())
	source := client.Replies("ebb-lambda")
	p.atEnd(source.Close)
	p.worker("sns", func(ctx context.Context) error { return carryReplies(ctx, source, fs.sns) })
	life, stop := context.WithCancel(context.Background())
	p.atEnd(stop)
	fs.sns.Subscribe(commandTopic, func(m aws.Message) { carryCommand(life, p, client, m) })
	return fs.handler(func(f *aws.Function) http.Handler { return &aws.Front{Invoke: f.Invoke} }, gateway), nil
}

// listenLambda finds the functions, and opens the address of SNS.
func (d *devCmd) listenLambda(p *process, on *devListeners) (err error) {
	if on.functions, err = d.programs(); err != nil {
		return err
	}
	on.sns, err = p.listen(d.SNSAddr, "--sns-addr", "sns")
	return err
}

// lambdaEnv is what a deployment would tell the functions.
func (d *devCmd) lambdaEnv(on devListeners) ([]string, error) {
	keys, err := filepath.Abs(filepath.Join(d.Data, "keys"))
	if err != nil {
		return nil, err
	}
	key := func(own secret, name string) string {
		if own != "" {
			return string(own)
		}
		return "file:" + filepath.Join(keys, name)
	}
	var roles []string
	for rule, names := range d.Roles {
		roles = append(roles, rule+"="+strings.Join(names, ","))
	}
	types := d.Types
	if len(types) == 0 {
		types = []string{demo.Tasks().Name}
	}
	env := []string{
		"AWS_ENDPOINT_URL_SNS=" + baseURL(on.sns.Addr(), ""),
		"EBB_EDGE_URL=" + d.EdgeURL.String(),
		"EBB_TICKET_KEY=" + key("", "ticket"),
		"EBB_FIRST_USE=" + d.FirstUse.String(),
		"EBB_GRIP_KEY=" + key(d.GripKey, "grip"), "EBB_GRIP_ISS=ebb",
		"EBB_JWT_KEY=" + key("", "login.pem"), "EBB_ISSUER=" + dev.Issuer, "EBB_AUDIENCE=" + dev.Issuer,
		"EBB_COMMAND_TOPIC=" + commandTopic,
		"EBB_TYPES=" + strings.Join(types, ","),
		"EBB_ACL_TYPES=" + strings.Join(d.ACLTypes, ","),
		"EBB_ROLES=" + strings.Join(roles, ";"),
		"EBB_PUBLISH_URL=" + baseURL(on.control.Addr(), ""),
		"EBB_PUBLISH_KEY=" + key(d.PublishKey, "publish"), "EBB_PUBLISH_ISS=ebb",
	}
	if d.DenyByDefault {
		env = append(env, "EBB_DENY_BY_DEFAULT=true")
	}
	return env, nil
}

// carryCommand puts a command out of SNS on its topic, as SNS would try for
// weeks.
func carryCommand(ctx context.Context, p *process, client *kafka.Client, m aws.Message) {
	text := []byte(m.Text)
	command, err := ebb.ParseMessage(text)
	if err == nil {
		err = again(ctx, func() error {
			err := client.Sender().Send(ctx, command.String(ebb.FieldType), command.String(ebb.FieldID), text)
			if errors.Is(err, ebb.ErrUnknownType) || errors.Is(err, ebb.ErrTooLarge) {
				p.env.log.Error("a command is dropped", "part", "sns", "id", m.ID, "cause", err)
				return nil
			}
			return err
		})
	}
	if err != nil && ctx.Err() == nil {
		p.env.log.Error("a command is dropped", "part", "sns", "id", m.ID, "cause", err)
	}
}

// carryReplies publishes replies to SNS until ctx ends.
func carryReplies(ctx context.Context, source *kafka.Replies, sns *aws.SNS) error {
	for ctx.Err() == nil {
		var batch ebb.Batch
		_ = again(ctx, func() (err error) {
			batch, err = source.Poll(ctx)
			return err
		})
		for _, r := range batch.Records {
			sns.Publish(aws.Message{TopicARN: replyTopic, Text: string(r.Value)})
		}
		_ = again(ctx, func() error { return source.Commit(ctx) }) // not published again: SNS would not know it
	}
	return nil
}
