package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/ebb-events/ebb/internal/aws"
)

type lambdaCmd struct {
	Addr       string        `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address of the functions: /api/sse, /api/sse-setup and commands."`
	SNSAddr    string        `name:"sns-addr" default:"127.0.0.1:8086" placeholder:"HOST:PORT" help:"Address of the SNS stand-in: the query protocol, POST /redeliver?last=N and GET /failures."`
	AdminAddr  string        `default:"127.0.0.1:8087" placeholder:"HOST:PORT" help:"Address for operators: /metrics, /healthz, /readyz, /debug/pprof/."`
	Stage      string        `placeholder:"NAME" help:"Call the functions as an HTTP API with that stage does, not as their URLs."`
	CloudFront bool          `name:"cloudfront" help:"Call them as CloudFront with origin access control does, which takes Authorization and wants bodies with a hash."`
	Retry      time.Duration `default:"1m" placeholder:"TIME" help:"What Lambda waits before it tries a failed notify again; twice as long the second time."`
	functionFlags
}

// Validate says what cannot be.
func (l *lambdaCmd) Validate() error {
	if l.Retry < 0 {
		return errors.New("--retry cannot be negative")
	}
	return nil
}

// Run is ebb lambda: the functions as they would be deployed, with the EBB_
// variables of the environment.
func (l *lambdaCmd) Run(ctx context.Context, env *environment) error {
	paths, err := l.programs()
	if err != nil {
		return err
	}
	p := newProcess(env)
	defer p.close()
	front, err := p.listen(l.Addr, "--addr", "lambda")
	if err != nil {
		return err
	}
	sns, err := p.listen(l.SNSAddr, "--sns-addr", "sns")
	if err != nil {
		return err
	}
	if err := p.serveAdmin(l.AdminAddr); err != nil {
		return err
	}
	fs := newFunctions(paths, functionEnv(baseURL(sns.Addr(), "")), env.log)
	p.atEnd(fs.close)
	fs.notifier.Pause = func(n int) time.Duration { return time.Duration(n) * l.Retry }
	p.handler("lambda", front, fs.handler(func(f *aws.Function) http.Handler {
		return &aws.Front{Invoke: f.Invoke, Stage: l.Stage, CloudFront: l.CloudFront}
	}, nil))
	p.handler("sns", sns, fs.events())
	env.log.Info("topics", "part", "sns", "commands", commandTopic, "replies", replyTopic)
	return p.run(ctx, "ready "+baseURL(front.Addr(), ""))
}

// functionEnv is our own environment, as far as it is Ebb's, and where SNS is.
func functionEnv(sns string) []string {
	env := []string{"AWS_ENDPOINT_URL_SNS=" + sns, "EBB_COMMAND_TOPIC=" + commandTopic}
	for _, one := range os.Environ() {
		if strings.HasPrefix(one, "EBB_") {
			env = append(env, one)
		}
	}
	return env
}
