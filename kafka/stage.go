package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb"
)

// Stage is a member of a group that takes records off a topic of one type and
// writes others, a transaction at a time. It is for one caller.
type Stage struct {
	m       member
	typ     string
	equals  []ebb.Purpose // of the type's topics with as many partitions as the one that is read
	of      int32         // that many; 0 until known
	reached map[string]bool
	dead    []*kgo.Record

	producer, other producer // of this transaction, and of the one before
	old             bool     // the cluster is older than KIP-890
	reader          *kgo.Client
}

// producer is a client with a transactional id of its own. Two take turns: a
// broker that is still writing the markers of a transaction has the next one
// with the same id wait for 20 milliseconds.
type producer struct {
	*kgo.Client // nil until a transaction needs it, and after a doubt
	id          string
}

// Commands returns a new member of the group of a type's services, for an
// aggregate: it reads the command topic. The caller closes it.
func (c *Client) Commands(typ, group string) *Stage {
	return c.stage(typ, ebb.Commands, group, ebb.Events, ebb.Aggregates, ebb.Replies)
}

// Unique returns a new member of the group <group>-unique, for an aggregate
// with unique values: it reads the topic where commands have their value as
// the key. The caller closes it.
func (c *Client) Unique(typ, group string) *Stage {
	return c.stage(typ, ebb.Uniques, group+"-unique", ebb.Commands, ebb.Events, ebb.Aggregates, ebb.Replies)
}

// Events returns a new member of a group that reacts to the events of a type.
// The caller closes it.
func (c *Client) Events(typ, group string) *Stage { return c.stage(typ, ebb.Events, group) }

// FullEvents is Events for those with the states before and after, which only
// services write that are told to. The caller closes it.
func (c *Client) FullEvents(typ, group string) *Stage { return c.stage(typ, ebb.FullEvents, group) }

func (c *Client) stage(typ string, reads ebb.Purpose, group string, equals ...ebb.Purpose) *Stage {
	topic := ebb.Topic(typ, reads, c.cfg.Environment)
	return &Stage{m: member{c: c, group: group, topics: []string{topic}, purpose: reads}, typ: typ, equals: equals, reached: map[string]bool{}}
}

// Poll blocks until there is something to do. What an earlier Poll gave and
// Commit did not confirm comes again, or, where that is in doubt, its
// partitions are revoked and assigned anew.
func (s *Stage) Poll(ctx context.Context) (ebb.Batch, error) {
	s.dead = nil
	if s.of == 0 {
		if err := s.check(ctx); err != nil {
			return ebb.Batch{}, err
		}
	}
	b, err := s.m.poll(ctx)
	s.m.forgetGaps()
	return b, err
}

// check makes the type's topics. Outputs go to the partition number of their
// command, so all must have as many.
func (s *Stage) check(ctx context.Context) error {
	of, err := s.m.c.ensure(ctx, s.m.topics[0], s.m.purpose)
	if err != nil {
		return err
	}
	for _, purpose := range s.equals {
		if err := s.equal(ctx, purpose, of); err != nil {
			return err
		}
	}
	s.of = of
	return nil
}

// equal makes a topic of the type, and refuses one with another number of
// partitions.
func (s *Stage) equal(ctx context.Context, purpose ebb.Purpose, of int32) error {
	topic := ebb.Topic(s.typ, purpose, s.m.c.cfg.Environment)
	n, err := s.m.c.ensure(ctx, topic, purpose)
	if err == nil && n != of {
		err = fmt.Errorf("kafka: topic %s has %d partitions and %s %d: make them equal", topic, n, s.m.topics[0], of)
	}
	return err
}

// reach sees to it that a topic is there before a transaction needs it. Those
// of the type are made; those of others are their services' to make.
func (s *Stage) reach(ctx context.Context, topic string) error {
	if s.reached[topic] {
		return nil
	}
	c := s.m.c
	for _, purpose := range []ebb.Purpose{ebb.Uniques, ebb.Events, ebb.FullEvents, ebb.Aggregates, ebb.Replies} {
		if topic == ebb.Topic(s.typ, purpose, c.cfg.Environment) {
			err := s.equal(ctx, purpose, s.of)
			s.reached[topic] = err == nil
			return err
		}
	}
	m, err := c.metadata(ctx, c.cl, []string{topic})
	if err != nil {
		return fmt.Errorf("kafka: topic %s: %w", topic, err)
	}
	if _, ok := m.topics[topic]; !ok {
		return fmt.Errorf("kafka: topic %s is not there yet: the service of its type makes it", topic)
	}
	s.reached[topic] = true
	return nil
}

// Restore hands over the committed states of a partition, oldest first, up to
// the high watermark at the call. It waits for the open transaction of a
// predecessor, 10 seconds at most. of is the type's number of partitions.
func (s *Stage) Restore(ctx context.Context, partition int32, apply func(ebb.Record)) (of int32, err error) {
	topic := ebb.Topic(s.typ, ebb.Aggregates, s.m.c.cfg.Environment)
	if of, err = s.m.c.ensure(ctx, topic, ebb.Aggregates); err != nil {
		return 0, err
	}
	if s.reader == nil {
		if s.reader, err = s.m.c.connect(); err != nil {
			return 0, err
		}
	}
	t, err := s.m.c.leaders(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("kafka: restoring from %s: %w", topic, err)
	}
	p := tp{topic, partition}
	bounds, err := extents(ctx, s.m.c.cl, []tp{p})
	if err != nil {
		return 0, fmt.Errorf("kafka: restoring: %w", err)
	}
	return of, s.m.c.scan(ctx, s.reader, p, t.id, bounds[p].start, bounds[p].end, chunk, func(r *kgo.Record) bool {
		apply(record(r, t.id))
		return true
	})
}

// Dead puts what is no command on the dead-letter topic with the next Commit.
func (s *Stage) Dead(record ebb.Record, reason string) {
	s.dead = append(s.dead, deadLetter(record, reason))
}

// Commit writes out and confirms what the last Poll gave, in one transaction.
// After an error nothing of it has happened; if that cannot be known, the next
// Poll revokes and assigns all partitions, and what Restore then reads is what
// happened. It ends within about 10 seconds, whatever ctx says.
func (s *Stage) Commit(ctx context.Context, out []ebb.Record) error {
	if s.m.cl == nil {
		return errors.New("kafka: the group was left")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sessionTime)
	defer cancel()
	records := s.dead
	for _, r := range out {
		records = append(records, s.m.c.outgoing(r))
	}
	if len(records) == 0 {
		return s.m.commit(ctx)
	}
	for _, r := range out {
		if err := s.reach(ctx, r.Topic); err != nil {
			return err
		}
	}
	for _, r := range s.dead {
		if _, err := s.m.c.ensure(ctx, r.Topic, dead); err != nil {
			return err
		}
	}
	err := s.transact(ctx, records)
	if err == nil {
		s.dead = nil
		s.m.confirmed()
		return nil
	}
	return fmt.Errorf("kafka: committing for %s: %w", s.typ, err)
}

// Close leaves the group.
func (s *Stage) Close() {
	s.m.leave()
	s.drop()
	s.producer = s.other
	s.drop()
	if s.reader != nil {
		s.reader.Close()
	}
}
