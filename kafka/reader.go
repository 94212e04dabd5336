package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ebb-events/ebb"
)

// errCut is a log that lost records which somebody counts on, or that was made
// anew.
var errCut = errors.New("the log was cut or made anew")

// Times that stand for offsets.
const (
	latest   = -1 // the high watermark
	earliest = -2 // the log's start
)

// offset is a place in a log and the leader epoch that belongs to it.
type offset struct {
	at    int64 // -1 if there is none
	epoch int32
}

// list asks the leaders for the first offset since a time, or for one that a
// constant above stands for.
func list(ctx context.Context, cl *kgo.Client, parts []tp, ms int64) (map[tp]offset, error) {
	return settled(ctx, func() (map[tp]offset, error) { return listOnce(ctx, cl, parts, ms) })
}

// settled asks again, for a few seconds, while leaders are about to change: as
// they are when a topic is new.
func settled[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	for fails := 0; ; fails++ {
		v, err := ask()
		if k, ok := errors.AsType[*kerr.Error](err); !ok || !k.Retriable || fails == 8 || ctx.Err() != nil {
			return v, err
		}
		wait(ctx, fails)
	}
}

func listOnce(ctx context.Context, cl *kgo.Client, parts []tp, ms int64) (map[tp]offset, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	byTopic := map[string]int{}
	for _, p := range parts {
		i, ok := byTopic[p.topic]
		if !ok {
			i = len(req.Topics)
			byTopic[p.topic] = i
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = p.topic
			req.Topics = append(req.Topics, t)
		}
		part := kmsg.NewListOffsetsRequestTopicPartition()
		part.Partition, part.Timestamp = p.partition, ms
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, part)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	out := map[tp]offset{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("offsets of %s partition %d: %w", t.Topic, p.Partition, err)
			}
			out[tp{t.Topic, p.Partition}] = offset{p.Offset, p.LeaderEpoch}
		}
	}
	for _, p := range parts {
		if _, ok := out[p]; !ok {
			return nil, fmt.Errorf("offsets of %s partition %d: no answer", p.topic, p.partition)
		}
	}
	return out, nil
}

// extent is where a log starts and what its high watermark is.
type extent struct{ start, end int64 }

func extents(ctx context.Context, cl *kgo.Client, parts []tp) (map[tp]extent, error) {
	starts, err := list(ctx, cl, parts, earliest)
	if err != nil {
		return nil, err
	}
	ends, err := list(ctx, cl, parts, latest)
	if err != nil {
		return nil, err
	}
	out := map[tp]extent{}
	for _, p := range parts {
		out[p] = extent{starts[p].at, ends[p].at}
	}
	return out, nil
}

// epochEnds asks the leaders where leader epochs ended: -1 if a leader never
// heard of one.
func epochEnds(ctx context.Context, cl *kgo.Client, epochs map[tp]int32) (map[tp]int64, error) {
	return settled(ctx, func() (map[tp]int64, error) { return epochEndsOnce(ctx, cl, epochs) })
}

func epochEndsOnce(ctx context.Context, cl *kgo.Client, epochs map[tp]int32) (map[tp]int64, error) {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	byTopic := map[string]int{}
	var parts []tp
	for p, epoch := range epochs {
		i, ok := byTopic[p.topic]
		if !ok {
			i = len(req.Topics)
			byTopic[p.topic] = i
			t := kmsg.NewOffsetForLeaderEpochRequestTopic()
			t.Topic = p.topic
			req.Topics = append(req.Topics, t)
		}
		part := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		part.Partition, part.LeaderEpoch = p.partition, epoch
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, part)
		parts = append(parts, p)
	}
	ends, err := list(ctx, cl, parts, latest) // before the epochs: see below
	if err != nil {
		return nil, err
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	out := map[tp]int64{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("epochs of %s partition %d: %w", t.Topic, p.Partition, err)
			}
			at := tp{t.Topic, p.Partition}
			out[at] = p.EndOffset
			if p.EndOffset < 0 && ends[at].epoch > epochs[at] {
				// The embedded broker knows no later epoch before something is
				// written in it. Then the log ends where the epoch did.
				out[at] = ends[at].at
			}
		}
	}
	return out, nil
}

// want is what to fetch of one partition.
type want struct {
	tp
	id    [16]byte
	at    int64
	epoch int32 // the leader's: the broker refuses another one
	most  int32 // bytes, though never less than a batch
}

// got is what was fetched.
type got struct {
	kgo.FetchPartition
	next  int64 // where to go on
	epoch int32 // the leader's
}

// records are those that somebody wrote.
func (g got) records(id [16]byte) []ebb.Record {
	records := make([]ebb.Record, 0, len(g.Records))
	for _, r := range g.Records {
		if !r.Attrs.IsControl() {
			records = append(records, record(r, id))
		}
	}
	return records
}

