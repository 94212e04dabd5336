//go:build unix

package history_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/internal/history"
)

// reader reads all topics of the type, as a reader of committed records sees
// them.
type reader struct {
	cl       *kgo.Client
	commands string // the topic that is looked at last
	dead     string // the one that there may not be
	lists    map[string]*[]ebb.Record
	next     map[string]map[int32]int64 // the offset of what was not read yet
	h        history.History
}

func newReader(seeds []string, environment string) (*reader, error) {
	r := &reader{commands: ebb.Topic(typ, ebb.Commands, environment), next: map[string]map[int32]int64{}}
	r.dead = r.commands + "-dead"
	r.lists = map[string]*[]ebb.Record{
		r.commands:                                  &r.h.Commands,
		r.dead:                                      &r.h.Dead,
		ebb.Topic(typ, ebb.Events, environment):     &r.h.Events,
		ebb.Topic(typ, ebb.Replies, environment):    &r.h.Replies,
		ebb.Topic(typ, ebb.Aggregates, environment): &r.h.States,
	}
	var err error
	r.cl, err = kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond), kgo.MetadataMinAge(100*time.Millisecond))
	return r, err
}

// look reads on, at least to where the topics end at the call, and returns all
// so far.
func (r *reader) look(ctx context.Context) (history.History, error) {
	ends, err := r.ends(ctx)
	if err != nil {
		return r.h, err
	}
	from := map[string]map[int32]kgo.Offset{}
	for topic, partitions := range ends {
		if r.next[topic] != nil {
			continue
		}
		r.next[topic], from[topic] = map[int32]int64{}, map[int32]kgo.Offset{}
		for p := range partitions {
			from[topic][p] = kgo.NewOffset().AtStart()
		}
	}
	r.cl.AddConsumePartitions(from)
	behind := func() (n int) {
		ends.Each(func(o kadm.ListedOffset) {
			if r.next[o.Topic][o.Partition] < o.Offset {
				n++
			}
		})
		return n
	}
	var trouble error // which passes, or reading does not end
	for behind() > 0 {
		f := r.cl.PollFetches(ctx)
		f.EachRecord(func(k *kgo.Record) {
			if !k.Attrs.IsControl() {
				*r.lists[k.Topic] = append(*r.lists[k.Topic], taken(k, k.Topic == r.dead))
			}
			r.next[k.Topic][k.Partition] = k.Offset + 1
		})
		if ctx.Err() != nil {
			return r.h, fmt.Errorf("reading what the topics hold: %w with %d partitions to go, after %v", ctx.Err(), behind(), trouble)
		}
		f.EachError(func(topic string, partition int32, err error) {
			trouble = fmt.Errorf("%s/%d: %w", topic, partition, err)
		})
	}
	return r.h, nil
}

// ends lists where the topics end. Commands come last: one that comes meanwhile
// may have no answer yet, but there is no answer without its command.
func (r *reader) ends(ctx context.Context) (kadm.ListedOffsets, error) {
	adm := kadm.NewClient(r.cl)
	there, err := adm.ListTopics(ctx, slices.Collect(maps.Keys(r.lists))...)
	if err != nil {
		return nil, err
	}
	if there[r.dead].Err != nil { // nothing died yet
		delete(there, r.dead)
	}
	ends := kadm.ListedOffsets{}
	outputs := slices.DeleteFunc(there.Names(), func(topic string) bool { return topic == r.commands })
	for _, topics := range [][]string{outputs, {r.commands}} {
		some, err := adm.ListEndOffsets(ctx, topics...)
		if err == nil {
			err = some.Error()
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(ends, some)
	}
	return ends, nil
}

// taken is a record as the history has it. A dead one has the coordinates of
// what it stands for.
func taken(k *kgo.Record, dead bool) ebb.Record {
	r := ebb.Record{Topic: k.Topic, Partition: k.Partition, Offset: k.Offset, Key: k.Key, Value: k.Value}
	if dead {
		for _, h := range k.Headers {
			r.Headers = append(r.Headers, ebb.Header(h))
		}
		partition, _ := strconv.Atoi(string(r.Header("partition")))
		r.Partition = int32(partition)
		r.Offset, _ = strconv.ParseInt(string(r.Header("offset")), 10, 64)
	}
	return r
}

// settled returns what the topics hold once all commands are answered, and no
// more come. A send that was given up may still arrive.
func settled(t *testing.T, seeds []string, environment string, within time.Duration) history.History {
	t.Helper()
	topics, err := newReader(seeds, environment)
	if err != nil {
		t.Fatal(err)
	}
	defer topics.cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for before := [3]int{}; ; {
		h, err := topics.look(ctx)
		now := [3]int{len(h.Commands), len(h.Replies), len(h.Dead)}
		if err == nil && now[0] > 0 && now[1]+now[2] >= now[0] && now == before {
			return h
		}
		before = now
		if ctx.Err() != nil {
			t.Fatalf("after %v: %d commands, %d answers, %d dead, %v\n%s", within, now[0], now[1], now[2], err, transactions(seeds))
		}
		select {
		case <-ctx.Done():
		case <-look.C:
		}
	}
}

// transactions tells of those that are open, from which readers wait.
func transactions(seeds []string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(seeds...))
	if err != nil {
		return err.Error()
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	var b strings.Builder
	known, err := adm.DescribeTransactions(ctx)
	fmt.Fprintln(&b, "transactions:", err)
	for _, d := range known.Sorted() {
		fmt.Fprintf(&b, "%s: producer %d epoch %d %s since %d, %d ms, %v, %v\n", d.TxnID, d.ProducerID, d.ProducerEpoch, d.State, d.StartTimestamp, d.TimeoutMillis, d.Topics.Sorted(), d.Err)
	}
	writers, err := adm.DescribeProducers(ctx, nil)
	fmt.Fprintln(&b, "producers:", err)
	for _, p := range writers.SortedProducers() {
		if p.CurrentTxnStartOffset >= 0 {
			fmt.Fprintf(&b, "%s/%d: producer %d epoch %d has a transaction open from %d, coordinator epoch %d, last at %d\n", p.Topic, p.Partition, p.ProducerID, p.ProducerEpoch, p.CurrentTxnStartOffset, p.CoordinatorEpoch, p.LastTimestamp)
		}
	}
	return b.String()
}
