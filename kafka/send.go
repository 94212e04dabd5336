package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/internal/tracing"
)

// Sender puts commands on their topics.
type Sender struct{ c *Client }

// Sender returns the client's, for a gateway.
func (c *Client) Sender() *Sender { return &Sender{c} }

// Send returns once the command is on as many replicas as its topic asks for,
// or after 5 seconds with an error. Errors are [ebb.ErrUnknownType],
// [ebb.ErrTooLarge], or else mean that the broker is away; the command may
// have arrived, or still arrive, then. A header names the span of ctx.
func (s *Sender) Send(ctx context.Context, typ, id string, command []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.c.away)
	defer cancel()
	value := command
	if s.c.cfg.CBOR {
		value = encode(command)
	}
	for again := false; ; again = true {
		topic, _, err := s.c.known(ctx, typ, ebb.Commands)
		if err != nil {
			return err
		}
		r := &kgo.Record{Topic: topic, Key: []byte(strings.ToLower(id)), Value: value}
		if of := tracing.Of(ctx); of != "" {
			r.Headers = []kgo.RecordHeader{{Key: tracing.Header, Value: []byte(of)}}
		}
		err = s.c.produce(ctx, r)
		if errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID) {
			s.c.forget(topic) // deleted, or deleted and made anew
			if !again {
				continue
			}
		}
		return err
	}
}

// produce sends one record and waits for its acknowledgement until ctx ends.
func (c *Client) produce(ctx context.Context, r *kgo.Record) error {
	done := make(chan error, 1)
	c.cl.Produce(ctx, r, func(_ *kgo.Record, err error) { done <- err })
	select {
	case err := <-done:
		return sendError(r.Topic, err)
	case <-ctx.Done():
		return sendError(r.Topic, ctx.Err())
	}
}

func sendError(topic string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.MessageTooLarge):
		return ebb.ErrTooLarge
	}
	return fmt.Errorf("kafka: sending to %s: %w", topic, err)
}

// Dead puts a record on its topic's dead-letter topic, with its coordinates and
// the reason. One that is too large even for that goes without its value.
func (c *Client) dead(ctx context.Context, record ebb.Record, reason string) error {
	r := deadLetter(record, reason)
	if _, err := c.ensure(ctx, r.Topic, dead); err != nil {
		return err
	}
	return c.produce(ctx, r)
}

// deadLetter is the record that takes another's place.
func deadLetter(r ebb.Record, reason string) *kgo.Record {
	d := &kgo.Record{
		Topic: r.Topic + deadSuffix, Partition: r.Partition, Key: r.Key, Value: r.Value,
		Headers: []kgo.RecordHeader{
			{Key: "topic", Value: []byte(r.Topic)},
			{Key: "partition", Value: fmt.Append(nil, r.Partition)},
			{Key: "offset", Value: fmt.Append(nil, r.Offset)},
			{Key: "reason", Value: []byte(reason)},
		},
	}
	for _, h := range r.Headers {
		d.Headers = append(d.Headers, kgo.RecordHeader(h))
	}
	if size(d) > maxBatch {
		d.Key, d.Value, d.Headers = nil, nil, d.Headers[:4]
	}
	return d
}

// size is no less than what a record takes as the only one of a batch.
func size(r *kgo.Record) int {
	n := 128 + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += 10 + len(h.Key) + len(h.Value)
	}
	return n
}