// fetch asks one broker for committed records, markers of transactions
// included, and has it wait for the first byte.
func fetch(ctx context.Context, cl *kgo.Client, node int32, wants []want, wait time.Duration) (map[tp]got, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = int32(wait.Milliseconds()), 1, 8<<20, 1
	byTopic, names, asked := map[string]int{}, map[[16]byte]string{}, map[tp]want{}
	for _, i := range rand.Perm(len(wants)) { // or the last would starve
		w := wants[i]
		at, ok := byTopic[w.topic]
		if !ok {
			at = len(req.Topics)
			byTopic[w.topic] = at
			t := kmsg.NewFetchRequestTopic()
			t.Topic, t.TopicID = w.topic, w.id
			req.Topics = append(req.Topics, t)
		}
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = w.partition, w.at, w.most, w.epoch
		req.Topics[at].Partitions = append(req.Topics[at].Partitions, p)
		names[w.id], asked[w.tp] = w.topic, w
	}
	kresp, err := cl.Broker(int(node)).Request(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := kresp.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	out := map[tp]got{}
	for _, t := range resp.Topics {
		topic := t.Topic
		if topic == "" {
			topic = names[t.TopicID]
		}
		for i := range t.Partitions {
			at := tp{topic, t.Partitions[i].Partition}
			fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
				KeepControlRecords: true, Offset: asked[at].at, IsolationLevel: kgo.ReadCommitted(),
				Topic: topic, Partition: at.partition,
			}, &t.Partitions[i], kgo.DefaultDecompressor(), nil)
			out[at] = got{fp, max(next, asked[at].at), asked[at].epoch}
		}
	}
	return out, nil
}

// chunk is how much of a partition is fetched at a time.
const chunk = 1 << 20

// scan reads a partition from from up to to, most bytes at a time, until
// handle returns false. It waits for open transactions, and some seconds for a
// log that does not go so far: a new leader does not know at once how far it does.
func (c *Client) scan(ctx context.Context, cl *kgo.Client, p tp, id [16]byte, from, to int64, most int32, handle func(*kgo.Record) bool) error {
	begun, told := time.Now(), false
	for fails := 0; from < to; {
		g, err := c.fetchOne(ctx, cl, p, id, from, most)
		if err != nil {
			c.forgetLeaders(p.topic)
			if fails++; ctx.Err() != nil || fails > 20 || !isTransient(err) {
				return fmt.Errorf("kafka: reading %s partition %d from %d: %w", p.topic, p.partition, from, err)
			}
			wait(ctx, fails)
			continue
		}
		fails = 0
		for _, r := range g.Records {
			if r.Offset < to && !r.Attrs.IsControl() && !handle(r) {
				return nil
			}
		}
		if g.next > from {
			begun = time.Now()
		} else if time.Since(begun) > 5*c.away && !told { // a broker would have ended it
			told = true
			c.cfg.Log.Warn("an open transaction does not end", "topic", p.topic, "partition", p.partition, "offset", from)
		}
		from = g.next
	}
	return nil
}

// fetchOne fetches from whoever leads a partition.
func (c *Client) fetchOne(ctx context.Context, cl *kgo.Client, p tp, id [16]byte, at int64, most int32) (got, error) {
	t, err := c.leaders(ctx, p.topic)
	if err != nil {
		return got{}, err
	}
	if t.id != id || int(p.partition) >= len(t.leaders) {
		return got{}, errCut
	}
	l := t.leaders[p.partition]
	if l.node < 0 {
		return got{}, kerr.LeaderNotAvailable
	}
	gots, err := fetch(ctx, cl, l.node, []want{{p, id, at, l.epoch, most}}, 100*time.Millisecond)
	if err != nil {
		return got{}, err
	}
	g, ok := gots[p]
	if !ok {
		return got{}, kerr.UnknownTopicOrPartition
	}
	if g.Err == nil && g.next == at && at >= g.HighWatermark {
		return got{}, kerr.OffsetNotAvailable
	}
	return g, cut(g.Err)
}

// cut tells what a broker says of a log that lost something from what it says
// of itself.
func cut(err error) error {
	if errors.Is(err, kerr.OffsetOutOfRange) {
		return errCut
	}
	return err
}

// isTransient tells whether err may be gone after a look at who leads.
func isTransient(err error) bool {
	if k, ok := errors.AsType[*kerr.Error](err); ok {
		return k.Retriable || k == kerr.UnknownTopicID || k == kerr.FencedLeaderEpoch || k == kerr.InconsistentTopicID
	}
	return !errors.Is(err, errCut) && !errors.Is(err, context.Canceled) // the network's
}
