package kafka_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/kafka"
)

func TestUnconfirmedRepliesComeAgain(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		b.must(c.Prepare(b.in(), ebb.Replies))
		b.put(b.topic(ebb.Replies), 3, 0, 5)
		want := []string{`{"n":0}`, `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`}

		r := c.Replies("g" + b.env)
		for range 2 { // the same member, twice
			got := b.pollUntil(r, func(s ebb.Batch) bool { return len(s.Records) >= 5 })
			if !slices.Equal(values(got.Records), want) {
				b.Fatalf("got %v", values(got.Records))
			}
			if id := got.Records[0].TopicID; id == [16]byte{} || got.Records[0].Partition != 3 {
				b.Errorf("got topic id %v and partition %d", id, got.Records[0].Partition)
			}
		}
		r.Close()

		r = c.Replies("g" + b.env) // and another one
		got := b.pollUntil(r, func(s ebb.Batch) bool { return len(s.Records) >= 5 })
		if !slices.Equal(values(got.Records), want) {
			b.Fatalf("got %v", values(got.Records))
		}
		b.must(r.Commit(b.in()))
		b.put(b.topic(ebb.Replies), 3, 5, 6)
		got = b.pollUntil(r, func(s ebb.Batch) bool { return len(s.Records) >= 1 })
		if !slices.Equal(values(got.Records), []string{`{"n":5}`}) {
			b.Errorf("after a commit: got %v", values(got.Records))
		}
		r.Close()
		r = c.Replies("g" + b.env)
		defer r.Close()
		got = b.pollUntil(r, func(s ebb.Batch) bool { return len(s.Assigned) == 12 && len(s.Records) > 0 })
		if !slices.Equal(values(got.Records), []string{`{"n":5}`}) {
			b.Errorf("after joining again: got %v", values(got.Records))
		}
		if at := got.Assigned[slices.IndexFunc(got.Assigned, func(p ebb.Position) bool { return p.Partition == 3 })].Offset; at != 5 {
			b.Errorf("assigned at %d, want 5", at)
		}
	})
}

func TestMissingRecordsAreOneGap(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		b.must(c.Prepare(b.in(), ebb.Replies))
		topic := b.topic(ebb.Replies)
		b.put(topic, 2, 0, 10)
		b.cutBefore(topic, 2, 4)
		gaps := func(from, to int64) {
			b.Helper()
			r := c.Replies("g" + b.env)
			defer r.Close()
			got := b.pollUntil(r, func(s ebb.Batch) bool { return len(s.Assigned) == 12 })
			again := b.pollUntil(r, func(s ebb.Batch) bool { return to == 0 || len(s.Gaps) > 0 })
			if !reflect.DeepEqual(got.Gaps, again.Gaps) {
				b.Errorf("got %+v, then %+v", got.Gaps, again.Gaps)
			}
			var want []ebb.Gap
			if to > 0 {
				want = []ebb.Gap{{Topic: topic, Partition: 2, From: from, To: to}}
			}
			if !reflect.DeepEqual(got.Gaps, want) {
				b.Errorf("got %+v, want %+v", got.Gaps, want)
			}
			b.must(r.Commit(b.in()))
		}
		gaps(0, 4) // without a commit
		gaps(0, 0) // once only
		b.put(topic, 2, 10, 20)
		b.cutBefore(topic, 2, 12)
		gaps(4, 12)
		r := c.Replies("g" + b.env) // confirms all that is there
		b.pollUntil(r, func(s ebb.Batch) bool { return len(s.Records) > 0 && s.Records[len(s.Records)-1].Offset == 19 })
		b.must(r.Commit(b.in()))
		r.Close()
		b.put(topic, 2, 20, 30)
		b.cutBefore(topic, 2, 30)
		gaps(20, 30) // below the log's start
	})
}

