package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ebb-events/ebb/channel"
)

const (
	tailAge  = time.Second            // positions that are no older are good enough
	tailWait = 500 * time.Millisecond // for a broker that does not answer; then none is known
)

// Tail knows where the channel log ends, as of a moment ago: an older position
// only has more behind it.
type Tail struct {
	ask    func(context.Context) (ends, error)
	forget func() // which log it is

	mu     sync.Mutex
	ends   ends
	err    error
	when   time.Time     // of asking
	asking chan struct{} // closed when who asks has the answer; nil if nobody asks
}

// ends are where the channel log's partitions end.
type ends struct {
	log channel.Log
	at  []offset // by partition
}

// Tail returns the channel log's, for a gateway.
func (c *Client) Tail() *Tail {
	return &Tail{ask: c.ends, forget: func() { c.forgetLeaders(c.channelTopic()) }}
}

// Cursor returns a position of a channel that has everything behind it that is
// appended from now on. ok is false if the broker did not say.
func (t *Tail) Cursor(ctx context.Context, name string) (c channel.Cursor, ok bool) {
	e, err := t.latest(ctx)
	if err != nil {
		return c, false
	}
	p := channel.Partition(name, e.log.Partitions)
	at := e.at[p]
	return channel.Cursor{Generation: e.log.Generation, Partition: p, Offset: at.at - 1, Epoch: at.epoch}, true
}

// latest returns ends of a moment ago. One caller asks for all; a broker that
// does not answer is left alone for as long as an answer would have been good.
func (t *Tail) latest(ctx context.Context) (ends, error) {
	for {
		t.mu.Lock()
		if !t.when.IsZero() && time.Since(t.when) < tailAge {
			defer t.mu.Unlock()
			return t.ends, t.err
		}
		asking := t.asking
		if asking == nil {
			t.asking = make(chan struct{})
			t.mu.Unlock()
			return t.renew(ctx)
		}
		t.mu.Unlock()
		select {
		case <-asking:
		case <-ctx.Done():
			return ends{}, ctx.Err()
		}
	}
}

// renew asks, also for those who wait for the answer.
func (t *Tail) renew(ctx context.Context) (ends, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tailWait)
	defer cancel()
	e, err := t.ask(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil && e.behind(t.ends) {
		err = errCut
		t.forget()
	}
	if t.err = err; err == nil {
		t.ends = e
	} else {
		t.ends = ends{}
	}
	t.when = time.Now()
	close(t.asking)
	t.asking = nil
	return t.ends, t.err
}

// behind tells whether a log ends before the end it had: it may be another one.
func (e ends) behind(before ends) bool {
	for p, at := range before.at {
		if e.log == before.log && e.at[p].at < at.at {
			return true
		}
	}
	return false
}

// ends asks the leaders of the channel log. One that is not there stays so.
func (c *Client) ends(ctx context.Context) (ends, error) {
	topic := c.channelTopic()
	t, err := c.leaders(ctx, topic)
	if err != nil {
		return ends{}, fmt.Errorf("kafka: ends of %s: %w", topic, err)
	}
	n := int32(len(t.leaders))
	found, err := list(ctx, c.cl, partitionsOf(topic, n), latest)
	if err != nil {
		c.forgetLeaders(topic)
		return ends{}, fmt.Errorf("kafka: ends of %s: %w", topic, err)
	}
	e := ends{log: channel.Log{Generation: channel.GenerationOf(t.id), Partitions: n}}
	for p := range n {
		at := found[tp{topic, p}]
		if at.at < 0 {
			return ends{}, kerr.LeaderNotAvailable
		}
		e.at = append(e.at, at)
	}
	return e, nil
}
