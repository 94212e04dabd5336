package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ebb-events/ebb"
)

// errReplaced is of a member that the group took for gone.
var errReplaced = errors.New("others worked in its place meanwhile")

// maxPoll is the most records that one Poll gives.
const maxPoll = 1000

// tp is a partition of a topic.
type tp struct {
	topic     string
	partition int32
}

// member is one member of a consumer group. Between a Poll and the next one no
// partition is taken from it, unless it is silent for too long; its commit
// fails then.
type member struct {
	c       *Client
	group   string
	topics  []string // or, if there are none, whatever purpose's exist
	purpose ebb.Purpose

	cl    *kgo.Client         // nil until the first Poll, and after what needs a new one
	ids   map[string][16]byte // of the topics
	fails int                 // how often in a row it had to join anew
	told  bool                // of trouble with the group, since the last record

	mu       sync.Mutex
	name     string                 // as the group calls it, since its partitions were assigned
	pending  []ebb.Record           // given, and not confirmed
	next     map[tp]kgo.EpochOffset // what the next commit confirms
	idle     bool                   // that is only markers
	owned    map[tp]bool            // and whether the caller knows
	revoked  []ebb.Position
	assigned []ebb.Position
	gaps     []ebb.Gap
	missed   []ebb.Gap          // given, and not confirmed
	starts   map[tp]int64       // where partitions were assigned
	wake     context.CancelFunc // ends a poll that waits for records
}

// join makes the client that is the group's member.
func (m *member) join() error {
	opts := []kgo.Opt{
		kgo.ConsumerGroup(m.group),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.BlockRebalanceOnPoll(),
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(sessionTime),
		kgo.RebalanceTimeout(sessionTime),           // who was killed while it joined is waited for so long
		kgo.RequestTimeoutOverhead(2 * sessionTime), // a sync waits for a leader that was killed
		kgo.HeartbeatInterval(time.Second),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.FetchMaxWait(time.Second),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.AdjustFetchOffsetsFn(m.adjust),
		kgo.OnPartitionsAssigned(m.divided),
		kgo.OnPartitionsRevoked(m.lost),
		kgo.OnPartitionsLost(m.lost),
	}
	if len(m.topics) > 0 {
		opts = append(opts, kgo.ConsumeTopics(m.topics...))
	} else {
		name := `^[A-Za-z0-9._]+-[A-Za-z0-9._-]+` + regexp.QuoteMeta(ebb.Topic("", m.purpose, m.c.cfg.Environment)) + `$`
		opts = append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(name))
	}
	m.mu.Lock()
	m.owned, m.next, m.idle, m.wake = map[tp]bool{}, map[tp]kgo.EpochOffset{}, false, func() {}
	m.name, m.ids, m.starts = "", map[string][16]byte{}, map[tp]int64{}
	m.mu.Unlock()
	var err error
	m.cl, err = m.c.connect(opts...)
	return err
}

// rejoin has the next Poll start with a new client at the committed offsets.
// What this one had is revoked.
func (m *member) rejoin() {
	m.leave()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.take(slices.Collect(maps.Keys(m.owned))...)
}

// leave leaves the group.
func (m *member) leave() {
	if m.cl != nil {
		m.cl.CloseAllowingRebalance()
		m.cl = nil
	}
}

// poll is Poll of the sources.
func (m *member) poll(ctx context.Context) (ebb.Batch, error) {
	for {
		if m.cl == nil {
			for _, topic := range m.topics {
				if _, err := m.c.ensure(ctx, topic, m.purpose); err != nil {
					return ebb.Batch{}, err
				}
			}
			if err := m.join(); err != nil {
				return ebb.Batch{}, err
			}
		}
		f := m.fetch(ctx)
		if err := ctx.Err(); err != nil {
			return ebb.Batch{}, err
		}
		err := m.read(f)
		if err == nil && m.replaced() {
			err = errReplaced
		}
		if err != nil {
			m.c.cfg.Log.Warn("joining the group anew", "group", m.group, "error", err)
			m.rejoin()
			wait(ctx, m.fails)
			m.fails++
		}
		if b := m.batch(); len(b.Revoked)+len(b.Assigned)+len(b.Gaps)+len(b.Records) > 0 {
			return b, nil
		}
	}
}

