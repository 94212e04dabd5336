package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/channel"
)

// tailFrom is how old the oldest records are that Tail begins with.
const tailFrom = 10 * time.Minute

// Channels is the channel log, for reading and for writing.
type Channels struct {
	c     *Client
	topic string

	mu sync.Mutex
	id [16]byte // of the topic that Tail began with
}

// Channels returns the channel log, for an edge or a connector. Read and Bounds
// are about what its Tail last read.
func (c *Client) Channels() *Channels { return &Channels{c: c, topic: c.channelTopic()} }

// Append returns once the broker has all records, or ctx ends. It never gives
// up on one that it may keep trying: one that is too large, or that the broker
// refuses for good, becomes a gap for its channel. Records of one channel keep
// their order. A gap without a channel goes to every partition.
func (c *Channels) Append(ctx context.Context, records []channel.Record) error {
	n, err := c.c.ensure(ctx, c.topic, ChannelLog)
	if err != nil {
		return err
	}
	var batch []*kgo.Record
	for _, r := range records {
		if r.Kind == channel.Gap && r.Channel == "" {
			for p := range n {
				batch = append(batch, c.encode(r, p))
			}
			continue
		}
		p := channel.Partition(r.Channel, n)
		k := c.encode(r, p)
		if size(k) > maxBatch {
			k = c.lost(k, "too large")
		}
		batch = append(batch, k)
	}
	for len(batch) > 0 {
		if batch, err = c.put(ctx, batch); err != nil {
			return fmt.Errorf("kafka: appending to %s: %w", c.topic, err)
		}
	}
	return nil
}

// put writes records and returns the gaps for those that are refused for good.
func (c *Channels) put(ctx context.Context, batch []*kgo.Record) (gaps []*kgo.Record, err error) {
	results := make(chan kgo.ProduceResult, len(batch))
	for _, r := range batch {
		c.c.log.Produce(ctx, r, func(r *kgo.Record, err error) { results <- kgo.ProduceResult{Record: r, Err: err} })
	}
	for range batch {
		select {
		case <-ctx.Done(): // though some may still arrive
			return nil, ctx.Err()
		case r := <-results:
			switch {
			case r.Err == nil:
			case errors.Is(r.Err, kerr.MessageTooLarge), errors.Is(r.Err, kerr.InvalidRecord):
				gaps = append(gaps, c.lost(r.Record, r.Err.Error()))
			case errors.Is(r.Err, kerr.UnknownTopicOrPartition), errors.Is(r.Err, kerr.UnknownTopicID):
				c.c.forget(c.topic) // deleted, or deleted and made anew
				return nil, r.Err
			default:
				return nil, r.Err
			}
		}
	}
	return gaps, nil
}

func (c *Channels) encode(r channel.Record, partition int32) *kgo.Record {
	key, value, headers := r.Encode()
	k := &kgo.Record{Topic: c.topic, Partition: partition, Key: key, Value: value}
	for _, h := range headers {
		k.Headers = append(k.Headers, kgo.RecordHeader(h))
	}
	return k
}

// lost is the gap in place of a record that the log does not take. Where even
// its channel is too long, all of the partition must read again.
func (c *Channels) lost(k *kgo.Record, reason string) *kgo.Record {
	c.c.cfg.Lost()
	c.c.cfg.Log.Error("an event became a gap", "reason", reason, "bytes", size(k), "partition", k.Partition)
	name := string(k.Key)
	if len(name) > maxBatch/2 {
		name = ""
	}
	return c.encode(channel.Record{Channel: name, Kind: channel.Gap, Data: []byte(reason)}, k.Partition)
}

// Dead puts what cannot be processed on its topic's dead-letter topic, with
// its coordinates and the reason.
func (c *Channels) Dead(ctx context.Context, record ebb.Record, reason string) error {
	return c.c.dead(ctx, record, reason)
}

