package kafka

import (
	"context"
	"fmt"
	"slices"

	"github.com/ebb-events/ebb"
)

// States reads the aggregate topics.
type States struct{ c *Client }

// States returns the client's, for a view.
func (c *Client) States() *States { return &States{c} }

// Follow hands over all committed states of all types, then every new one,
// oldest first within a partition, until ctx ends. positions says how far the
// partitions have been read, markers of transactions included; a partition
// that is new comes with its first. A new type is found within 10 seconds. It
// returns an error when a log was cut or made anew.
func (s *States) Follow(ctx context.Context, handle func(records []ebb.Record, positions []ebb.Position)) error {
	cl, err := s.c.connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	f := follower{
		c: s.c, cl: cl, names: s.c.topicsOf(ebb.Aggregates),
		since: func(ctx context.Context, parts []tp) (map[tp]offset, error) { return list(ctx, cl, parts, earliest) },
		handle: func(p tp, id [16]byte, g got) {
			handle(g.records(id), []ebb.Position{{Topic: p.topic, Partition: p.partition, Offset: g.next}})
		},
	}
	if len(f.names) == 0 {
		f.wanted = func(topic string) bool {
			_, ok := ebb.TypeOf(topic, ebb.Aggregates, s.c.cfg.Environment)
			return ok
		}
	}
	for _, topic := range f.names {
		if _, err := s.c.ensure(ctx, topic, ebb.Aggregates); err != nil {
			return err
		}
	}
	return f.run(ctx)
}

// Ends returns the high watermarks of a type's aggregate topic, or
// [ebb.ErrUnknownType].
func (s *States) Ends(ctx context.Context, typ string) ([]ebb.Position, error) {
	topic, n, err := s.c.known(ctx, typ, ebb.Aggregates)
	if err != nil {
		return nil, err
	}
	ends, err := list(ctx, s.c.cl, partitionsOf(topic, n), latest)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	out := make([]ebb.Position, 0, len(ends))
	for p, end := range ends {
		out = append(out, ebb.Position{Topic: topic, Partition: p.partition, Offset: end.at})
	}
	slices.SortFunc(out, func(a, b ebb.Position) int { return int(a.Partition - b.Partition) })
	return out, nil
}

// partitionsOf names the n partitions of a topic.
func partitionsOf(topic string, n int32) (parts []tp) {
	for i := range n {
		parts = append(parts, tp{topic, i})
	}
	return parts
}
