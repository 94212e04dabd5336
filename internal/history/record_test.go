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

// record reads all topics of the type, as a reader of committed records sees
// them, up to where they end at the call.
func record(ctx context.Context, seeds []string, environment string) (h history.History, err error) {
	dead := ebb.Topic(typ, ebb.Commands, environment) + "-dead"
	lists := map[string]*[]ebb.Record{
		ebb.Topic(typ, ebb.Commands, environment):   &h.Commands,
		ebb.Topic(typ, ebb.Events, environment):     &h.Events,
		ebb.Topic(typ, ebb.Replies, environment):    &h.Replies,
		ebb.Topic(typ, ebb.Aggregates, environment): &h.States,
		dead: &h.Dead,
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return h, err
	}
	defer cl.Close()
	var topics []string
	for topic := range lists {
		topics = append(topics, topic)
	}
	there, err := kadm.NewClient(cl).ListTopics(ctx, topics...)
	if err != nil {
		return h, err
	}
	if there[dead].Err != nil { // nothing died yet
		delete(there, dead)
	}
	// Commands last: one that comes meanwhile may have no answer yet, but there
	// is no answer without its command.
	ends := kadm.ListedOffsets{}
	commands := ebb.Topic(typ, ebb.Commands, environment)
	outputs := slices.DeleteFunc(there.Names(), func(topic string) bool { return topic == commands })
	for _, topics := range [][]string{outputs, {commands}} {
		some, err := kadm.NewClient(cl).ListEndOffsets(ctx, topics...)
		if err == nil {
			err = some.Error()
		}
		if err != nil {
			return h, err
		}
		maps.Copy(ends, some)
	}
	left := map[string]map[int32]int64{}
	from := map[string]map[int32]kgo.Offset{}
	parts := 0
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset == 0 {
			return
		}
		if left[o.Topic] == nil {
			left[o.Topic], from[o.Topic] = map[int32]int64{}, map[int32]kgo.Offset{}
		}
		left[o.Topic][o.Partition], from[o.Topic][o.Partition] = o.Offset, kgo.NewOffset().AtStart()
		parts++
	})
	cl.AddConsumePartitions(from)
	for parts > 0 {
		f := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return h, fmt.Errorf("reading what the topics hold: %w", ctx.Err())
		}
		f.EachRecord(func(r *kgo.Record) {
			end := left[r.Topic][r.Partition]
			if !r.Attrs.IsControl() && r.Offset < end {
				*lists[r.Topic] = append(*lists[r.Topic], taken(r, r.Topic == dead))
			}
			if end > 0 && r.Offset >= end-1 {
				left[r.Topic][r.Partition] = 0
				parts--
			}
		})
	}
	return h, nil
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

// settled records what the topics hold once all commands are answered, and no
// more come. A send that was given up may still arrive.
func settled(t *testing.T, seeds []string, environment string, within time.Duration) history.History {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for before := -1; ; {
		h, err := record(ctx, seeds, environment)
		if err == nil && len(h.Commands) > 0 && len(h.Replies)+len(h.Dead) >= len(h.Commands) {
			if len(h.Commands) == before {
				return h
			}
			before = len(h.Commands)
		}
		if ctx.Err() != nil {
			t.Fatalf("after %v: %d commands, %d answers, %d dead, %v\n%s", within, len(h.Commands), len(h.Replies), len(h.Dead), err, transactions(seeds))
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
