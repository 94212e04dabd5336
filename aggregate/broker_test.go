package aggregate

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ebb-events/ebb"
)

// broker is what the topics hold. It stands for the seam, in one process.
type broker struct {
	partitions int32
	id         [16]byte // of the command topic
	epoch      int32    // of its leaders
	commands   map[int32][]ebb.Record
	committed  map[int32]int
	out        []ebb.Record // all topics, in the order of their transactions
	dead       []string
	batch      int          // most records of a poll, all if zero
	fail       func() error // of a commit, nil for never
}

func newBroker() *broker {
	return &broker{partitions: 2, id: [16]byte{1}, commands: map[int32][]ebb.Record{}, committed: map[int32]int{}}
}

var errBroker = errors.New("broker is away")

// send puts a command on partition 0, its key the one that the JSON has.
func (b *broker) send(format string, args ...any) {
	value := []byte(fmt.Sprintf(format, args...))
	key := ""
	if m, err := ebb.ParseMessage(value); err == nil {
		key = m.String(ebb.FieldID)
	}
	b.put(0, key, value)
}

func (b *broker) put(partition int32, key string, value []byte) {
	b.commands[partition] = append(b.commands[partition], ebb.Record{
		Topic: "test-counter-command", TopicID: b.id, Partition: partition, Offset: int64(len(b.commands[partition])), LeaderEpoch: b.epoch,
		Key: []byte(key), Value: value,
	})
}

// topic returns the messages of a topic.
func (b *broker) topic(p ebb.Purpose) (all []ebb.Message) {
	for _, r := range b.out {
		if r.Topic == ebb.Topic("test-counter", p, "") {
			m, err := ebb.ParseMessage(r.Value)
			if err != nil {
				panic(err)
			}
			all = append(all, m)
		}
	}
	return all
}

func (b *broker) last(p ebb.Purpose) string {
	all := b.topic(p)
	return string(all[len(all)-1].JSON())
}

// member is a [Log] on a broker that ends its process when all is done.
type member struct {
	*broker
	end      context.CancelFunc
	assigned bool
	given    map[int32]int
	buried   []string
}

func (m *member) Poll(ctx context.Context) (batch ebb.Batch, err error) {
	m.given, m.buried = map[int32]int{}, nil
	if !m.assigned {
		m.assigned = true
		for p := range m.partitions {
			batch.Assigned = append(batch.Assigned, ebb.Position{Partition: p})
		}
		return batch, nil
	}
	for p := range m.partitions {
		m.given[p] = m.committed[p]
		for m.given[p] < len(m.commands[p]) && (m.batch == 0 || len(batch.Records) < m.batch) {
			batch.Records = append(batch.Records, m.commands[p][m.given[p]])
			m.given[p]++
		}
	}
	if len(batch.Records) == 0 {
		m.end()
		<-ctx.Done()
		return batch, ctx.Err()
	}
	return batch, nil
}

func (m *member) Restore(_ context.Context, partition int32, apply func(ebb.Record)) (int32, error) {
	for _, r := range m.out {
		if r.Partition == partition && r.Topic == ebb.Topic("test-counter", ebb.Aggregates, "") {
			apply(r)
		}
	}
	return m.partitions, nil
}

func (m *member) Commit(_ context.Context, out []ebb.Record) error {
	if m.fail != nil {
		if err := m.fail(); err != nil {
			return err
		}
	}
	m.out = append(m.out, out...)
	m.dead = append(m.dead, m.buried...)
	for p, n := range m.given {
		m.committed[p] = n
	}
	return nil
}

func (m *member) Dead(_ ebb.Record, reason string) { m.buried = append(m.buried, reason) }

// work runs a service in a process of its own until all commands are answered.
func (b *broker) work(t testing.TB, cfg Config) {
	t.Helper()
	if err := b.run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

func (b *broker) run(ctx context.Context, cfg Config) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	return counters.Run(ctx, &member{broker: b, end: end}, cfg)
}
