package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// metadata is what a broker knows of the cluster.
type metadata struct {
	brokers int
	topics  map[string]topicMeta // without those that do not exist
}

type topicMeta struct {
	id      [16]byte
	leaders []leader // by partition
}

// leader is who leads a partition. Its node is -1 while nobody does.
type leader struct{ node, epoch int32 }

// metadata asks about topics, or about all if names is nil.
func (c *Client) metadata(ctx context.Context, cl *kgo.Client, names []string) (metadata, error) {
	req := kmsg.NewPtrMetadataRequest()
	if names != nil {
		req.Topics = []kmsg.MetadataRequestTopic{} // not nil, which means all
	}
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	ctx, cancel := context.WithTimeout(ctx, c.away)
	defer cancel()
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return metadata{}, err
	}
	m := metadata{brokers: len(resp.Brokers), topics: map[string]topicMeta{}}
	for _, t := range resp.Topics {
		switch err := kerr.ErrorForCode(t.ErrorCode); {
		case err == kerr.TopicAuthorizationFailed && names != nil:
			return metadata{}, err
		case t.Topic == nil || len(t.Partitions) == 0 || err == kerr.UnknownTopicOrPartition:
			continue
		case err != nil:
			if names != nil {
				return metadata{}, err
			}
			continue // another's, and none of ours
		}
		leaders := make([]leader, len(t.Partitions))
		for _, p := range t.Partitions {
			if int(p.Partition) >= len(leaders) {
				return metadata{}, kerr.UnknownServerError
			}
			leaders[p.Partition] = leader{p.Leader, p.LeaderEpoch}
			if kerr.ErrorForCode(p.ErrorCode) == kerr.LeaderNotAvailable {
				leaders[p.Partition].node = -1
			}
		}
		m.topics[*t.Topic] = topicMeta{t.TopicID, leaders}
	}
	return m, nil
}

// leaders is a topic's metadata, at most metadataAge old.
func (c *Client) leaders(ctx context.Context, topic string) (topicMeta, error) {
	c.leadMu.Lock()
	l, ok := c.lead[topic]
	c.leadMu.Unlock()
	if ok && time.Since(l.at) < c.age {
		return l.topicMeta, nil
	}
	m, err := c.metadata(ctx, c.cl, []string{topic})
	if err != nil {
		return topicMeta{}, err
	}
	t, ok := m.topics[topic]
	if !ok {
		return topicMeta{}, kerr.UnknownTopicOrPartition
	}
	c.leadMu.Lock()
	c.lead[topic] = led{t, time.Now()}
	c.leadMu.Unlock()
	return t, nil
}

// led is who led when.
type led struct {
	topicMeta
	at time.Time
}

func (c *Client) forgetLeaders(topic string) {
	c.leadMu.Lock()
	delete(c.lead, topic)
	c.leadMu.Unlock()
}
