package kafka

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ebb-events/ebb"
)

// Commands is a member of the group of a type's services. It is for one
// caller.
type Commands struct {
	m       member
	typ     string
	checked bool
	full    bool // the topic of full events is checked, too
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
// aggregate. The caller closes it.
func (c *Client) Commands(typ, group string) *Commands {
	topic := ebb.Topic(typ, ebb.Commands, c.cfg.Environment)
	return &Commands{m: member{c: c, group: group, topics: []string{topic}, purpose: ebb.Commands}, typ: typ}
}

// Poll blocks until there is something to do. What an earlier Poll gave and
// Commit did not confirm comes again, or, where that is in doubt, its
// partitions are revoked and assigned anew.
func (c *Commands) Poll(ctx context.Context) (ebb.Batch, error) {
	c.dead = nil
	if !c.checked {
		if err := c.check(ctx); err != nil {
			return ebb.Batch{}, err
		}
		c.checked = true
	}
	b, err := c.m.poll(ctx)
	c.m.forgetGaps()
	return b, err
}

// check makes the type's topics.
func (c *Commands) check(ctx context.Context) error {
	return c.ensureAll(ctx, ebb.Commands, ebb.Events, ebb.Aggregates, ebb.Replies)
}

// ensureAll makes the topics that are missing. Outputs go to the partition
// number of their command, so all must have as many.
func (c *Commands) ensureAll(ctx context.Context, purposes ...ebb.Purpose) error {
	var want int32
	for _, purpose := range purposes {
		topic := ebb.Topic(c.typ, purpose, c.m.c.cfg.Environment)
		n, err := c.m.c.ensure(ctx, topic, purpose)
		if err != nil {
			return err
		}
		if want == 0 {
			want = n
		}
		if n != want {
			return fmt.Errorf("kafka: topic %s has %d partitions and the command topic %d: make them equal", topic, n, want)
		}
	}
	return nil
}

// Restore hands over the committed states of a partition, oldest first, up to
// the high watermark at the call. It waits for the open transaction of a
// predecessor, 10 seconds at most. of is the type's number of partitions.
func (c *Commands) Restore(ctx context.Context, partition int32, apply func(ebb.Record)) (of int32, err error) {
	topic := ebb.Topic(c.typ, ebb.Aggregates, c.m.c.cfg.Environment)
	if of, err = c.m.c.ensure(ctx, topic, ebb.Aggregates); err != nil {
		return 0, err
	}
	if c.reader == nil {
		if c.reader, err = c.m.c.connect(); err != nil {
			return 0, err
		}
	}
	t, err := c.m.c.leaders(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("kafka: restoring from %s: %w", topic, err)
	}
	p := tp{topic, partition}
	bounds, err := extents(ctx, c.m.c.cl, []tp{p})
	if err != nil {
		return 0, fmt.Errorf("kafka: restoring: %w", err)
	}
	return of, c.m.c.scan(ctx, c.reader, p, t.id, bounds[p].start, bounds[p].end, chunk, func(r *kgo.Record) bool {
		apply(record(r, t.id))
		return true
	})
}

// Dead puts what is no command on the dead-letter topic with the next Commit.
func (c *Commands) Dead(record ebb.Record, reason string) {
	c.dead = append(c.dead, deadLetter(record, reason))
}

// Commit writes out and confirms what the last Poll gave, in one transaction.
// After an error nothing of it has happened; if that cannot be known, the next
// Poll revokes and assigns all partitions, and what Restore then reads is what
// happened. It ends within about 10 seconds, whatever ctx says.
func (c *Commands) Commit(ctx context.Context, out []ebb.Record) error {
	if c.m.cl == nil {
		return errors.New("kafka: the group was left")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sessionTime)
	defer cancel()
	records := c.dead
	for _, r := range out {
		records = append(records, c.m.c.outgoing(r))
	}
	if len(records) == 0 {
		return c.m.commit(ctx)
	}
	if err := c.needFull(ctx, out); err != nil {
		return err
	}
	for _, r := range c.dead {
		if _, err := c.m.c.ensure(ctx, r.Topic, dead); err != nil {
			return err
		}
	}
	err := c.transact(ctx, records)
	if err == nil {
		c.dead = nil
		c.m.confirmed()
		return nil
	}
	return fmt.Errorf("kafka: committing for %s: %w", c.typ, err)
}

// outgoing is r as the client sends it.
func (c *Client) outgoing(r ebb.Record) *kgo.Record {
	k := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}
	if c.cfg.CBOR {
		k.Value = encode(r.Value)
	}
	for _, h := range r.Headers {
		k.Headers = append(k.Headers, kgo.RecordHeader(h))
	}
	return k
}

