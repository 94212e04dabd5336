package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/session"
)

// SessionLog stands for the topic of what becomes of sessions where topics are
// told by purpose.
const SessionLog ebb.Purpose = "sessions"

// Sessions is the topic of what becomes of sessions.
type Sessions struct {
	c     *Client
	topic string
}

// Sessions returns the client's, for a gateway or an edge.
func (c *Client) Sessions() *Sessions { return &Sessions{c, c.sessionTopic()} }

func (c *Client) sessionTopic() string {
	if c.cfg.Environment == "" {
		return session.Topic
	}
	return session.Topic + "-" + c.cfg.Environment
}

// Append returns the place behind a record once it is on as many replicas as
// its topic asks for, or after 5 seconds with an error; the record may have
// arrived, or still arrive, then.
func (s *Sessions) Append(ctx context.Context, r session.Record) (session.Place, error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.away)
	defer cancel()
	key, value := r.Encode()
	for again := false; ; again = true {
		if _, err := s.c.ensure(ctx, s.topic, SessionLog); err != nil {
			return session.Place{}, err
		}
		t, err := s.c.leaders(ctx, s.topic)
		if err != nil {
			return session.Place{}, fmt.Errorf("kafka: %w", err)
		}
		k := &kgo.Record{Topic: s.topic, Key: key, Value: value}
		err = s.c.produce(ctx, k)
		if err == nil {
			return session.Place{Life: t.id, Next: k.Offset + 1}, nil
		}
		if !errors.Is(err, kerr.UnknownTopicOrPartition) && !errors.Is(err, kerr.UnknownTopicID) || again {
			return session.Place{}, err
		}
		s.c.forget(s.topic) // deleted, or deleted and made anew
		s.c.forgetLeaders(s.topic)
	}
}

// Follow hands over all of the topic, then everything new, until ctx ends. It
// begins with one batch without entries. One call of handle runs at a time. It
// returns an error when the topic was cut or made anew.
func (s *Sessions) Follow(ctx context.Context, handle func(session.Batch)) error {
	if _, err := s.c.ensure(ctx, s.topic, SessionLog); err != nil {
		return err
	}
	cl, err := s.c.connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	f := follower{
		c: s.c, cl: cl, names: []string{s.topic},
		since: func(ctx context.Context, parts []tp) (map[tp]offset, error) { return list(ctx, cl, parts, earliest) },
		handle: func(_ tp, id [16]byte, g got) {
			handle(session.Batch{Life: id, High: g.HighWatermark, Entries: s.entries(g.Records), Next: g.next})
		},
	}
	err = f.run(ctx)
	if errors.Is(err, errCut) {
		s.c.forget(s.topic)
		s.c.forgetLeaders(s.topic)
	}
	return err
}

// entries reads records, leaving out what is none of ours.
func (s *Sessions) entries(records []*kgo.Record) []session.Entry {
	entries := make([]session.Entry, 0, len(records))
	for _, k := range records {
		if k.Attrs.IsControl() {
			continue
		}
		r, err := session.Decode(k.Value)
		if err != nil {
			s.c.cfg.Log.Error("not a record of a session", "topic", s.topic, "offset", k.Offset, "error", err)
			continue
		}
		entries = append(entries, session.Entry{Record: r, Offset: k.Offset, Time: k.Timestamp})
	}
	return entries
}
