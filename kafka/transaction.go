package kafka

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ebb-events/ebb"
)

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
func (s *Stage) transact(ctx context.Context, records []*kgo.Record) error {
	if err := s.begin(ctx); err != nil {
		s.drop()
		return err
	}
	err := s.fill(ctx, records)
	if err != nil {
		if e := s.producer.EndTransaction(ctx, kgo.TryAbort); e != nil {
			s.drop() // it ends by itself in 10 seconds
		}
		return err
	}
	if err := s.producer.EndTransaction(ctx, kgo.TryCommit); err != nil {
		_ = s.producer.EndTransaction(ctx, kgo.TryAbort) // if it is open still
		s.drop()
		s.m.rejoin() // the committed offsets tell how it ended
		return fmt.Errorf("whether it happened is in doubt: %w", err)
	}
	return nil
}

// begin begins a transaction, with a new id if there was a doubt.
func (s *Stage) begin(ctx context.Context) (err error) {
	s.producer, s.other = s.other, s.producer
	if s.producer.Client == nil {
		s.producer.id = "ebb-" + s.m.group + "-" + rand.Text()
		s.producer.Client, err = s.m.c.connect(
			kgo.TransactionalID(s.producer.id), kgo.RecordPartitioner(byRecord),
			kgo.ManualFlushing(), kgo.MaxBufferedRecords(math.MaxInt32),
		)
		if err != nil {
			return err
		}
		if s.old, err = isOld(ctx, s.producer.Client); err != nil {
			return err
		}
	}
	return s.producer.BeginTransaction()
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
func (s *Stage) fill(ctx context.Context, records []*kgo.Record) error {
	var failed error
	for _, r := range records {
		s.producer.Produce(ctx, r, func(r *kgo.Record, err error) { // one call at a time
			if err != nil && failed == nil {
				failed = sendError(r.Topic, err)
				s.reached = map[string]bool{} // a topic may be gone
			}
		})
	}
	if err := s.producer.Flush(ctx); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group = s.producer.id, s.m.group
	var err error
	if req.ProducerID, req.ProducerEpoch, err = s.producer.ProducerID(ctx); err != nil {
		return err
	}
	if s.old {
		if err := s.announce(ctx, req); err != nil {
			return err
		}
	}
	for topic, ps := range s.m.offsets() {
		id, err := s.m.id(ctx, topic)
		if err != nil {
			return err
		}
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		t.Topic, t.TopicID = topic, id
		for p, o := range ps {
			part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			part.Partition, part.Offset, part.LeaderEpoch = p, o.Offset, o.Epoch
			t.Partitions = append(t.Partitions, part)
		}
		req.Topics = append(req.Topics, t)
	}
	return s.m.confirm(ctx, func(name string, generation int32) (failed error) {
		req.MemberID, req.Generation = name, generation
		resp, err := req.RequestWith(ctx, s.producer.Client)
		if err != nil {
			return err
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				failed = cmp.Or(failed, kerr.ErrorForCode(p.ErrorCode))
			}
		}
		return failed
	})
}

// announce tells an older cluster that a group's offsets will come.
func (s *Stage) announce(ctx context.Context, of *kmsg.TxnOffsetCommitRequest) error {
	req := kmsg.NewPtrAddOffsetsToTxnRequest()
	req.TransactionalID, req.Group = of.TransactionalID, of.Group
	req.ProducerID, req.ProducerEpoch = of.ProducerID, of.ProducerEpoch
	return insist(ctx, func() error {
		resp, err := req.RequestWith(ctx, s.producer.Client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
}

// drop has the next transaction begin with a new id.
func (s *Stage) drop() {
	if s.producer.Client != nil {
		s.producer.Close()
		s.producer.Client = nil
	}
}
