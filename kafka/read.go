package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb"
)

// Read hands over the committed records of one of a type's topics, up to the
// high watermarks at the call, oldest first within a partition.
func (c *Client) Read(ctx context.Context, typ string, purpose ebb.Purpose, handle func(ebb.Record)) error {
	topic := ebb.Topic(typ, purpose, c.cfg.Environment)
	n, err := c.ensure(ctx, topic, purpose)
	if err != nil {
		return err
	}
	t, err := c.leaders(ctx, topic)
	if err != nil {
		return fmt.Errorf("kafka: reading %s: %w", topic, err)
	}
	parts := partitionsOf(topic, n)
	bounds, err := extents(ctx, c.cl, parts)
	if err != nil {
		return fmt.Errorf("kafka: reading %s: %w", topic, err)
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	for _, p := range parts {
		err := c.scan(ctx, cl, p, t.id, bounds[p].start, bounds[p].end, chunk, func(r *kgo.Record) bool {
			handle(record(r, t.id))
			return true
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Follow hands over the committed records of one of a type's topics, from the
// first, and then every new one as it comes, until ctx ends.
func (c *Client) Follow(ctx context.Context, typ string, purpose ebb.Purpose, handle func(ebb.Record)) error {
	topic := ebb.Topic(typ, purpose, c.cfg.Environment)
	if _, err := c.ensure(ctx, topic, purpose); err != nil {
		return err
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	f := follower{
		c: c, cl: cl, names: []string{topic},
		since: func(ctx context.Context, parts []tp) (map[tp]offset, error) { return list(ctx, cl, parts, earliest) },
		handle: func(_ tp, id [16]byte, g got) {
			for _, r := range g.records(id) {
				handle(r)
			}
		},
	}
	return f.run(ctx)
}

// PartitionOf returns the partition that every Kafka client puts a key on, as
// long as the topic has that many.
func PartitionOf(key string, partitions int32) int32 {
	p := kgo.StickyKeyPartitioner(nil).ForTopic("")
	return int32(p.Partition(&kgo.Record{Key: []byte(key)}, int(partitions)))
}
