package kafka

import (
	"context"
	"slices"

	"github.com/ebb-events/ebb"
)

// needFull makes the topic of full events before the first of them is written:
// only the type knows whether there are any.
func (c *Commands) needFull(ctx context.Context, out []ebb.Record) error {
	topic := ebb.Topic(c.typ, ebb.FullEvents, c.m.c.cfg.Environment)
	if c.full || !slices.ContainsFunc(out, func(r ebb.Record) bool { return r.Topic == topic }) {
		return nil
	}
	if err := c.ensureAll(ctx, ebb.Commands, ebb.FullEvents); err != nil {
		return err
	}
	c.full = true
	return nil
}