// transact is one transaction: records, offsets, end.
func (c *Commands) transact(ctx context.Context, records []*kgo.Record) error {
	if err := c.begin(ctx); err != nil {
		c.drop()
		return err
	}
	err := c.fill(ctx, records)
	if err != nil {
		if e := c.producer.EndTransaction(ctx, kgo.TryAbort); e != nil {
			c.drop() // it ends by itself in 10 seconds
		}
		return err
	}
	if err := c.producer.EndTransaction(ctx, kgo.TryCommit); err != nil {
		_ = c.producer.EndTransaction(ctx, kgo.TryAbort) // if it is open still
		c.drop()
		c.m.rejoin() // the committed offsets tell how it ended
		return fmt.Errorf("whether it happened is in doubt: %w", err)
	}
	return nil
}

// begin begins a transaction, with a new id if there was a doubt.
func (c *Commands) begin(ctx context.Context) (err error) {
	c.producer, c.other = c.other, c.producer
	if c.producer.Client == nil {
		c.producer.id = "ebb-" + c.m.group + "-" + rand.Text()
		c.producer.Client, err = c.m.c.connect(
			kgo.TransactionalID(c.producer.id), kgo.RecordPartitioner(byRecord),
			kgo.ManualFlushing(), kgo.MaxBufferedRecords(math.MaxInt32),
		)
		if err != nil {
			return err
		}
		if c.old, err = isOld(ctx, c.producer.Client); err != nil {
			return err
		}
	}
	return c.producer.BeginTransaction()
}

// isOld tells whether a cluster must be told beforehand of a group's offsets in
// a transaction.
func isOld(ctx context.Context, cl *kgo.Client) (bool, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "ebb", "1"
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return false, err
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" && f.MaxVersionLevel >= 2 {
			return false, nil
		}
	}
	return true, nil
}

// fill sends records and offsets.
func (c *Commands) fill(ctx context.Context, records []*kgo.Record) error {
	var failed error
	for _, r := range records {
		c.producer.Produce(ctx, r, func(r *kgo.Record, err error) { // one call at a time
			if err != nil && failed == nil {
				failed = sendError(r.Topic, err)
			}
		})
	}
	if err := c.producer.Flush(ctx); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group = c.producer.id, c.m.group
	req.MemberID, req.Generation = c.m.cl.GroupMetadata()
	var err error
	if req.ProducerID, req.ProducerEpoch, err = c.producer.ProducerID(ctx); err != nil {
		return err
	}
	if c.old {
		if err := c.announce(ctx, req); err != nil {
			return err
		}
	}
	for topic, ps := range c.m.offsets() {
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		t.Topic, t.TopicID = topic, c.m.ids[topic]
		for p, o := range ps {
			part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			part.Partition, part.Offset, part.LeaderEpoch = p, o.Offset, o.Epoch
			t.Partitions = append(t.Partitions, part)
		}
		req.Topics = append(req.Topics, t)
	}
	for fails := 0; ; fails++ {
		resp, err := req.RequestWith(ctx, c.producer.Client)
		if err != nil {
			return err
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if e := kerr.ErrorForCode(p.ErrorCode); e != nil {
					err = e
				}
			}
		}
		if err == nil || !kerr.IsRetriable(err) || ctx.Err() != nil {
			return err
		}
		wait(ctx, fails)
	}
}

// announce tells an older cluster that a group's offsets will come.
func (c *Commands) announce(ctx context.Context, of *kmsg.TxnOffsetCommitRequest) error {
	req := kmsg.NewPtrAddOffsetsToTxnRequest()
	req.TransactionalID, req.Group = of.TransactionalID, of.Group
	req.ProducerID, req.ProducerEpoch = of.ProducerID, of.ProducerEpoch
	for fails := 0; ; fails++ {
		resp, err := req.RequestWith(ctx, c.producer.Client)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err == nil || !kerr.IsRetriable(err) || ctx.Err() != nil {
			return err
		}
		wait(ctx, fails)
	}
}

// drop has the next transaction begin with a new id.
func (c *Commands) drop() {
	if c.producer.Client != nil {
		c.producer.Close()
		c.producer.Client = nil
	}
}

// Close leaves the group.
func (c *Commands) Close() {
	c.m.leave()
	c.drop()
	c.producer = c.other
	c.drop()
	if c.reader != nil {
		c.reader.Close()
	}
}
