package aggregate

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"

	"github.com/ebb-events/ebb"
)

// bus is what the topics of several services hold.
type bus struct {
	of   int32        // partitions of every topic
	most int          // records of a partition in a poll, all if zero
	fail func() error // of a commit, nil for never

	mu      sync.Mutex
	topics  map[string][][]ebb.Record // by partition
	at      map[string][]int          // committed positions of groups
	changed chan struct{}             // closed at a commit
}

func newBus() *bus {
	return &bus{of: 3, topics: map[string][][]ebb.Record{}, at: map[string][]int{}, changed: make(chan struct{})}
}

// put writes a record where it says, or where the hash of its key does.
func (b *bus) put(r ebb.Record) {
	if r.Partition < 0 {
		h := fnv.New32()
		h.Write(r.Key)
		r.Partition = int32(h.Sum32() % uint32(b.of))
	}
	if b.topics[r.Topic] == nil {
		b.topics[r.Topic] = make([][]ebb.Record, b.of)
	}
	p := b.topics[r.Topic]
	r.TopicID, r.Offset = [16]byte(fmt.Appendf(nil, "%16.16s", r.Topic)), int64(len(p[r.Partition]))
	p[r.Partition] = append(p[r.Partition], r)
}

// send puts a command on its topic.
func (b *bus) send(typ, command string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, err := ebb.ParseMessage([]byte(command))
	if err != nil {
		panic(err)
	}
	b.put(ebb.Record{Topic: typ + "-command", Partition: -1, Key: []byte(m.String(ebb.FieldID)), Value: []byte(command)})
	close(b.changed)
	b.changed = make(chan struct{})
}

// records are those of a topic, partition by partition.
func (b *bus) records(topic string) (all []ebb.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.topics[topic] {
		all = append(all, p...)
	}
	return all
}

// messages are those of a topic, partition by partition.
func (b *bus) messages(topic string) (all []ebb.Message) {
	for _, r := range b.records(topic) {
		m, err := ebb.ParseMessage(r.Value)
		if err != nil {
			panic(err)
		}
		all = append(all, m)
	}
	return all
}

// member is the only member of a group.
func (b *bus) member(topic, states string) *busMember {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at[topic] == nil {
		b.at[topic] = make([]int, b.of)
	}
	return &busMember{bus: b, topic: topic, states: states}
}

type busMember struct {
	*bus
	topic, states string
	assigned      bool
	given         []int
	buried        []ebb.Record
}

func (m *busMember) Poll(ctx context.Context) (batch ebb.Batch, err error) {
	if !m.assigned {
		m.assigned = true
		for p := range m.of {
			batch.Assigned = append(batch.Assigned, ebb.Position{Partition: p})
		}
		return batch, nil
	}
	for {
		m.mu.Lock()
		m.given, m.buried = make([]int, m.of), nil
		for p, records := range m.topics[m.topic] {
			from := m.at[m.topic][p]
			m.given[p] = len(records)
			if m.most > 0 {
				m.given[p] = min(m.given[p], from+m.most)
			}
			batch.Records = append(batch.Records, records[from:m.given[p]]...)
		}
		changed := m.changed
		m.mu.Unlock()
		if len(batch.Records) > 0 {
			return batch, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return batch, ctx.Err()
		}
	}
}

func (m *busMember) Restore(_ context.Context, partition int32, apply func(ebb.Record)) (int32, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.topics[m.states]; p != nil {
		for _, r := range p[partition] {
			apply(r)
		}
	}
	return m.of, nil
}

func (m *busMember) Commit(_ context.Context, out []ebb.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(); err != nil {
			return err
		}
	}
	for _, r := range append(out, m.buried...) {
		m.put(r)
	}
	copy(m.at[m.topic], m.given)
	close(m.changed)
	m.changed = make(chan struct{})
	return nil
}

func (m *busMember) Dead(r ebb.Record, reason string) {
	r.Topic += "-dead"
	r.Headers = append(r.Headers, ebb.Header{Key: "reason", Value: []byte(reason)})
	m.buried = append(m.buried, r)
}
