package kafka

import (
	"context"
	"slices"

	"github.com/ebb-events/ebb"
)

// Answers hears the replies of all types, as a member of no group.
type Answers struct{ c *Client }

// Answers returns the client's, for a gateway.
func (c *Client) Answers() *Answers { return &Answers{c} }

// Follow hands over the replies that are committed from now on, until ctx
// ends. It calls begun when none of them can be missed any more. A new type is
// found within 10 seconds, and heard from its beginning. It returns an error
// when a log was cut or made anew.
func (a *Answers) Follow(ctx context.Context, begun func(), handle func(replies []ebb.Record)) error {
	cl, err := a.c.connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	from := int64(latest)
	f := follower{
		c: a.c, cl: cl,
		wanted: func(topic string) bool {
			typ, ok := ebb.TypeOf(topic, ebb.Replies, a.c.cfg.Environment)
			return ok && (len(a.c.cfg.Types) == 0 || slices.Contains(a.c.cfg.Types, typ))
		},
		since: func(ctx context.Context, parts []tp) (map[tp]offset, error) { return list(ctx, cl, parts, from) },
		looked: func() {
			if from == latest { // what appears from now on is all new
				from = earliest
				begun()
			}
		},
		handle: func(_ tp, id [16]byte, g got) {
			if records := g.records(id); len(records) > 0 {
				handle(records)
			}
		},
	}
	return f.run(ctx)
}
