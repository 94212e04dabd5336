package kafka

import (
	"context"

	"github.com/ebb-events/ebb"
)

// Replies is a member of a group on the reply topics. It is for one caller.
type Replies struct{ m member }

// Replies returns a new member of the group, for a connector. The caller
// closes it.
func (c *Client) Replies(group string) *Replies {
	return &Replies{member{c: c, group: group, topics: c.topicsOf(ebb.Replies), purpose: ebb.Replies}}
}

// Poll blocks until there is something to do. What an earlier Poll gave and
// Commit did not confirm comes again. No partition is taken away before the
// next Poll.
func (r *Replies) Poll(ctx context.Context) (ebb.Batch, error) { return r.m.poll(ctx) }

// Commit confirms everything that the last Poll gave.
func (r *Replies) Commit(ctx context.Context) error { return r.m.commit(ctx) }

// Close leaves the group.
func (r *Replies) Close() { r.m.leave() }
