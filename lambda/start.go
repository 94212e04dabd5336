package lambda

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	runtime "github.com/aws/aws-lambda-go/lambda"
)

// Handler answers one event. An error is the function's failure, which Lambda
// may try again.
type Handler func(ctx context.Context, event []byte) ([]byte, error)

// Function makes a handler out of the environment.
type Function func(*Settings) (Handler, error)

// Start runs a function, as Lambda wants it. It does not return.
func Start(f Function) {
	i := newInstance(f, os.Getenv, os.Stderr)
	if !i.refers() { // what is wrong is told at the deployment, and not by the first request
		if err := i.build(context.Background()); err != nil {
			i.log.Error("the environment is wrong", "cause", err.Error())
			os.Exit(1)
		}
	}
	runtime.Start(i)
}

// instance is a function in its environment.
type instance struct {
	function Function
	lookup   func(string) string
	log      *slog.Logger
	now      func() time.Time
	fresh    time.Duration // how long what was referred to is not asked for again

	mu      sync.Mutex
	handler Handler // nil until it could be made
	vault   *vault
	asked   time.Time
}

const defaultFresh = 5 * time.Minute

func newInstance(f Function, lookup func(string) string, out io.Writer) *instance {
	var level slog.Level
	_ = level.UnmarshalText([]byte(lookup("EBB_LOG_LEVEL"))) // or info
	i := &instance{
		function: f, lookup: lookup, now: time.Now, fresh: defaultFresh,
		log: slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level})),
	}
	if d, err := time.ParseDuration(lookup("EBB_SECRETS_TTL")); err == nil && d >= 0 {
		i.fresh = d
	}
	return i
}

// refers tells whether a key must be asked for. The extension is not there
// before the first invocation.
func (i *instance) refers() bool {
	for _, name := range []string{"EBB_TICKET_KEY", "EBB_TICKET_KEY_OLD", "EBB_GRIP_KEY", "EBB_GRIP_KEY_OLD", "EBB_PUBLISH_KEY", "EBB_FASTLY_KEY", "EBB_JWT_KEY"} {
		if isReference(i.lookup(name)) {
			return true
		}
	}
	// In a list of issuers, too; one too many here only builds later.
	list := []byte(i.lookup("EBB_ISSUERS"))
	return bytes.Contains(list, []byte(`"`+secretPrefix)) || bytes.Contains(list, []byte(`"`+parameterPrefix)) || bytes.HasPrefix(list, []byte("file:"))
}

// build makes the handler.
func (i *instance) build(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, vaultTimeout)
	defer cancel()
	v := newVault(i.lookup)
	s := &Settings{Log: i.log, lookup: i.lookup, resolve: func(text string) (string, error) { return v.resolve(ctx, text) }}
	h, err := i.function(s)
	if err != nil {
		return err
	}
	i.handler, i.vault, i.asked = h, v, i.now()
	return nil
}

// current returns the handler, made anew if a secret it was made of is another.
func (i *instance) current(ctx context.Context) (Handler, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.handler == nil {
		if err := i.build(ctx); err != nil {
			i.log.Error("the environment is wrong", "cause", err.Error())
			return nil, fmt.Errorf("lambda: %w", err)
		}
		return i.handler, nil
	}
	if len(i.vault.known) == 0 || i.now().Sub(i.asked) < i.fresh {
		return i.handler, nil
	}
	i.asked = i.now()
	changed, err := i.vault.changed(ctx)
	if err == nil && changed {
		if err = i.build(ctx); err == nil {
			i.log.Info("secrets are new")
		}
	}
	if err != nil {
		i.log.Warn("secrets stay as they were", "cause", err.Error())
	}
	return i.handler, nil
}

// Invoke answers one event. It is what Lambda's runtime calls.
func (i *instance) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	h, err := i.current(ctx)
	if err != nil {
		return nil, err
	}
	return h(ctx, event)
}
