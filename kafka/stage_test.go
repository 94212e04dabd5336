package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ebb-events/ebb"
)

func cancelable(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

// transaction writes records in one, and leaves it open if end is false.
func (b *bench) transaction(end bool, records ...*kgo.Record) *kgo.Client {
	b.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.seeds...), kgo.TransactionalID("t"+b.env+fmt.Sprint(records[0].Partition)+b.Name()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	b.must(err)
	b.Cleanup(cl.Close)
	b.must(cl.BeginTransaction())
	b.must(cl.ProduceSync(b.in(), records...).FirstErr())
	if end {
		b.must(cl.EndTransaction(b.in(), kgo.TryCommit))
	}
	return cl
}

// outputs are what a command makes, in its partition.
func (b *bench) outputs(r ebb.Record) (out []ebb.Record) {
	for _, p := range []ebb.Purpose{ebb.Events, ebb.Aggregates, ebb.Replies} {
		out = append(out, ebb.Record{Topic: b.topic(p), Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: []ebb.Header{{Key: "h", Value: []byte("v")}}})
	}
	return out
}

// committed is what readers see of a partition.
func (b *bench) committed(topic string, partition int32) (v []string) {
	b.Helper()
	ends, err := kadm.NewClient(b.admin).ListEndOffsets(b.in(), topic)
	b.must(err)
	end, _ := ends.Lookup(topic, partition)
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.seeds...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))
	b.must(err)
	defer cl.Close()
	for at := int64(0); at < end.Offset; {
		f := cl.PollFetches(b.in())
		b.must(f.Err0())
		f.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			if !r.Attrs.IsControl() {
				v = append(v, string(r.Value))
			}
		})
	}
	return v
}

func TestCommandGoesRoundInOneTransaction(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		cmds := c.Commands(typ, "s"+b.env)
		defer cmds.Close()
		for i := range 3 {
			b.must(c.Sender().Send(b.in(), typ, "ABC", fmt.Appendf(nil, `{"n":%d}`, i)))
			got := b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Records) == 1 })
			if string(got.Records[0].Key) != "abc" {
				b.Errorf("got key %s", got.Records[0].Key)
			}
			b.must(cmds.Commit(b.in(), b.outputs(got.Records[0])))
			p := got.Records[0].Partition
			for _, purpose := range []ebb.Purpose{ebb.Events, ebb.Aggregates, ebb.Replies} {
				if v := b.committed(b.topic(purpose), p); len(v) != i+1 || v[i] != fmt.Sprintf(`{"n":%d}`, i) {
					b.Errorf("%s has %v", purpose, v)
				}
			}
		}
	})
}

func TestFailedCommitLeavesNothingAndComesAgain(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		cmds := c.Commands(typ, "s"+b.env)
		defer cmds.Close()
		b.must(c.Prepare(b.in(), ebb.Commands))
		b.put(b.topic(ebb.Commands), 4, 0, 2)
		got := b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Records) == 2 })
		large := ebb.Record{Topic: b.topic(ebb.Replies), Partition: 4, Value: []byte(strings.Repeat("x", 2<<20))}
		if err := cmds.Commit(b.in(), append(b.outputs(got.Records[0]), large)); err == nil || !strings.Contains(err.Error(), ebb.ErrTooLarge.Error()) {
			b.Errorf("got %v, want %v", err, ebb.ErrTooLarge)
		}
		got = b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Records) == 2 })
		b.must(cmds.Commit(b.in(), b.outputs(got.Records[1])))
		if v := b.committed(b.topic(ebb.Replies), 4); !slices.Equal(v, []string{`{"n":1}`}) {
			b.Errorf("readers see %v", v)
		}
		b.put(b.topic(ebb.Commands), 4, 2, 3)
		got = b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Records) > 0 })
		if v := values(got.Records); !slices.Equal(v, []string{`{"n":2}`}) {
			b.Errorf("then %v came", v)
		}
	})
}

func TestRemovedMemberCannotCommit(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		cmds := c.Commands(typ, "s"+b.env)
		defer cmds.Close()
		b.must(c.Prepare(b.in(), ebb.Commands))
		b.put(b.topic(ebb.Commands), 4, 0, 1)
		got := b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Records) == 1 })

		b.remove("s" + b.env)
		if err := cmds.Commit(b.in(), b.outputs(got.Records[0])); err == nil {
			b.Error("it could")
		}
		again := b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Revoked) == 12 && len(s.Assigned) == 12 && len(s.Records) == 1 })
		b.must(cmds.Commit(b.in(), b.outputs(again.Records[0])))
		if v := b.committed(b.topic(ebb.Replies), 4); !slices.Equal(v, []string{`{"n":0}`}) {
			b.Errorf("readers see %v", v)
		}
	})
}

