package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/channel"
	"github.com/ebb-events/ebb/session"
)

// ChannelLog stands for the channel log where topics are told by purpose.
const ChannelLog ebb.Purpose = "channels"

const (
	partitions = 12      // of a topic that we make
	maxBatch   = 1000012 // bytes of a batch, and so of a record
	deadSuffix = "-dead"
	dead       = ebb.Purpose("dead")
	week       = "604800000"
	month      = "2592000000"
	forever    = "-1"

	sessionRetention = week // longer than [session.Keep]
)

// Prepare makes the topics with these purposes, of all types that the
// configuration names, and refuses wrong settings of those that exist. Parts
// do the same when they need a topic; Prepare lets a process say so at its
// start.
func (c *Client) Prepare(ctx context.Context, purposes ...ebb.Purpose) error {
	for _, purpose := range purposes {
		names := c.topicsOf(purpose)
		switch purpose {
		case ChannelLog:
			names = []string{c.channelTopic()}
		case SessionLog:
			names = []string{c.sessionTopic()}
		}
		for _, topic := range names {
			if _, err := c.ensure(ctx, topic, purpose); err != nil {
				return err
			}
		}
	}
	return nil
}

// topicsOf names the topics of all configured types.
func (c *Client) topicsOf(purpose ebb.Purpose) (names []string) {
	for _, typ := range c.cfg.Types {
		names = append(names, ebb.Topic(typ, purpose, c.cfg.Environment))
	}
	return names
}

func (c *Client) channelTopic() string {
	if c.cfg.Environment == "" {
		return channel.Topic
	}
	return channel.Topic + "-" + c.cfg.Environment
}

// settings are those of a topic that we make. Every retention is explicit:
// a cluster's defaults are made for other things.
func (c *Client) settings(purpose ebb.Purpose, brokers int) map[string]string {
	s := map[string]string{
		"cleanup.policy":      "delete",
		"retention.ms":        week,
		"retention.bytes":     forever,
		"max.message.bytes":   "1048588",
		"min.insync.replicas": strconv.Itoa(min(2, brokers)),
	}
	switch purpose {
	case ebb.Events, ebb.FullEvents:
		s["retention.ms"] = forever
	case ebb.Aggregates:
		s["retention.ms"] = forever
		if !c.cfg.Embedded {
			s["cleanup.policy"] = "compact"
		}
	case ChannelLog:
		s["message.timestamp.type"] = "LogAppendTime"
	case SessionLog:
		s["retention.ms"] = sessionRetention
		s["message.timestamp.type"] = "LogAppendTime"
	case dead:
		s["retention.ms"] = month
	}
	return s
}

// refuse says what is wrong with the settings of a topic that exists.
func refuse(topic string, purpose ebb.Purpose, s map[string]string) error {
	compacts, deletes := strings.Contains(s["cleanup.policy"], "compact"), strings.Contains(s["cleanup.policy"], "delete")
	limit, err := strconv.Atoi(s["max.message.bytes"])
	kept, keptErr := strconv.ParseInt(s["retention.ms"], 10, 64)
	switch {
	case purpose == SessionLog && compacts:
		return fmt.Errorf("kafka: topic %s is compacted and loses revocations: set its cleanup.policy to delete", topic)
	case purpose == SessionLog && keptErr == nil && kept >= 0 && kept < session.Keep.Milliseconds():
		return fmt.Errorf("kafka: topic %s forgets revocations before sessions end: set its retention.ms to %d or more", topic, session.Keep.Milliseconds())
	case purpose == ebb.Aggregates && deletes && (s["retention.ms"] != forever || s["retention.bytes"] != forever):
		return fmt.Errorf("kafka: topic %s forgets states: set its cleanup.policy to compact, or its retention.ms and retention.bytes to -1", topic)
	case purpose == ChannelLog && compacts:
		return fmt.Errorf("kafka: topic %s is compacted and loses events: set its cleanup.policy to delete", topic)
	case purpose == ChannelLog && s["message.timestamp.type"] != "LogAppendTime":
		return fmt.Errorf("kafka: topic %s has the clocks of its writers: set its message.timestamp.type to LogAppendTime", topic)
	case purpose == ChannelLog && err == nil && limit < maxBatch:
		return fmt.Errorf("kafka: topic %s refuses events: set its max.message.bytes to %d or more", topic, maxBatch)
	}
	return nil
}