// fetch waits for records or for news of partitions. Afterwards no partition
// is taken away until the next call.
func (m *member) fetch(parent context.Context) kgo.Fetches {
	ctx, cancel := context.WithCancel(parent)
	m.cl.AllowRebalance()
	m.mu.Lock()
	m.wake = cancel
	idle := m.idle
	if len(m.pending)+len(m.missed)+len(m.revoked)+len(m.assigned)+len(m.gaps) > 0 {
		cancel() // only what is there
	} else if idle {
		ctx, cancel = context.WithTimeout(ctx, time.Second)
	}
	m.mu.Unlock()
	defer cancel()
	f := m.cl.PollRecords(ctx, maxPoll)
	if idle && f.NumRecords() == 0 {
		// A log that ends with markers: were they left out, retention would
		// seem to have taken records that nobody saw.
		_ = m.commit(parent)
	}
	return f
}

// read takes in what was fetched.
func (m *member) read(f kgo.Fetches) (err error) {
	f.EachError(func(topic string, partition int32, cause error) {
		var session *kgo.ErrGroupSession
		var loss *kgo.ErrDataLoss
		switch {
		case errors.Is(cause, context.Canceled), errors.Is(cause, context.DeadlineExceeded):
		case errors.As(cause, &session): // which the client puts right
			if !m.told {
				m.c.cfg.Log.Warn("joining the group again and again", "group", m.group, "error", cause)
			}
			m.told = true
		case errors.As(cause, &loss): // after which it went back
			m.lose(ebb.Gap{Topic: topic, Partition: partition, From: loss.ResetTo, To: loss.ConsumedTo})
		default:
			err = fmt.Errorf("kafka: %s partition %d: %w", topic, partition, cause)
		}
	})
	if err != nil {
		return err
	}
	f.EachTopic(func(t kgo.FetchTopic) { m.ids[t.Topic] = t.TopicID })
	m.mu.Lock()
	defer m.mu.Unlock()
	f.EachRecord(func(r *kgo.Record) {
		m.fails, m.told = 0, false
		m.next[tp{r.Topic, r.Partition}] = kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset + 1}
		if !r.Attrs.IsControl() {
			m.pending = append(m.pending, record(r, m.ids[r.Topic]))
		}
	})
	m.idle = len(m.pending)+len(m.missed) == 0 && len(m.next) > 0
	return nil
}

// lose reports records that a log lost after they were read.
func (m *member) lose(g ebb.Gap) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gaps = append(m.gaps, g)
	m.starts[tp{g.Topic, g.Partition}] = g.From
}

// batch hands over what happened, and whatever is not confirmed.
func (m *member) batch() ebb.Batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.missed = append(m.missed, m.gaps...)
	b := ebb.Batch{Revoked: m.revoked, Assigned: m.assigned, Gaps: slices.Clone(m.missed), Records: slices.Clone(m.pending)}
	for _, p := range m.assigned {
		m.owned[tp{p.Topic, p.Partition}] = true
	}
	for _, g := range m.gaps { // which a commit confirms too
		at := tp{g.Topic, g.Partition}
		if _, ok := m.next[at]; !ok {
			m.next[at] = kgo.EpochOffset{Epoch: -1, Offset: m.starts[at]}
		}
	}
	m.revoked, m.assigned, m.gaps = nil, nil, nil
	return b
}

// commit confirms what the last Poll gave, within about 10 seconds.
func (m *member) commit(ctx context.Context) error {
	next := m.offsets()
	if m.cl == nil || len(next) == 0 {
		return nil
	}
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group = m.group
	for topic, ps := range next {
		id, err := m.id(ctx, topic)
		if err != nil {
			return fmt.Errorf("kafka: committing for group %s: %w", m.group, err)
		}
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic, t.TopicID = topic, id
		for p, o := range ps {
			part := kmsg.NewOffsetCommitRequestTopicPartition()
			part.Partition, part.Offset, part.LeaderEpoch = p, o.Offset, o.Epoch
			t.Partitions = append(t.Partitions, part)
		}
		req.Topics = append(req.Topics, t)
	}
	ctx, cancel := context.WithTimeout(ctx, sessionTime)
	defer cancel()
	err := m.confirm(ctx, func(name string, generation int32) (failed error) {
		req.MemberID, req.Generation = name, generation
		resp, err := req.RequestWith(ctx, m.cl)
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
	if err != nil {
		return fmt.Errorf("kafka: committing for group %s: %w", m.group, err)
	}
	m.confirmed()
	return nil
}

// id is a topic's, also where nothing was read of it but a gap.
func (m *member) id(ctx context.Context, topic string) ([16]byte, error) {
	if id, ok := m.ids[topic]; ok {
		return id, nil
	}
	now, err := m.c.leaders(ctx, topic)
	if err != nil {
		return [16]byte{}, err
	}
	m.ids[topic] = now.id
	return now.id, nil
}

// confirm sends offsets, in the name under which they were reached, until there
// is an answer that stays.
func (m *member) confirm(ctx context.Context, send func(name string, generation int32) error) error {
	return insist(ctx, func() error {
		name, generation, same := m.identity()
		if !same {
			return errReplaced
		}
		return send(name, generation)
	})
}

// insist asks until the answer is none that passes, or ctx ends.
func insist(ctx context.Context, ask func() error) error {
	for fails := 0; ; fails++ {
		err := ask()
		if !kerr.IsRetriable(err) && !errors.Is(err, kerr.RebalanceInProgress) || ctx.Err() != nil {
			return err
		}
		wait(ctx, fails)
	}
}

// confirmed forgets what was pending.
func (m *member) confirmed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending, m.missed, m.idle = nil, nil, false
	clear(m.next)
}

// forgetGaps is for who can do nothing about them: they are given once.
func (m *member) forgetGaps() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.missed = nil
}

