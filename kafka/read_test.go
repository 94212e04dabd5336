package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/kafka"
)

func TestTopicIsReadWholeAndFollowed(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		b.must(c.Prepare(b.in(), ebb.Replies))
		for i := range 5 {
			b.put(b.topic(ebb.Replies), int32(i), 0, 2)
		}
		var read []string
		b.must(c.Read(b.in(), typ, ebb.Replies, func(r ebb.Record) { read = append(read, fmt.Sprint(r.Partition, string(r.Value))) }))
		want := `[0{"n":0} 0{"n":1} 1{"n":0} 1{"n":1} 2{"n":0} 2{"n":1} 3{"n":0} 3{"n":1} 4{"n":0} 4{"n":1}]`
		if fmt.Sprint(read) != want {
			b.Errorf("got %v, want %s", read, want)
		}

		ctx, cancel := context.WithCancel(b.in())
		defer cancel()
		n := 0
		b.must(c.Follow(ctx, typ, ebb.Replies, func(r ebb.Record) {
			switch n++; {
			case n == 10:
				b.put(b.topic(ebb.Replies), 7, 0, 1)
			case n == 11:
				if r.Partition != 7 {
					b.Errorf("got a record of partition %d, want the new one", r.Partition)
				}
				cancel()
			}
		}))
		if n != 11 {
			b.Errorf("followed %d records, want 11", n)
		}
	})
}

// TestPartitionOfAKey holds what Java's producers do, for old topics outlive
// programs.
func TestPartitionOfAKey(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		for _, key := range []string{"a", "0d9c2fa1-7b1e-4f6e-9a55-3f1c8f6b1a01", "é"} {
			b.must(c.Sender().Send(b.in(), typ, key, []byte(`{}`)))
		}
		b.must(c.Read(b.in(), typ, ebb.Commands, func(r ebb.Record) {
			if want := kafka.PartitionOf(string(r.Key), 12); r.Partition != want {
				b.Errorf("key %s lies on %d, want %d", r.Key, r.Partition, want)
			}
		}))
	})
	if got := kafka.PartitionOf("0d9c2fa1-7b1e-4f6e-9a55-3f1c8f6b1a01", 12); got != 5 {
		t.Errorf("got partition %d, want 5, as by murmur2", got)
	}
}

// TestReadWaitsForALeaderThatLags: a new leader knows only after a moment how
// much of its log is safe, and shows less of it until then.
func TestReadWaitsForALeaderThatLags(t *testing.T) {
	b, cluster := onKfake(t)
	c := b.open()
	b.must(c.Prepare(b.in(), ebb.Replies))
	b.put(b.topic(ebb.Replies), 3, 0, 2)
	lagged := 0
	cluster.ControlKey(kmsg.Fetch.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if lagged++; lagged > 2 {
			return nil, nil, false
		}
		cluster.KeepControl()
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		for _, t := range req.(*kmsg.FetchRequest).Topics {
			topic := kmsg.NewFetchResponseTopic()
			topic.Topic, topic.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				part := kmsg.NewFetchResponseTopicPartition()
				part.Partition, part.HighWatermark, part.LastStableOffset = p.Partition, 0, 0
				topic.Partitions = append(topic.Partitions, part)
			}
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
	var read []string
	b.must(c.Read(b.in(), typ, ebb.Replies, func(r ebb.Record) { read = append(read, string(r.Value)) }))
	if !slices.Equal(read, []string{`{"n":0}`, `{"n":1}`}) || lagged < 3 {
		t.Errorf("read %v in %d fetches", read, lagged)
	}
}
