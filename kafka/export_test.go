package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Decode, Encode and Gunzip are the border, for tests.
var (
	Decode = decode
	Encode = encode
	Gunzip = gunzip
)

// OpenHasty is Open with other time-outs.
func OpenHasty(cfg Config, away, age time.Duration) (*Client, error) {
	c, err := Open(cfg)
	if err != nil {
		return nil, err
	}
	c.Close()
	c.away, c.age = away, age
	return c, c.dial()
}

// Age makes a token so much older.
func (t *TokenURL) Age(by time.Duration) {
	t.until, t.ends = t.until.Add(-by), t.ends.Add(-by)
}

// JoinAgain has a member ask to join once more, though nothing happened.
func (s *Stage) JoinAgain() { s.m.cl.ForceRebalance() }

// Confirm confirms an offset that the member did not reach.
func (s *Stage) Confirm(ctx context.Context, topic string, partition int32, offset int64) error {
	s.m.next[tp{topic, partition}] = kgo.EpochOffset{Epoch: -1, Offset: offset}
	return s.m.commit(ctx)
}