// offsets is next as the client wants it.
func (m *member) offsets() map[string]map[int32]kgo.EpochOffset {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]map[int32]kgo.EpochOffset{}
	for p, o := range m.next {
		if out[p.topic] == nil {
			out[p.topic] = map[int32]kgo.EpochOffset{}
		}
		out[p.topic][p.partition] = o
	}
	return out
}

// divided is called when the group has divided its partitions anew, never
// between a poll and the next.
func (m *member) divided(_ context.Context, cl *kgo.Client, _ map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch name, _ := cl.GroupMetadata(); {
	case len(m.owned) == 0:
		m.name = name
	case name != m.name:
		m.wake()
	}
}

// replaced tells whether what the member has may have been another's meanwhile.
// Who is late with a rejoin is taken for gone, and then let in under a new name.
// The client goes on where it was, and Kafka accepts what the new name commits.
func (m *member) replaced() bool {
	_, _, same := m.identity()
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.owned) > 0 && !same
}

// identity is what the group calls the member now, and whether it is that name
// under which its partitions were assigned.
func (m *member) identity() (name string, generation int32, same bool) {
	name, generation = m.cl.GroupMetadata()
	m.mu.Lock()
	defer m.mu.Unlock()
	return name, generation, name == m.name
}

// lost is called when partitions are another member's, never between a poll
// and the next.
func (m *member) lost(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for topic, ps := range partitions {
		for _, p := range ps {
			m.take(tp{topic, p})
		}
	}
	m.wake()
}

// take forgets partitions, and tells the caller if it knows of them.
func (m *member) take(partitions ...tp) {
	for _, p := range partitions {
		if known, ok := m.owned[p]; !ok {
			continue
		} else if known {
			m.revoked = append(m.revoked, ebb.Position{Topic: p.topic, Partition: p.partition, Offset: m.next[p].Offset})
		}
		delete(m.owned, p)
		delete(m.next, p)
		m.assigned = slices.DeleteFunc(m.assigned, func(a ebb.Position) bool { return a.Topic == p.topic && a.Partition == p.partition })
		here := func(g ebb.Gap) bool { return g.Topic == p.topic && g.Partition == p.partition }
		m.gaps, m.missed = slices.DeleteFunc(m.gaps, here), slices.DeleteFunc(m.missed, here)
		m.pending = slices.DeleteFunc(m.pending, func(r ebb.Record) bool { return r.Topic == p.topic && r.Partition == p.partition })
	}
}

// adjust is called with the committed offsets of new partitions. It says where
// to start, and what is missing.
func (m *member) adjust(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	var parts []tp
	for topic, ps := range offsets {
		for p := range ps {
			parts = append(parts, tp{topic, p})
		}
	}
	bounds, err := extents(ctx, m.c.cl, parts)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for topic, ps := range offsets {
		for p, o := range ps {
			m.take(tp{topic, p}) // if it was ours already
			at, b := o.EpochOffset().Offset, bounds[tp{topic, p}]
			from := max(at, 0) // without a commit: all that ever was
			switch {
			case from < b.start:
				m.gaps = append(m.gaps, ebb.Gap{Topic: topic, Partition: p, From: from, To: b.start})
				ps[p] = kgo.NewOffset().At(b.start)
				from = b.start
			case from > b.end: // the log lost its end
				m.gaps = append(m.gaps, ebb.Gap{Topic: topic, Partition: p, From: b.end, To: from})
				ps[p] = kgo.NewOffset().At(b.end)
				from = b.end
			case at < 0:
				ps[p] = kgo.NewOffset().At(0)
			}
			m.owned[tp{topic, p}] = false
			m.starts[tp{topic, p}] = from
			m.assigned = append(m.assigned, ebb.Position{Topic: topic, Partition: p, Offset: from})
		}
	}
	m.wake()
	return offsets, nil
}
