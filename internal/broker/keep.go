package broker

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// refuseCompaction takes cleanup.policy out of requests that ask for
// compaction: kfake's loses records of transactions. Such a topic keeps all.
func (b *Broker) refuseCompaction() {
	compacts := func(name string, value *string) bool {
		return name == "cleanup.policy" && value != nil && strings.Contains(*value, "compact")
	}
	b.cluster.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		topics := req.(*kmsg.CreateTopicsRequest).Topics
		for i := range topics {
			topics[i].Configs = slices.DeleteFunc(topics[i].Configs, func(c kmsg.CreateTopicsRequestTopicConfig) bool {
				return compacts(c.Name, c.Value)
			})
		}
		return nil, nil, false
	})
	b.cluster.ControlKey(int16(kmsg.AlterConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resources := req.(*kmsg.AlterConfigsRequest).Resources
		for i := range resources {
			resources[i].Configs = slices.DeleteFunc(resources[i].Configs, func(c kmsg.AlterConfigsRequestResourceConfig) bool {
				return compacts(c.Name, c.Value)
			})
		}
		return nil, nil, false
	})
	b.cluster.ControlKey(int16(kmsg.IncrementalAlterConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resources := req.(*kmsg.IncrementalAlterConfigsRequest).Resources
		for i := range resources {
			resources[i].Configs = slices.DeleteFunc(resources[i].Configs, func(c kmsg.IncrementalAlterConfigsRequestResourceConfig) bool {
				return compacts(c.Name, c.Value)
			})
		}
		return nil, nil, false
	})
}

// raiseEpochs brings every leader epoch to the number of this start or more.
// No earlier start can have used it, whatever a power loss took.
func (b *Broker) raiseEpochs(starts int32) error {
	topics, err := b.topics()
	for _, topic := range topics {
		for _, p := range b.cluster.PartitionInfos(topic) {
			for epoch := p.Epoch; epoch < starts; epoch++ {
				if err := b.cluster.MoveTopicPartition(topic, p.Partition, p.Leader); err != nil {
					return err
				}
			}
		}
	}
	return err
}

// retentionInterval is how often old records are looked for.
const retentionInterval = time.Minute

// retain applies retention.ms until the broker stops.
func (b *Broker) retain() {
	tick := time.NewTicker(retentionInterval)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case now := <-tick.C:
			_ = b.applyRetention(now) // fails if the broker stops
		}
	}
}

// applyRetention deletes records that are too old, but never the last of a
// partition: kfake has the next offset from there. Sizes are not looked at.
func (b *Broker) applyRetention(now time.Time) error {
	topics, err := b.topics()
	if err != nil {
		return err
	}
	for _, topic := range topics {
		keep := int64(7 * 24 * time.Hour / time.Millisecond)
		if info := b.cluster.TopicInfo(topic); info == nil {
			continue
		} else if v := info.Configs["retention.ms"]; v != nil {
			if keep, err = strconv.ParseInt(*v, 10, 64); err != nil {
				return err
			}
		}
		if keep < 0 {
			continue
		}
		for _, p := range b.cluster.PartitionInfos(topic) {
			to := p.HighWatermark - 1
			if first, err := b.firstSince(topic, p.Partition, now.UnixMilli()-keep); err != nil {
				return err
			} else if first >= 0 {
				to = min(to, first)
			}
			if to > p.LogStartOffset {
				if err := b.cluster.DeleteRecords(topic, p.Partition, to); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// firstSince returns the first offset with that timestamp or a later one, -1 if
// there is none.
func (b *Broker) firstSince(topic string, partition int32, ms int64) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version = 4
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = partition, ms
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp := kmsg.NewPtrListOffsetsResponse()
	resp.Version = req.Version
	if err := b.ask(req, resp); err != nil {
		return 0, err
	}
	got := resp.Topics[0].Partitions[0]
	return got.Offset, kerr.ErrorForCode(got.ErrorCode)
}

// topics returns the names of all topics.
func (b *Broker) topics() (names []string, err error) {
	req := kmsg.NewPtrMetadataRequest() // all topics
	req.Version = 4
	resp := kmsg.NewPtrMetadataResponse()
	resp.Version = req.Version
	err = b.ask(req, resp)
	for _, t := range resp.Topics {
		names = append(names, *t.Topic)
	}
	return names, err
}

// ask sends kfake a request from inside; kfake has no call for these. Versions
// must be below the flexible ones.
func (b *Broker) ask(req kmsg.Request, resp kmsg.Response) error {
	conn := b.ln.dial()
	defer conn.Close()
	if _, err := conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 0)); err != nil {
		return err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(conn, body); err != nil {
		return err
	}
	return resp.ReadFrom(body[4:]) // past the correlation id
}

// logger passes kfake's warnings on, and what it says about the disk to fail:
// kfake acknowledges some things although it could not write them down.
type logger struct {
	log  *slog.Logger
	fail func(error)
}

func (l *logger) Logf(level kfake.LogLevel, format string, args ...any) {
	if level > kfake.LogLevelWarn {
		return
	}
	text := fmt.Sprintf(format, args...)
	if strings.HasPrefix(format, "persist ") || strings.HasPrefix(format, "compact ") || strings.Contains(format, "failed to persist") {
		l.fail(fmt.Errorf("broker: the disk failed: %s", text))
	}
	l.log.Warn("embedded broker", "said", text)
}
