package aggregate

import (
	"context"
	"errors"
	"runtime"
	"strings"

	"github.com/ebb-events/ebb"
)

type counter struct {
	Value         int64    `json:"value"`
	Note          string   `json:"note,omitempty"`
	ACL           ebb.ACL  `json:"_acl,omitempty"`
	Subscriptions []string `json:"_subscriptions,omitempty"`
	More          any      `json:"more,omitempty"`
	Bad           any      `json:"bad,omitempty"`
}

var counters = Type[counter]{
	Name: "test-counter",
	On: map[string]Reducer[counter]{
		"plus": func(_ context.Context, c counter, _ Command) (counter, error) {
			c.Value++
			return c, nil
		},
		"set": func(_ context.Context, c counter, cmd Command) (counter, error) {
			return c, cmd.Decode(&c)
		},
		"same":   same[counter],
		"delete": Delete[counter],
		"lock": func(_ context.Context, c counter, cmd Command) (counter, error) {
			c.ACL = ebb.ACL{"get": {cmd.User.Name}, "write": {cmd.User.Name}}
			return c, nil
		},
		"reject": func(_ context.Context, c counter, _ Command) (counter, error) {
			return c, errors.Join(Reject("/a", "A", "No a."), Reject("/b", "B", "No <b>."))
		},
		"babble": func(_ context.Context, c counter, _ Command) (counter, error) {
			return c, errors.Join(Reject("/a", "A", "No."), Reject("/b", "B", strings.Repeat("no ", maxErrors)))
		},
		"shout": func(_ context.Context, c counter, _ Command) (counter, error) {
			return c, Reject("/b", "B", strings.Repeat("no ", maxErrors))
		},
		"mixed": func(_ context.Context, c counter, _ Command) (counter, error) {
			return c, errors.Join(Reject("/a", "A", "No."), errors.New("secret"))
		},
		"panic": func(context.Context, counter, Command) (counter, error) { panic("secret") },
		"exit":  func(_ context.Context, c counter, _ Command) (counter, error) { runtime.Goexit(); return c, nil },
		"bad": func(_ context.Context, c counter, _ Command) (counter, error) {
			c.Bad = make(chan bool)
			return c, nil
		},
		"grow": func(_ context.Context, c counter, _ Command) (counter, error) {
			c.Note = strings.Repeat("x", 1_000_000)
			return c, nil
		},
		"slow": func(ctx context.Context, c counter, _ Command) (counter, error) {
			<-ctx.Done()
			return c, ctx.Err()
		},
		"dawdle": func(ctx context.Context, c counter, _ Command) (counter, error) {
			if dawdling() {
				<-ctx.Done()
				return c, ctx.Err()
			}
			c.Value++
			return c, nil
		},
		"hang": func(_ context.Context, c counter, _ Command) (counter, error) {
			<-hanging
			return c, nil
		},
	},
}

// dawdling says whether a reducer takes too long.
var dawdling func() bool

// hanging holds reducers that heed nothing.
var hanging chan bool

func same[T any](_ context.Context, state T, _ Command) (T, error) { return state, nil }