func TestRestoreWaitsForAnOpenTransaction(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		cmds := c.Commands(typ, "s"+b.env)
		defer cmds.Close()
		b.must(c.Prepare(b.in(), ebb.Aggregates))
		topic := b.topic(ebb.Aggregates)
		b.put(topic, 7, 0, 1)
		open := b.transaction(false, &kgo.Record{Topic: topic, Partition: 7, Key: []byte("k"), Value: []byte(`{"n":1}`)})

		var got []string
		begun, done := make(chan struct{}, 2), make(chan error, 1)
		go func() {
			of, err := cmds.Restore(b.in(), 7, func(r ebb.Record) {
				got = append(got, string(r.Value))
				begun <- struct{}{}
			})
			if of != 12 {
				b.Errorf("got %d partitions", of)
			}
			done <- err
		}()
		<-begun
		select { // long enough for several looks at the log
		case err := <-done:
			b.Fatalf("it ended with %v, %v", got, err)
		case <-time.After(500 * time.Millisecond):
		}
		b.must(open.EndTransaction(b.in(), kgo.TryCommit))
		b.must(<-done)
		if !slices.Equal(got, []string{`{"n":0}`, `{"n":1}`}) {
			b.Errorf("got %v", got)
		}
		of, err := cmds.Restore(b.in(), 8, func(ebb.Record) { b.Error("of an empty partition") })
		b.must(err)
		if of != 12 {
			b.Errorf("got %d partitions", of)
		}
	})
}

// TestRestoreEndsWithItsContext is for who only wants to see a state or two.
func TestRestoreEndsWithItsContext(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		cmds := c.Commands(typ, "s"+b.env)
		defer cmds.Close()
		b.must(c.Prepare(b.in(), ebb.Aggregates))
		topic := b.topic(ebb.Aggregates)
		b.put(topic, 7, 0, 1)
		open := b.transaction(false, &kgo.Record{Topic: topic, Partition: 7, Key: []byte("k"), Value: []byte(`{"n":1}`)})
		ctx, enough := cancelable(b.in())
		if _, err := cmds.Restore(ctx, 7, func(ebb.Record) { enough() }); !errors.Is(err, context.Canceled) {
			b.Errorf("got %v", err)
		}
		b.must(open.EndTransaction(b.in(), kgo.TryAbort))
		n := 0
		_, err := cmds.Restore(b.in(), 7, func(ebb.Record) { n++ })
		b.must(err)
		if n != 1 {
			b.Errorf("afterwards it has %d states, want 1", n)
		}
	})
}

func TestRestoreLeavesOutWhatWasAborted(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		cmds := c.Commands(typ, "s"+b.env)
		defer cmds.Close()
		b.must(c.Prepare(b.in(), ebb.Aggregates))
		topic := b.topic(ebb.Aggregates)
		open := b.transaction(false, &kgo.Record{Topic: topic, Partition: 7, Key: []byte("k"), Value: []byte(`{"n":0}`)})
		b.put(topic, 7, 1, 2)
		b.must(open.EndTransaction(b.in(), kgo.TryAbort))
		var got []string
		_, err := cmds.Restore(b.in(), 7, func(r ebb.Record) { got = append(got, string(r.Value)) })
		b.must(err)
		if !slices.Equal(got, []string{`{"n":1}`}) {
			b.Errorf("got %v", got)
		}
	})
}

func TestDeadLettersComeWithTheCommit(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		cmds := c.Commands(typ, "s"+b.env)
		defer cmds.Close()
		b.must(c.Prepare(b.in(), ebb.Commands))
		b.put(b.topic(ebb.Commands), 4, 0, 1)
		got := b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Records) == 1 })
		cmds.Dead(got.Records[0], "no command")
		b.must(cmds.Commit(b.in(), nil))
		if v := b.committed(b.topic(ebb.Commands)+"-dead", 4); !slices.Equal(v, []string{`{"n":0}`}) {
			b.Errorf("got %v", v)
		}
	})
}

// make makes a topic.
func (b *bench) make(partitions int32, topic string) {
	b.Helper()
	_, err := kadm.NewClient(b.admin).CreateTopic(b.in(), partitions, 1, nil, topic)
	b.must(err)
}

func TestUnequalPartitionsAreRefused(t *testing.T) {
	b := onEmbedded(t)
	b.make(5, b.topic(ebb.Replies))
	cmds := b.open().Commands(typ, "s")
	defer cmds.Close()
	if _, err := cmds.Poll(b.in()); err == nil || !strings.Contains(err.Error(), "make them equal") {
		t.Errorf("got %v", err)
	}
}

func TestCommitInDoubtIsFoundOut(t *testing.T) {
	b, cluster := onKfake(t)
	c := b.open()
	cmds := c.Commands(typ, "s")
	defer cmds.Close()
	b.must(c.Prepare(b.in(), ebb.Commands))
	b.put(b.topic(ebb.Commands), 4, 0, 1)
	got := b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Records) == 1 })
	failed := false
	cluster.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if failed {
			return nil, nil, false
		}
		failed = true
		resp := req.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ErrorCode = kerr.UnknownServerError.Code
		return resp, nil, true
	})
	if err := cmds.Commit(b.in(), b.outputs(got.Records[0])); err == nil || !strings.Contains(err.Error(), "in doubt") {
		t.Errorf("got %v", err)
	}
	again := b.pollUntil(cmds, func(s ebb.Batch) bool { return len(s.Revoked) == 12 && len(s.Assigned) == 12 && len(s.Records) == 1 })
	b.must(cmds.Commit(b.in(), b.outputs(again.Records[0])))
	if v := b.committed(b.topic(ebb.Replies), 4); !slices.Equal(v, []string{`{"n":0}`}) {
		t.Errorf("readers see %v", v)
	}
}
