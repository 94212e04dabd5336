package kafka_test

import (
	"context"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ebb-events/ebb"
	"github.com/ebb-events/ebb/kafka"
)

// hear follows replies and returns what comes, once it has begun.
func (b *bench) hear(c *kafka.Client) (heard <-chan string, ended <-chan error, stop func()) {
	b.Helper()
	out, end, begun := make(chan string, 100), make(chan error, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	b.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		end <- c.Answers().Follow(ctx, func() { close(begun) }, func(records []ebb.Record) {
			for _, v := range values(records) {
				out <- v
			}
		})
	}()
	select {
	case <-begun:
	case err := <-end:
		b.Fatal(err)
	case <-b.in().Done():
		b.Fatal("following has not begun")
	}
	return out, end, cancel
}

// heard waits for what comes next.
func (b *bench) heard(from <-chan string, want ...string) {
	b.Helper()
	var got []string
	for range want {
		select {
		case v := <-from:
			got = append(got, v)
		case <-b.in().Done():
			b.Fatalf("got %q, want %q", got, want)
		}
	}
	if !slices.Equal(got, want) {
		b.Errorf("got %q, want %q", got, want)
	}
}

// TestAnswersAreHeardFromTheBeginningOn: nothing from before, nothing of an
// aborted transaction, and everything after.
func TestAnswersAreHeardFromTheBeginningOn(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open(func(c *kafka.Config) { c.Types = nil })
		other := b.open()
		b.must(other.Prepare(b.in(), ebb.Replies))
		topic := b.topic(ebb.Replies)
		b.put(topic, 1, 0, 3)
		heard, _, _ := b.hear(c)
		b.put(topic, 1, 3, 5)
		b.heard(heard, `{"n":3}`, `{"n":4}`)
		reply := &kgo.Record{Topic: topic, Partition: 2, Key: []byte("k"), Value: []byte(`{"n":"aborted"}`)}
		open := b.transaction(false, reply)
		b.must(open.EndTransaction(b.in(), kgo.TryAbort))
		b.transaction(true, &kgo.Record{Topic: topic, Partition: 2, Key: []byte("k"), Value: kafka.Encode([]byte(`{"n":5}`))})
		b.heard(heard, `{"n":5}`)
	})
}

// TestAnswersOfANewTypeAreAllHeard: its topics appear while they are followed.
func TestAnswersOfANewTypeAreAllHeard(t *testing.T) {
	onBoth(t, func(b *bench) {
		c := b.open(func(c *kafka.Config) { c.Types = []string{typ, "shop-order"} })
		heard, ended, _ := b.hear(c) // nothing is there yet
		for _, name := range []string{"shop-other", "shop-order"} {
			other := b.open(func(c *kafka.Config) { c.Types = []string{name} })
			b.must(other.Prepare(b.in(), ebb.Replies))
		}
		b.put(ebb.Topic("shop-other", ebb.Replies, b.env), 0, 0, 9)
		b.put(ebb.Topic("shop-order", ebb.Replies, b.env), 0, 0, 2)
		b.heard(heard, `{"n":0}`, `{"n":1}`)

		got, err := kadm.NewClient(b.admin).DeleteTopics(b.in(), ebb.Topic("shop-order", ebb.Replies, b.env))
		b.must(err)
		b.must(got.Error())
		b.cut(ended)
		if len(heard) > 0 {
			b.Errorf("heard %q of a type that is not to be served", <-heard)
		}
	})
}