func TestRebalanceLosesAndRepeatsNothing(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		b.must(c.Prepare(b.in(), ebb.Replies))
		seen := make(chan string, 1000)
		member := func(name string, r *kafka.Replies, stop <-chan struct{}, done chan<- map[int32]bool) {
			owned := map[int32]bool{}
			defer func() { r.Close(); done <- owned }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := r.Poll(b.in())
				if err != nil {
					b.Error(err)
					return
				}
				for _, p := range got.Revoked {
					if !owned[p.Partition] {
						b.Errorf("%s lost partition %d, which it did not have", name, p.Partition)
					}
					delete(owned, p.Partition)
				}
				for _, p := range got.Assigned {
					owned[p.Partition] = true
				}
				for _, rec := range got.Records {
					if !owned[rec.Partition] {
						b.Errorf("%s got a record of partition %d, which it does not have", name, rec.Partition)
					}
				}
				if err := r.Commit(b.in()); err != nil {
					continue // they come again, here or there
				}
				for _, rec := range got.Records {
					seen <- string(rec.Value)
				}
			}
		}
		all := func(from, to int) {
			b.Helper()
			for p := range int32(12) {
				b.put(b.topic(ebb.Replies), p, from+int(p)*1000, to+int(p)*1000)
			}
			missing := map[string]bool{}
			for p := range 12 {
				for i := from; i < to; i++ {
					missing[fmt.Sprintf(`{"n":%d}`, i+p*1000)] = true
				}
			}
			for len(missing) > 0 {
				select {
				case v := <-seen:
					if !missing[v] {
						b.Errorf("%s came twice", v)
					}
					delete(missing, v)
				case <-b.in().Done():
					b.Fatalf("missing: %v", missing)
				}
			}
		}
		stopA, stopB, doneA, doneB := make(chan struct{}), make(chan struct{}), make(chan map[int32]bool, 1), make(chan map[int32]bool, 1)
		go member("a", c.Replies("g"+b.env), stopA, doneA)
		all(0, 3)
		go member("b", b.open().Replies("g"+b.env), stopB, doneB)
		groups := kadm.NewClient(b.admin)
		for { // until both have some
			g, err := groups.DescribeGroups(b.in(), "g"+b.env)
			b.must(err)
			if m := g["g"+b.env].Members; g["g"+b.env].State == "Stable" && len(m) == 2 {
				break
			}
		}
		all(10, 13)
		close(stopA)
		all(20, 23) // wakes a, which leaves; or b has all already
		ownedA := <-doneA
		all(30, 33)
		close(stopB)
		b.put(b.topic(ebb.Replies), 0, 99, 100)
		ownedB := <-doneB
		if len(ownedB) != 12 || len(ownedA) == 12 {
			b.Errorf("a had %d partitions, then b %d", len(ownedA), len(ownedB))
		}
	})
}

func TestNewTypesAreFoundAndOthersAreNot(t *testing.T) {
	onBoth(t, func(b *bench) {
		all := b.open(func(c *kafka.Config) { c.Types = nil })
		other := b.open(func(c *kafka.Config) { c.Types = []string{"shop-order"} })
		b.must(b.open().Prepare(b.in(), ebb.Replies))
		b.put(b.topic(ebb.Replies), 0, 0, 1)
		r := all.Replies("g" + b.env)
		defer r.Close()
		got := b.pollUntil(r, func(s ebb.Batch) bool { return len(s.Records) == 1 })
		b.must(r.Commit(b.in()))
		for _, topic := range []string{b.topic(ebb.Replies) + "-dead", ebb.Topic(typ, ebb.Replies, b.env+"x"), ebb.Topic(typ, ebb.Replies, "x"+b.env)} {
			_, err := kadm.NewClient(b.admin).CreateTopic(b.in(), 1, 1, nil, topic)
			b.must(err)
			b.put(topic, 0, 100, 101)
		}
		b.must(other.Prepare(b.in(), ebb.Replies))
		b.put(ebb.Topic("shop-order", ebb.Replies, b.env), 0, 1, 2)
		got = b.pollUntil(r, func(s ebb.Batch) bool { return len(s.Records) == 1 })
		if v := values(got.Records); !slices.Equal(v, []string{`{"n":1}`}) {
			b.Errorf("got %v", v)
		}
	})
}

func TestMarkersAreConfirmedToo(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open()
		b.must(c.Prepare(b.in(), ebb.Replies))
		b.transaction(true, &kgo.Record{Topic: b.topic(ebb.Replies), Partition: 1, Value: []byte(`{"n":0}`)})
		r := c.Replies("g" + b.env)
		defer r.Close()
		b.pollUntil(r, func(s ebb.Batch) bool { return len(s.Records) == 1 })
		b.must(r.Commit(b.in()))
		b.transaction(true, &kgo.Record{Topic: b.topic(ebb.Replies), Partition: 2, Value: []byte(`{"n":1}`)})
		b.pollUntil(r, func(s ebb.Batch) bool { return len(s.Records) == 1 })
		b.must(r.Commit(b.in()))
		polled := make(chan struct{})
		ctx, cancel := cancelable(b.in())
		go func() { // waits, and confirms meanwhile
			_, _ = r.Poll(ctx)
			close(polled)
		}()
		for late := b.in(); ; {
			got, err := kadm.NewClient(b.admin).FetchOffsets(late, "g"+b.env)
			b.must(err)
			o, _ := got.Lookup(b.topic(ebb.Replies), 2)
			if o.At == 2 {
				break
			} else if late.Err() != nil {
				b.Fatalf("the group stays at %d", o.At)
			}
		}
		cancel()
		<-polled
	})
}