// Tail hands over every partition from where it was ten minutes ago, then
// everything new, until ctx ends. It begins with one batch for each partition,
// without entries. One call of handle runs at a time. It returns an error when
// the log was cut or made anew; the next Tail, and Read and Bounds after it, are
// about the log as it is then.
func (c *Channels) Tail(ctx context.Context, handle func(channel.Batch)) error {
	n, err := c.c.ensure(ctx, c.topic, ChannelLog)
	if err != nil {
		return err
	}
	cl, err := c.c.connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	f := follower{
		c: c.c, cl: cl, names: []string{c.topic},
		since: func(ctx context.Context, parts []tp) (map[tp]offset, error) {
			return list(ctx, cl, parts, time.Now().Add(-tailFrom).UnixMilli())
		},
		handle: func(p tp, id [16]byte, g got) {
			c.mu.Lock()
			c.id = id
			c.mu.Unlock()
			handle(channel.Batch{
				Log:       channel.Log{Generation: channel.GenerationOf(id), Partitions: n},
				Partition: p.partition, Start: g.LogStartOffset, High: g.HighWatermark, Epoch: g.epoch,
				Entries: c.entries(g.Records), Next: g.next,
			})
		},
	}
	err = f.run(ctx)
	if errors.Is(err, errCut) {
		c.c.forget(c.topic)
		c.c.forgetLeaders(c.topic)
	}
	return err
}

// entries reads records, leaving out what is none of ours.
func (c *Channels) entries(records []*kgo.Record) []channel.Entry {
	entries := make([]channel.Entry, 0, len(records))
	for _, r := range records {
		if e, ok := c.entry(r); ok {
			entries = append(entries, e)
		}
	}
	return entries
}

func (c *Channels) entry(r *kgo.Record) (channel.Entry, bool) {
	if r.Attrs.IsControl() {
		return channel.Entry{}, false
	}
	rec, err := channel.Decode(r.Key, r.Value, func(yield func(string, []byte) bool) {
		for _, h := range r.Headers {
			if !yield(h.Key, h.Value) {
				return
			}
		}
	})
	if err != nil {
		c.c.cfg.Log.Error("not a record of the channel log", "partition", r.Partition, "offset", r.Offset, "error", err)
		return channel.Entry{}, false
	}
	return channel.Entry{Record: rec, Partition: r.Partition, Offset: r.Offset, Epoch: r.LeaderEpoch, Time: r.Timestamp}, true
}

// Read hands over the entries of a partition with offsets from from, up to and
// without to, until handle returns false. Before them come those of the time
// warm before from. It fails where from is no longer in the log, and, after some
// seconds, where the log ends before to.
func (c *Channels) Read(ctx context.Context, partition int32, from, to int64, warm time.Duration, handle func(channel.Entry) bool) error {
	id, err := c.tailed()
	if err != nil {
		return err
	}
	p := tp{c.topic, partition}
	if warm > 0 {
		var first time.Time
		err := c.c.scan(ctx, c.c.cl, p, id, from, to, 1, func(r *kgo.Record) bool {
			first = r.Timestamp
			return false
		})
		if err != nil || first.IsZero() {
			return err
		}
		since, err := list(ctx, c.c.cl, []tp{p}, first.Add(-warm).UnixMilli())
		if err != nil {
			return fmt.Errorf("kafka: %w", err)
		}
		if at := since[p].at; at >= 0 {
			from = min(from, at)
		}
	}
	return c.c.scan(ctx, c.c.cl, p, id, from, to, chunk, func(r *kgo.Record) bool {
		e, ok := c.entry(r)
		return !ok || handle(e)
	})
}

// Bounds asks the leader of a partition where its log and an epoch end.
func (c *Channels) Bounds(ctx context.Context, partition, epoch int32) (channel.Bounds, error) {
	id, err := c.tailed()
	if err != nil {
		return channel.Bounds{}, err
	}
	fail := func(err error) (channel.Bounds, error) {
		return channel.Bounds{}, fmt.Errorf("kafka: bounds of %s partition %d: %w", c.topic, partition, err)
	}
	m, err := c.c.metadata(ctx, c.c.cl, []string{c.topic})
	if err != nil {
		return fail(err)
	}
	if m.topics[c.topic].id != id {
		return fail(errCut)
	}
	p := tp{c.topic, partition}
	ends, err := epochEnds(ctx, c.c.cl, map[tp]int32{p: epoch})
	if err != nil {
		return fail(err)
	}
	b, err := extents(ctx, c.c.cl, []tp{p})
	if err != nil {
		return fail(err)
	}
	return channel.Bounds{Start: b[p].start, High: b[p].end, EpochEnd: ends[p]}, nil
}

// tailed is the id of the topic that Tail knows.
func (c *Channels) tailed() ([16]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id == [16]byte{} {
		return c.id, errors.New("kafka: the channel log was not tailed yet")
	}
	return c.id, nil
}