// ensure makes a topic that is missing, checks one that exists, and returns
// its number of partitions. It remembers.
func (c *Client) ensure(ctx context.Context, topic string, purpose ebb.Purpose) (int32, error) {
	if n, ok := c.remembered(topic); ok {
		return n, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*c.away)
	defer cancel()
	done, err := c.alone(ctx)
	if err != nil {
		return 0, fmt.Errorf("kafka: topic %s: %w", topic, err)
	}
	defer done()
	if n, ok := c.remembered(topic); ok {
		return n, nil
	}
	for fails := 0; ; fails++ {
		m, err := c.metadata(ctx, c.cl, []string{topic})
		if err != nil {
			return 0, fmt.Errorf("kafka: %w", refused(err, "topic", topic))
		}
		if t, ok := m.topics[topic]; !ok && fails == 0 {
			if err := c.create(ctx, topic, purpose, m.brokers, false); err != nil {
				return 0, fmt.Errorf("kafka: %w", refused(err, "making topic", topic))
			}
		} else if ok && !slices.ContainsFunc(t.leaders, func(l leader) bool { return l.node < 0 }) {
			s, err := c.describe(ctx, topic)
			if err != nil {
				return 0, fmt.Errorf("kafka: %w", refused(err, "settings of topic", topic))
			}
			if err := refuse(topic, purpose, s); err != nil {
				return 0, err
			}
			if n := len(t.leaders); purpose == SessionLog && n != 1 {
				return 0, fmt.Errorf("kafka: topic %s has %d partitions and so no order: make it anew with one", topic, n)
			}
			c.remember(topic, len(t.leaders))
			return int32(len(t.leaders)), nil
		}
		wait(ctx, 0)
	}
}

// alone waits until nobody else looks for topics. The caller calls done.
func (c *Client) alone(ctx context.Context) (done func(), err error) {
	select {
	case c.looking <- struct{}{}:
		return func() { <-c.looking }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *Client) remembered(topic string) (partitions int32, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	partitions, ok = c.topics[topic]
	return partitions, ok
}

func (c *Client) remember(topic string, partitions int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.topics[topic] = int32(partitions)
}

// create makes a topic, unless somebody else just did, or with validate only
// asks whether we could.
func (c *Client) create(ctx context.Context, topic string, purpose ebb.Purpose, brokers int, validate bool) error {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, int16(min(3, brokers))
	switch purpose {
	case ChannelLog:
		t.NumPartitions = c.cfg.ChannelPartitions
	case SessionLog:
		t.NumPartitions = 1
	}
	for name, value := range c.settings(purpose, brokers) {
		s := kmsg.NewCreateTopicsRequestTopicConfig()
		s.Name, s.Value = name, &value
		t.Configs = append(t.Configs, s)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.ValidateOnly = validate
	req.TimeoutMillis = int32(c.away.Milliseconds())
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return err
		}
	}
	return nil
}

// describe returns a topic's settings.
func (c *Client) describe(ctx context.Context, topic string) (map[string]string, error) {
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return nil, err
	}
	s := map[string]string{}
	for _, r := range resp.Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return nil, err
		}
		for _, entry := range r.Configs {
			if entry.Value != nil {
				s[entry.Name] = *entry.Value
			}
		}
	}
	return s, nil
}

// known returns a type's topic, making it if the configuration names the type,
// or [ebb.ErrUnknownType]. Brokers are asked about unknown ones once a second
// at most.
func (c *Client) known(ctx context.Context, typ string, purpose ebb.Purpose) (topic string, partitions int32, err error) {
	topic = ebb.Topic(typ, purpose, c.cfg.Environment)
	if len(c.cfg.Types) > 0 {
		if !slices.Contains(c.cfg.Types, typ) {
			return "", 0, ebb.ErrUnknownType
		}
		partitions, err = c.ensure(ctx, topic, purpose)
		return topic, partitions, err
	}
	if n, ok := c.remembered(topic); ok {
		return topic, n, nil
	}
	if !ebb.ValidType(typ) {
		return "", 0, ebb.ErrUnknownType
	}
	if err := c.look(ctx); err != nil {
		return "", 0, fmt.Errorf("kafka: looking for topics: %w", err)
	}
	if n, ok := c.remembered(topic); ok {
		return topic, n, nil
	}
	return "", 0, ebb.ErrUnknownType
}

// look remembers all topics of types that exist, if it did not just do so.
func (c *Client) look(ctx context.Context) error {
	done, err := c.alone(ctx)
	if err != nil {
		return err
	}
	defer done()
	if time.Since(c.looked) < time.Second {
		return nil
	}
	m, err := c.metadata(ctx, c.cl, nil)
	if err != nil {
		return err
	}
	c.looked = time.Now()
	for name, t := range m.topics {
		for _, purpose := range []ebb.Purpose{ebb.Commands, ebb.Aggregates} {
			if _, ok := ebb.TypeOf(name, purpose, c.cfg.Environment); ok {
				c.remember(name, len(t.leaders))
			}
		}
	}
	return nil
}

// forget drops what is remembered of a topic that is gone or was made anew.
func (c *Client) forget(topic string) {
	c.mu.Lock()
	delete(c.topics, topic)
	c.mu.Unlock()
	c.cl.PurgeTopicsFromProducing(topic)
	c.log.PurgeTopicsFromProducing(topic)
}
